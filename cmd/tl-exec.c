/* tl-exec: run a command in the sandbox as if it ran here. */

#include <sys/wait.h>

#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "client/cloud/begin.h"
#include "client/cloud/retry.h"
#include "client/sandbox/builder.h"
#include "client/sandbox/process_feed.h"
#include "client/sandbox/process_follow.h"
#include "client/sandbox/process_run.h"
#include "client/sandbox/session.h"
#include "client/stages/prepared.h"
#include "client/terminal/shell.h"
#include "client/terminal/tty.h"
#include "core/json.h"
#include "core/mask.h"
#include "core/opt.h"
#include "core/stop.h"

static const char usage[] =
    "usage: tl-exec [-v] [-i] [-s FILE] [--root] [--cwd PATH] "
    "[--env NAME=VALUE]...\n"
    "           [--builder PREPARED] [--status-file FILE] [--] "
    "COMMAND [ARG...]\n"
    "       tl-exec [-v] -t [-s FILE] [--root] [--cwd DIR] "
    "[--env NAME=VALUE]...\n"
    "           [--] [COMMAND [ARG...]]\n"
    "       tl-exec [-v] [-s FILE] --attach PID | --kill PID\n"
    "Run a command in a sandbox; its output is shown as it comes.\n"
    "  -i, --stdin             with this program's stdin\n"
    "  -t, --tty               with this program's terminal; no COMMAND: a "
    "shell\n"
    "  -s, --sandbox FILE      the sandbox document (TL_SANDBOX)\n"
    "  --root                  as root, not as the sandbox's user\n"
    "  --cwd PATH              in this folder of the sandbox\n"
    "  --env NAME=VALUE        with this variable (repeatable)\n"
    "  --builder PREPARED      the prepared builder, as root; a COMMAND\n"
    "                          runs instead, the builder at its end\n"
    "  --keepalive[=SECONDS]   ping the sandbox this often (120)\n"
    "  --attach PID            no new command: the output of this process\n"
    "                          from its beginning, and its status\n"
    "  --kill PID              no new command: kill this process\n"
    "  --status-file FILE      write there how the command ended, as JSON\n"
    "  -h, --help  -V, --version  -v, --verbose\n"
    SETTINGS_USAGE;

enum { ROOT = 256, CWD, ENV, BUILDER, KEEPALIVE, STATUS_FILE, ATTACH, KILL };

static struct options {
	const char	*sandbox;
	const char	*builder;
	const char	*status_file;
	const char	*cwd;
	bool		 root, input, tty;
	const char	**env;
	size_t		 env_n;
	int64_t		 attach, kill;	/* a pid; 0: a new process */
	unsigned	 keepalive_s;
	struct settings	 settings;
	bool		 verbose;
} opt = { .settings = SETTINGS_INIT, .keepalive_s = REACH_PING_S };

/* Where lines go: two streams, of which a terminal gets no control bytes. */
static struct output {
	FILE	*to[2];
	bool	 tty[2];
	int	 last;
} output;

static int
lost(enum process_stream stream, struct fail *f)
{
	return fail_sys(f, EX_IOERR, "%s",
	    stream == PROCESS_STDOUT ? "stdout" : "stderr");
}

static int
flush(void *arg, struct fail *f)
{
	struct output *o = arg;

	return fflush(o->to[o->last]) == EOF ?
	    lost((enum process_stream)o->last, f) : 0;
}

static int
line(void *arg, enum process_stream stream, const char *p, size_t n,
    struct fail *f)
{
	struct output *o = arg;
	FILE *to = o->to[stream];

	/* What came first is to be seen first. */
	if (o->last != (int)stream && flush(o, f) == -1)
		return -1;
	o->last = (int)stream;
	if ((o->tty[stream] ? mask_write(to, p, n) == -1 :
	    fwrite(p, 1, n, to) != n) || putc('\n', to) == EOF)
		return lost(stream, f);
	return 0;
}

