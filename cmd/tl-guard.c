/* tl-guard: run a build; if it fails, undo what it made on servers. */

#include <sys/stat.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "client/cloud/begin.h"
#include "client/guard/work.h"
#include "client/guard/guard.h"
#include "client/guard/recheck.h"
#include "core/opt.h"
#include "core/stop.h"

static const char usage[] =
    "usage: tl-guard [-v] [--work DIR] [--deadline SECONDS] [--keep-sandbox]\n"
    "           [--label TEXT] [--progress MODE] [--progress-fd N]\n"
    "           [SETTINGS] [--] COMMAND [ARGUMENT...]\n"
    "       tl-guard --resume DIR [OPTION...] [-- ARGUMENT...]\n"
    "       tl-guard --recheck [SETTINGS]\n"
    "Run COMMAND in a build folder; if it fails, undo what it has made\n"
    "on servers.\n"
    "      --work DIR          the build folder (a new one)\n"
    "      --resume DIR        run its command again, with more ARGUMENTs\n"
    "      --recheck           for COMMAND: remove outdated documents\n"
    "      --keep-sandbox      keep the sandbox, for debugging\n"
    "      --label TEXT        before each line, to tell builds apart\n"
    "      --program NAME      the name on its lines (tl-guard)\n"
    "      --progress MODE     auto, plain, json or none (auto)\n"
    "      --progress-fd N     show it there, not on stderr\n"
    "  -h, --help  -V, --version  -v, --verbose\n"
    SETTINGS_USAGE;

enum { WORK = 256, RESUME, RECHECK, KEEP, LABEL, PROGRAM, PROGRESS, FD };

/* For the display of the guard that we run under. */
static void
remark(const char *line)
{
	const char *mark = getenv("TL_MARK");

	fprintf(stderr, "%s say %s\n", mark != NULL ? mark : "tl-guard:", line);
}

static int
recheck(const struct settings *settings, bool verbose)
{
	const char *work = getenv("TL_WORK");
	struct fail f;

	if (work == NULL || *work == '\0')
		errx(EX_USAGE, "--recheck: TL_WORK is not set; run it under "
		    "tl-guard");
	stop_catch();
	if (recheck_folder(work, settings, verbose, remark, &f) == -1)
		opt_fail(&f);
	return opt_stopped();
}

static const struct option options[] = {
	OPT_COMMON,
	{ "work", required_argument, NULL, WORK },
	{ "resume", required_argument, NULL, RESUME },
	{ "recheck", no_argument, NULL, RECHECK },
	{ "keep-sandbox", no_argument, NULL, KEEP },
	{ "label", required_argument, NULL, LABEL },
	{ "program", required_argument, NULL, PROGRAM },
	{ "progress", required_argument, NULL, PROGRESS },
	{ "progress-fd", required_argument, NULL, FD },
	SETTINGS_OPTIONS,
	{ NULL, 0, NULL, 0 }
};

static struct settings settings = SETTINGS_INIT;
static struct guard guard = { .program = "tl-guard", .progress = "auto",
    .progress_fd = STDERR_FILENO, .settings = &settings };
static bool again;
/* "tl-guard", its options, "--", the command: for --resume. */
static char **words;
static size_t nwords;

static void
keep(const char *format, const char *a, const char *b)
{
	char **more = reallocarray(words, nwords + 2, sizeof(*more));

	if (more == NULL || asprintf(&more[nwords], format, a, b) == -1)
		errx(EX_OSERR, "out of memory");
	words = more;
	words[++nwords] = NULL;
}

static void
keep_option(int ch, const char *arg)
{
	const struct option *o;

	for (o = options; o->name != NULL; o++)
		if (o->val == ch)
			keep(arg != NULL ? "--%s=%s" : "--%s", o->name, arg);
}

/* Options; what follows them is the result. */
static char **
parse(int argc, char *argv[])
{
	int ch;

	optind = 0;
	/* The first word that is no option begins the command. */
	while ((ch = getopt_long(argc, argv, "+hVv", options, NULL)) != -1) {
		switch (ch) {
		case 'h':
			opt_help(usage);
		case 'V':
			opt_version("tl-guard");
		case 'v':
			guard.verbose = true;
			break;
		case WORK:
			if (*(guard.work = optarg) == '\0')
				errx(EX_USAGE, "--work: empty");
			continue;
		case RESUME:
			guard.resume = optarg;
			continue;
		case RECHECK:
			again = true;
			break;
		case KEEP:
			guard.keep_sandbox = true;
			break;
		case LABEL:
			guard.label = *optarg != '\0' ? optarg : NULL;
			break;
		case PROGRAM:
			guard.program = program_invocation_short_name = optarg;
			break;
		case PROGRESS:
			guard.progress = optarg;
			break;
		case FD:
			guard.progress_fd = (int)opt_number("--progress-fd",
			    optarg, 2, 9);
			/* What has the number next time is another's. */
			continue;
		default:
			if (!begin_option(&settings, ch, optarg))
				opt_usage(usage);
		}
		keep_option(ch, optarg);
	}
	return argv + optind;
}

/* The options of the first time, the new ones, the command, more for it. */
static void
resume(int argc, char *argv[])
{
	/* What is kept points into it. */
	static char **old;
	char **command, **more, *cwd;
	struct fail f;
	int n = 0;

	if (work_load(guard.resume, &cwd, &old, &f) == -1)
		opt_fail(&f);
	guard.cwd = cwd;
	while (old[n] != NULL)
		n++;
	while (nwords > 0)
		free(words[--nwords]);
	keep("%s%s", "tl-guard", "");
	command = parse(n, old);
	more = parse(argc, argv);
	keep("--%s%s", "", "");
	for (; *command != NULL; command++)
		keep("%s%s", *command, "");
	for (; *more != NULL; more++)
		keep("%s%s", *more, "");
}

/* What all of the command's programs will read can be no pipe. */
static void
check_token_file(void)
{
	const char *path = settings_get(&settings, SETTING_TOKEN_FILE, NULL);
	struct stat st;

	if (path != NULL && stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		errx(EX_CONFIG, "%s: the token must be in a file", path);
}

int
main(int argc, char *argv[])
{
	struct fail f;
	size_t i;
	int status;

	keep("%s%s", "tl-guard", "");
	guard.argv = parse(argc, argv);
	if ((again && (*guard.argv != NULL || guard.work != NULL ||
	    guard.resume != NULL)) || (guard.work != NULL &&
	    guard.resume != NULL) || (!again && guard.resume == NULL &&
	    *guard.argv == NULL))
		opt_usage(usage);
	if (guard.resume != NULL)
		resume(argc, argv);
	else {
		keep("--%s%s", "", "");
		for (; *guard.argv != NULL; guard.argv++)
			keep("%s%s", *guard.argv, "");
	}
	if (settings_load(&settings, &f) == -1)
		opt_fail(&f);
	if (again)
		return recheck(&settings, guard.verbose);
	for (i = 0; strcmp(words[i], "--") != 0; i++)
		;
	guard.words = words;
	guard.argv = words + i + 1;
	if (*guard.argv == NULL)
		errx(EX_NOINPUT, "%s: no command in it", guard.resume);
	if (fcntl(guard.progress_fd, F_GETFD) == -1)
		errx(EX_USAGE, "--progress-fd %d: is not open",
		    guard.progress_fd);
	guard.deadline_s = settings_deadline(&settings);
	check_token_file();

	if ((status = guard_run(&guard, &f)) == -1)
		opt_fail(&f);
	settings_free(&settings);
	return status;
}