static void
note(void *arg, bool serious, const char *text)
{
	(void)arg;
	if (!serious && !opt.verbose)
		return;
	warnx("%s", text);
	fflush(stderr);
}

static void
waiting(const char *text)
{
	note(NULL, true, text);
}

static void
out_of_memory(void)
{
	errx(EX_OSERR, "out of memory");
}

/* The last of two values counts, as in a shell. */
static void
add_env(const char *pair)
{
	const char *eq = strchr(pair, '=');
	size_t i, n;

	if (eq == NULL || eq == pair)
		errx(EX_USAGE, "--env %.40s: not NAME=VALUE", pair);
	n = (size_t)(eq - pair) + 1;
	for (i = 0; i < opt.env_n; i++)
		if (strncmp(opt.env[i], pair, n) == 0) {
			opt.env[i] = pair;
			return;
		}
	opt.env = reallocarray(opt.env, opt.env_n + 2, sizeof(*opt.env));
	if (opt.env == NULL)
		out_of_memory();
	opt.env[opt.env_n++] = pair;
	opt.env[opt.env_n] = NULL;
}

/*
 * The builder's argv, behind the words that are there.  Its folder, user and
 * PATH are what tl-wire(7), "Builder process", has, unless an option says
 * otherwise.
 */
static const char **
builder(char *const *words, char ***argv)
{
	struct buf text = BUF_INIT(BUF_DOC_MAX);
	struct prepared p = PREPARED_INIT;
	size_t n = 0, k = 0, i;
	const char **all;
	struct fail f;
	bool path = false;

	if (prepared_load(&p, &text, opt.builder, &f) == -1 ||
	    builder_argv(p.builder.command, argv, &f) == -1)
		opt_fail(&f);
	prepared_free(&p);
	buf_free(&text);
	while (words[n] != NULL)
		n++;
	while ((*argv)[k] != NULL)
		k++;
	if ((all = calloc(n + k + 1, sizeof(*all))) == NULL)
		out_of_memory();
	for (i = 0; i < n; i++)
		all[i] = words[i];
	for (i = 0; i < k; i++)
		all[n + i] = (*argv)[i];
	for (i = 0; i < opt.env_n; i++)
		path |= strncmp(opt.env[i], "PATH=", 5) == 0;
	if (!path)
		add_env("PATH=" BUILDER_PATH);
	if (opt.cwd == NULL)
		opt.cwd = BUILDER_DIR;
	opt.root = true;
	return all;
}

/* For whoever must tell the command's 70 from ours. */
static void
status_file(const struct process_end *end)
{
	struct buf b = BUF_INIT(BUF_SMALL_MAX);
	struct jout j = JOUT_INIT(&b);
	struct fail f;

	if (opt.status_file == NULL)
		return;
	jout_object(&j);
	jout_key(&j, "pid");
	jout_i64(&j, end->pid);
	jout_key(&j, end->code < 0 ? "signal" : "exitCode");
	jout_i64(&j, end->code < 0 ? -end->code : end->code);
	jout_key(&j, "oomKilled");
	jout_bool(&j, end->oom);
	jout_close(&j);
	if (jout_end(&j, &f) == -1 || buf_adds(&b, "\n", &f) == -1 ||
	    buf_save(&b, opt.status_file, &f) == -1)
		opt_fail(&f);
	buf_free(&b);
}

static void
parse(int argc, char *argv[])
{
	static const struct option options[] = {
		OPT_COMMON,
		{ "sandbox", required_argument, NULL, 's' },
		{ "stdin", no_argument, NULL, 'i' },
		{ "tty", no_argument, NULL, 't' },
		{ "root", no_argument, NULL, ROOT },
		{ "cwd", required_argument, NULL, CWD },
		{ "env", required_argument, NULL, ENV },
		{ "builder", required_argument, NULL, BUILDER },
		{ "keepalive", optional_argument, NULL, KEEPALIVE },
		{ "attach", required_argument, NULL, ATTACH },
		{ "kill", required_argument, NULL, KILL },
		{ "status-file", required_argument, NULL, STATUS_FILE },
		SETTINGS_OPTIONS,
		{ NULL, 0, NULL, 0 }
	};
	int ch;

	/* The first word that is no option begins the command. */
	while ((ch = getopt_long(argc, argv, "+hitVvs:", options, NULL)) != -1)
		switch (ch) {
		case 'h':
			opt_help(usage);
		case 'V':
			opt_version("tl-exec");
		case 'v':
			opt.verbose = true;
			break;
		case 'i':
			opt.input = true;
			break;
		case 't':
			opt.tty = true;
			break;
		case 's':
			opt.sandbox = optarg;
			break;
		case ROOT:
			opt.root = true;
			break;
		case CWD:
			opt.cwd = optarg;
			break;
		case ENV:
			add_env(optarg);
			break;
		case BUILDER:
			opt.builder = optarg;
			break;
		case KEEPALIVE:
			if (optarg != NULL)
				opt.keepalive_s = (unsigned)opt_number(
				    "--keepalive", optarg, 1, 290);
			break;
		case ATTACH:
			opt.attach = (int64_t)opt_number("--attach", optarg,
			    1, INT64_MAX);
			break;
		case KILL:
			opt.kill = (int64_t)opt_number("--kill", optarg, 1,
			    INT64_MAX);
			break;
		case STATUS_FILE:
			opt.status_file = optarg;
			break;
		default:
			if (!begin_option(&opt.settings, ch, optarg))
				opt_usage(usage);
		}
	if (opt.tty && (opt.input || opt.builder != NULL || opt.attach != 0 ||
	    opt.kill != 0 || opt.status_file != NULL))
		opt_usage(usage);
	if (opt.tty)
		return;
	if ((optind != argc) + (opt.builder != NULL && optind == argc) +
	    (opt.attach != 0) + (opt.kill != 0) != 1 ||
	    ((opt.builder != NULL || opt.input) &&
	    opt.attach + opt.kill != 0))
		opt_usage(usage);
}

/* Who sends stdin while we show what comes back; 0: nobody. */
static pid_t feeder;

/*
 * In a process of its own, with connections of its own: either side may have
 * to wait for the command.  What it cannot send ends the command.
 */
static _Noreturn void
feed_all(int64_t pid)
{
	struct process_link link = { .second_ms = retry_second_ms() };
	struct patience patience;
	struct session session;
	struct fail f, second;

	if (session_open(&session, &opt.settings, opt.sandbox, 0,
	    opt.verbose, &f) == -1) {
		warnx("%s", f.msg);
		fflush(stderr);
		_exit(f.status);
	}
	patience_init(&patience, waiting);
	session.reach.patience = &patience;
	link.reach = &session.reach;
	if (process_feed(&link, pid, STDIN_FILENO, &f) == 0)
		_exit(0);
	if (stop_signal == 0) {
		warnx("%s", f.msg);
		fflush(stderr);
		process_kill(&link, pid, &second);
	}
	_exit(f.status);
}

static int
feed(void *arg, int64_t pid, struct fail *f)
{
	(void)arg;
	fflush(stderr);
	if ((feeder = fork()) == 0)
		feed_all(pid);
	if (feeder != -1)
		return 0;
	feeder = 0;
	return fail_sys(f, EX_OSERR, "fork");
}

/*
 * The command has ended, so nobody reads any more: what became of it.  It has
 * nothing to put in order, and may just wait for a terminal.
 */
static int
feed_end(void)
{
	int status;

	if (feeder == 0)
		return 0;
	kill(feeder, SIGKILL);
	while (waitpid(feeder, &status, 0) == -1)
		if (errno != EINTR)
			return EX_OSERR;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 0;
}

static int
run(struct reach *reach, const struct process *p, struct process_end *end,
    struct fail *f)
{
	struct process_link link = {
		.reach = reach, .line = line, .flush = flush, .note = note,
		.feed = opt.input ? feed : NULL,
		.arg = &output, .second_ms = retry_second_ms()
	};

	if (opt.kill != 0) {
		*end = (struct process_end){ 0, 0, false };
		return process_kill(&link, opt.kill, f);
	}
	if (opt.attach != 0)
		return process_follow(&link, opt.attach, end, f);
	return process_run(&link, p, end, f);
}

/* The command's status, or why there is none. */
static int
on_terminal(struct reach *reach, const struct process *p)
{
	struct fail f;
	int status;

	if (shell_run(reach, p, &status, &f) == 0)
		return status;
	if (stop_signal == 0)
		opt_fail(&f);
	warnx("%s", f.msg);
	return stop_status();
}

int
main(int argc, char *argv[])
{
	struct patience patience;
	struct session session;
	struct process p = { .command = NULL };
	const char *const *words;
	const char **built = NULL;
	char **split = NULL;
	struct process_end end;
	struct fail f;
	int r, fed, status;

	parse(argc, argv);
	if (opt.tty && tty_there(&f) == -1)
		opt_fail(&f);
	begin_settings(&opt.settings, "tl-exec");
	words = (const char *const *)(argv + optind);
	if (opt.builder != NULL)
		words = built = builder(argv + optind, &split);
	p.command = words[0];
	p.args = words + 1;
	p.env = (const char *const *)opt.env;
	p.cwd = opt.cwd;
	p.user = opt.root ? "root" : NULL;
	p.input = opt.input;

	if (session_open(&session, &opt.settings, opt.sandbox,
	    opt.keepalive_s, opt.verbose, &f) == -1)
		opt_fail(&f);
	patience_init(&patience, waiting);
	session.reach.patience = &patience;
	output.to[PROCESS_STDOUT] = stdout;
	output.to[PROCESS_STDERR] = stderr;
	output.tty[PROCESS_STDOUT] = isatty(STDOUT_FILENO) == 1;
	output.tty[PROCESS_STDERR] = isatty(STDERR_FILENO) == 1;
	/* Shown piece by piece as it comes, not line by line. */
	setvbuf(stdout, NULL, _IOFBF, 64 << 10);
	if (!opt.verbose)
		setvbuf(stderr, NULL, _IOFBF, 64 << 10);
	/* A reader that went away is a write that fails, no more. */
	signal(SIGPIPE, SIG_IGN);
	stop_catch();
	if (opt.tty) {
		status = on_terminal(&session.reach, &p);
		goto out;
	}

	r = run(&session.reach, &p, &end, &f);
	fed = feed_end();
	if (r == -1) {
		if (stop_signal == 0)
			opt_fail(&f);
		if (stop_signal == SIGALRM && end.pid != 0)
			warnx("%s; process %" PRId64 " still runs in sandbox "
			    "%s: see it with --attach %" PRId64 ", end it with "
			    "--kill %" PRId64, f.msg, end.pid,
			    session.sandbox.id, end.pid, end.pid);
		else
			warnx("%s", f.msg);
		status = stop_status();
	} else if (opt.kill != 0) {
		status = 0;
	} else {
		status_file(&end);
		if (end.oom)
			warnx("%s: killed, memory ran out; give the "
			    "sandbox more with --memory-mb",
			    p.command != NULL ? p.command : "the process");
		status = process_status(&end);
		/* It was ended, since its input could not be sent. */
		if (fed != 0 && end.code == -SIGKILL)
			status = fed;
	}
	if (fflush(stdout) == EOF || close(STDOUT_FILENO) == -1)
		err(EX_IOERR, "stdout");

out:
	free(built);
	builder_free(split);
	free(opt.env);
	session_close(&session);
	settings_free(&opt.settings);
	return status;
}
