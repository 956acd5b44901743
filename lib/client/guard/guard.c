#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "client/display/show.h"
#include "client/guard/command.h"
#include "client/guard/work.h"
#include "client/guard/guard.h"
#include "client/guard/undo.h"
#include "client/ledger/held.h"
#include "client/sandbox/diagnose.h"
#include "client/stages/prepared.h"
#include "client/stages/template.h"
#include "core/clock.h"
#include "core/hex.h"

#define TICK_MS		200	/* ledger, folder and deadline are looked at */
#define SECOND_MS	500	/* two signals of one gesture are one */
#define END_MS		7000	/* for the command, once it is told to end */
#define LEFT_MS		2000	/* for what an ended one has left running */
#define COMPLETE_MS	4000	/* for the answer that registers */
#define KILLED_MS	500
#define UNDO_S		5U	/* for the servers, after a failure */
#define UNDO_WELL_S	10U
#define DIAGNOSE_S	5U
#define SHOW_MS		1000	/* for whoever reads slowly, at the end */
#define LINE_MAX_	(64UL << 10)

/* One run of it. */
struct run {
	const struct guard	*g;
	struct work		 folder;
	struct held		 held;
	struct show		 show;
	FILE			*log_file;
	struct progress		*log;
	struct command		 command;
	struct undo		 undo;
	struct diagnosis	 seen;	/* in what the command said */
	char			 mark[PROGRESS_MARK];
	struct buf		 line;	/* of the command, not whole yet */
	char			 build[200], sandbox[200];	/* their ids */
	sigset_t		 mask, old_mask;
	int			 signals;	/* signalfd(2) */
	int			 sig;		/* the first that came */
	int64_t			 sig_ms, begun_ms, deadline_ms;
	bool			 late, lost;	/* deadline; folder */
	bool			 elsewhere;	/* a stage that is not "build" */
	bool			 well;		/* it ended with 0 */
};

/*
 * What is shown and logged.
 */

static void
put(struct run *r, const char *line, size_t n, bool event)
{
	struct fail f;

	if (r->log != NULL)
		progress_feed(r->log, line, n, &f);
	show_line(&r->show, line, n, event);
}

/* An event of ours: "say", "error", "stage" and so on. */
static void __attribute__((format(printf, 3, 4)))
tell(struct run *r, const char *name, const char *fmt, ...)
{
	char text[2048], line[2200];
	va_list ap;
	int n;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	n = snprintf(line, sizeof(line), "%s %s %s\n", r->mark, name, text);
	put(r, line, (size_t)n, true);
}

static void
heard(struct run *r, const char *line, size_t n)
{
	size_t mark = strlen(r->mark);
	bool event = n > mark && memcmp(line, r->mark, mark) == 0;
	const char *words = line + mark + 1;

	/* Of the sandbox: what other stages say is of this machine. */
	if (event && strncmp(words, "stage ", 6) == 0)
		r->elsewhere = strncmp(words + 6, "build\n", 6) != 0;
	else if (!event && !r->elsewhere && strncmp(line, "tl-exec: ", 9) != 0)
		diagnose_text(&r->seen, line, n);
	put(r, line, n, event);
}

/* More of what the command says, line by line. */
static void
hear(struct run *r, const char *s, size_t n)
{
	struct fail f;
	const char *nl;
	size_t k;

	while (n > 0) {
		nl = memchr(s, '\n', n);
		k = nl != NULL ? (size_t)(nl - s) + 1 : n;
		if (k > r->line.max - r->line.len)
			k = r->line.max - r->line.len;
		if (buf_add(&r->line, s, k, &f) == -1)
			return;
		s += k;
		n -= k;
		if (r->line.data[r->line.len - 1] == '\n' ||
		    r->line.len == r->line.max) {
			heard(r, r->line.data, r->line.len);
			buf_clear(&r->line);
		}
	}
}

/* False once there is no more for now. */
static bool
listen_to(struct run *r)
{
	char piece[32 << 10];
	ssize_t n;

	if (r->command.err == -1)
		return false;
	n = read(r->command.err, piece, sizeof(piece));
	if (n > 0) {
		hear(r, piece, (size_t)n);
		return true;
	}
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return false;
	close(r->command.err);
	r->command.err = -1;
	return false;
}

/* For a shell to paste: quoted where it must be. */
static void
shown(char *to, size_t size, const char *word)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789_./:=@%+,-";
	size_t n = 0;

	if (*word != '\0' && word[strspn(word, plain)] == '\0') {
		snprintf(to, size, "%s", word);
		return;
	}
	if (size < 8)
		return;
	to[n++] = '\'';
	for (; *word != '\0' && n + 6 < size; word++) {
		if (*word == '\'') {
			memcpy(to + n, "'\\''", 4);
			n += 4;
		} else
			to[n++] = *word;
	}
	to[n++] = '\'';
	to[n] = '\0';
}

/* The tl-reap that undoes what is left. */
static const char *
reap_line(const struct run *r, const char *option, char to[1024])
{
	static const struct {
		enum setting	 what;
		const char	*option;
	} words[] = {
		{ SETTING_API_URL, "--api-url" },
		{ SETTING_TOKEN_FILE, "--token-file" },
	};
	char word[800];
	const char *value;
	size_t i, n;

	n = (size_t)snprintf(to, 1024, "tl-reap%s%s", option,
	    r->g->settings->plain ? " --insecure-http" : "");
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		value = settings_in(r->g->settings, words[i].what,
		    SETTINGS_OPTION);
		if (value == NULL || n >= 1024)
			continue;
		shown(word, sizeof(word), value);
		n += (size_t)snprintf(to + n, 1024 - n, " %s %s",
		    words[i].option, word);
	}
	shown(word, sizeof(word), r->folder.ledger);
	if (n < 1024)
		snprintf(to + n, 1024 - n, " %s", word);
	return to;
}

/*
 * Waiting: all that may come meanwhile is taken in.
 */

static _Noreturn void
at_once(struct run *r)
{
	char line[1024];

	command_signal(&r->command, SIGKILL);
	undo_kill(&r->undo);
	tell(r, "error", "left at once; to undo what is left: %s",
	    reap_line(r, "", line));
	show_end(&r->show, SECOND_MS);
	_exit(128 + r->sig);
}

static void
suspend(struct run *r)
{
	show_pause(&r->show, true);
	command_stop(&r->command);
	show_pause(&r->show, false);
}

static void
take_signal(struct run *r)
{
	struct signalfd_siginfo s;

	while (read(r->signals, &s, sizeof(s)) == (ssize_t)sizeof(s)) {
		switch (s.ssi_signo) {
		case SIGCHLD:
			break;
		case SIGTSTP:
			suspend(r);
			break;
		default:
			if (r->sig == 0) {
				r->sig = (int)s.ssi_signo;
				r->sig_ms = clock_ms();
			} else if (clock_ms() - r->sig_ms >= SECOND_MS)
				at_once(r);
		}
	}
}

static void
look(struct run *r)
{
	const struct ledger_entry *e;

	command_look(&r->command);
	if (r->command.stopped)
		suspend(r);
	if (held_look(&r->held)) {
		e = held_find(&r->held, LEDGER_BUILD, LEDGER_MADE);
		if (e != NULL && strcmp(e->id, r->build) != 0) {
			snprintf(r->build, sizeof(r->build), "%s", e->id);
			tell(r, "id", "build %s", r->build);
		}
		e = held_find(&r->held, LEDGER_SANDBOX, LEDGER_MADE);
		if (e != NULL && strcmp(e->id, r->sandbox) != 0) {
			snprintf(r->sandbox, sizeof(r->sandbox), "%s", e->id);
			tell(r, "id", "sandbox %s", r->sandbox);
		}
	}
}

/* Something comes, or so many milliseconds pass. */
static void
await(struct run *r, int64_t ms)
{
	struct pollfd p[4] = {
		{ .fd = r->signals, .events = POLLIN },
		{ .fd = r->command.err, .events = POLLIN },
		{ .fd = show_push(&r->show) ? r->show.fd : -1,
		  .events = POLLOUT },
		{ .fd = r->undo.fd, .events = POLLIN },
	};

	if (ms > TICK_MS)
		ms = TICK_MS;
	if (poll(p, 4, ms < 0 ? 0 : (int)ms) > 0) {
		if (p[0].revents != 0)
			take_signal(r);
		if (p[1].revents != 0)
			listen_to(r);
	}
	look(r);
}

/*
 * The command.
 */

static bool
folder_lost(const struct run *r)
{
	struct stat st;

	return stat(r->folder.path, &st) == -1 || !held_there(&r->held);
}

static void
end_group(struct run *r)
{
	int64_t grace = r->command.ended ? LEFT_MS : END_MS, end;

	/* Whether the image is registered should be known. */
	end = clock_ms() + COMPLETE_MS;
	while (!r->command.ended && clock_ms() < end &&
	    held_find(&r->held, LEDGER_TEMPLATE, LEDGER_ASKED) != NULL) {
		grace = END_MS - COMPLETE_MS;
		await(r, end - clock_ms());
	}
	command_signal(&r->command, SIGTERM);
	end = clock_ms() + grace;
	while (!r->command.empty && clock_ms() < end)
		await(r, end - clock_ms());
	command_signal(&r->command, SIGKILL);
	end = clock_ms() + KILLED_MS;
	while (!r->command.empty && clock_ms() < end)
		await(r, end - clock_ms());
}

/* Until it has ended, or must; and then with all that it has started. */
static int
run_command(struct run *r)
{
	int pieces = 1000;

	while (!r->command.ended && r->sig == 0 && !r->late && !r->lost) {
		await(r, TICK_MS);
		r->late = r->deadline_ms != 0 && clock_ms() >= r->deadline_ms;
		r->lost = folder_lost(r);
	}
	/* It was done, and may have removed its folder itself. */
	if (r->command.ended && command_status(&r->command) == 0)
		r->late = r->lost = false;
	/* What it has left running in its group was to go with it. */
	if (!r->command.empty)
		end_group(r);
	while (pieces-- > 0 && listen_to(r))
		;
	if (r->line.len > 0)
		hear(r, "\n", 1);
	if (r->command.err != -1)
		close(r->command.err);
	r->command.err = -1;
	held_look(&r->held);
	if (r->sig != 0)
		return 128 + r->sig;
	return r->late ? EX_TEMPFAIL : r->lost ? EX_CANTCREAT :
	    command_status(&r->command);
}

/*
 * The end.
 */

/* Wait for the process of undo.h, which has its own limit. */
static bool
await_undo(struct run *r, unsigned seconds)
{
	int64_t end = clock_ms() + (int64_t)seconds * 1000 + KILLED_MS;
	bool ok = false;

	while (!undo_look(&r->undo, &ok)) {
		if (clock_ms() >= end) {
			undo_kill(&r->undo);
			break;
		}
		await(r, end - clock_ms());
	}
	return ok;
}

static void
forget_file(const struct run *r, const char *name)
{
	char *path = work_file(&r->folder, name);

	if (path != NULL)
		unlink(path);
	free(path);
}

/* An upload that was signed when the build was prepared is of no more use. */
static void
forget_prepared(const struct run *r)
{
	struct buf text = BUF_INIT(BUF_DOC_MAX);
	struct prepared p = PREPARED_INIT;
	char *path = work_file(&r->folder, "prepared.json");
	struct fail f;

	if (path != NULL && prepared_load(&p, &text, path, &f) == 0) {
		if (p.rel_path == NULL)
			unlink(path);
		prepared_free(&p);
	}
	free(path);
	buf_free(&text);
}

/* A line of undo_ledger()'s, "RESULT KIND ID NOTE"; true: it is left. */
static bool
result(struct run *r, char *line)
{
	char *how = strsep(&line, " "), *kind = strsep(&line, " ");
	char *id = strsep(&line, " "), *note = line, text[2048];
	int n;

	if (note == NULL || (strcmp(how, "undone") != 0 &&
	    strcmp(how, "unknown") != 0 && strcmp(how, "kept") != 0 &&
	    strcmp(how, "left") != 0 && strcmp(how, "failed") != 0)) {
		/* What -v says. */
		n = snprintf(text, sizeof(text), "%s%s%s%s%s%s%s\n", how,
		    kind != NULL ? " " : "", kind != NULL ? kind : "",
		    id != NULL ? " " : "", id != NULL ? id : "",
		    note != NULL ? " " : "", note != NULL ? note : "");
		if (n > 0 && (size_t)n < sizeof(text))
			put(r, text, (size_t)n, false);
		return false;
	}
	if (strcmp(how, "kept") == 0)
		return false;
	if (strcmp(how, "left") == 0 || strcmp(how, "failed") == 0) {
		tell(r, "error", "%s %s is left%s%s", kind, id,
		    *note != '\0' ? ": " : "", note);
		return true;
	}
	if (strcmp(how, "undone") != 0)
		tell(r, "say", "%s %s: %s", kind, id, note);
	else if (!r->well)
		tell(r, "say", "%s %s: %s", kind, id, strcmp(kind,
		    "sandbox") == 0 ? "deleted" : "aborted");
	if (strcmp(kind, "sandbox") == 0)
		forget_file(r, "sandbox.json");
	if (strcmp(kind, "upload") == 0 && strcmp(how, "undone") == 0)
		forget_prepared(r);
	return false;
}

static bool
open_entries(const struct run *r)
{
	return held_find(&r->held, LEDGER_SANDBOX, LEDGER_MADE) != NULL ||
	    held_find(&r->held, LEDGER_SANDBOX, LEDGER_ASKED) != NULL ||
	    held_find(&r->held, LEDGER_UPLOAD, LEDGER_MADE) != NULL ||
	    held_find(&r->held, LEDGER_UPLOAD, LEDGER_ASKED) != NULL ||
	    held_find(&r->held, LEDGER_TEMPLATE, LEDGER_ASKED) != NULL;
}

/* All that the ledger has open; true if something is left. */
static bool
undo(struct run *r, unsigned seconds)
{
	const struct ledger_entry *e;
	char text[1024], *p, *line;
	bool left = false, ok;
	struct fail f;

	if (!open_entries(r))
		return false;
	e = held_find(&r->held, LEDGER_SANDBOX, LEDGER_MADE);
	if (r->g->keep_sandbox && e != NULL) {
		if (ledger_keep(&r->held.ledger, e->id, &f) == -1)
			tell(r, "error", "the sandbox cannot be kept: %s",
			    f.msg);
		else
			tell(r, "say", "the sandbox is kept; delete it with: "
			    "%s", reap_line(r, " --all", text));
	}
	if (undo_ledger(&r->undo, &r->held, r->g->settings, seconds,
	    r->g->verbose, &f) == -1) {
		tell(r, "error", "%s", f.msg);
		ok = false;
	} else
		ok = await_undo(r, seconds);
	for (p = r->undo.lines.data; p != NULL && *p != '\0';) {
		line = strsep(&p, "\n");
		if (*line != '\0')
			left |= result(r, line);
	}
	buf_free(&r->undo.lines);
	held_look(&r->held);
	left |= !ok;
	if (left)
		tell(r, "error", "not all could be undone; again: %s",
		    reap_line(r, "", text));
	return left;
}

static void
advise(struct run *r)
{
	char *sandbox = work_file(&r->folder, "sandbox.json");
	char *builder = work_file(&r->folder, "builder.json");
	char *p, *line;
	struct fail f;

	if (builder != NULL)
		diagnose_status(&r->seen, builder, &f);
	if (sandbox != NULL && access(sandbox, R_OK) == 0 &&
	    undo_diagnose(&r->undo, &r->seen, sandbox, r->g->settings,
	    DIAGNOSE_S, r->g->verbose, &f) == 0) {
		await_undo(r, DIAGNOSE_S);
		for (p = r->undo.lines.data; p != NULL && *p != '\0';) {
			line = strsep(&p, "\n");
			if (*line != '\0')
				tell(r, "error", "%s", line);
		}
		buf_free(&r->undo.lines);
	}
	free(sandbox);
	free(builder);
}

/* What is registered, by the folder's document; 1 if there is one. */
static int
registered(const struct run *r, struct template *t)
{
	struct buf text = BUF_INIT(BUF_SMALL_MAX);
	char *path = work_file(&r->folder, "template.json");
	struct span doc;
	struct fail f;
	int rc = 0;

	*t = (struct template)TEMPLATE_INIT;
	if (path != NULL && access(path, R_OK) == 0 &&
	    buf_load(&text, path, &f) == 0 && text.len > 0 &&
	    span_parse(&doc, text.data, text.len, &f) == 0)
		rc = template_parse(t, &doc, &f) == 0;
	free(path);
	buf_free(&text);
	return rc;
}

static int
finish(struct run *r, int code)
{
	bool begun = r->held.list.n > 0 || r->folder.resumed, left = false;
	struct template t = TEMPLATE_INIT;
	char again[900];
	bool done, there;

	if (code != 0)
		work_promote(&r->folder);
	done = registered(r, &t) == 1;
	there = access(r->folder.path, F_OK) == 0;
	if (r->late)
		tell(r, "error", "the deadline of %u s has passed",
		    r->g->deadline_s);
	else if (r->lost && r->sig == 0)
		tell(r, "error", there ? "%s: its ledger is gone" :
		    "%s: is gone", r->folder.path);
	else if (r->sig != 0)
		tell(r, "error", "stopped by a signal (%d)", code);
	else if (code != 0 && !done && r->sandbox[0] != '\0' &&
	    held_find(&r->held, LEDGER_SANDBOX, LEDGER_MADE) != NULL)
		advise(r);
	r->well = code == 0;
	if (code == 0 && open_entries(r)) {
		tell(r, "stage", "delete");
		left = undo(r, UNDO_WELL_S);
		tell(r, left ? "failed" : "done", "%d", GUARD_LEFT);
	} else if (code != 0 && (begun || !r->folder.own))
		left = undo(r, UNDO_S);
	if (code != 0 && (begun || !r->folder.own)) {
		if (done)
			tell(r, "error", "the image is registered all the "
			    "same: %s/template.json", r->folder.path);
		else if (held_find(&r->held, LEDGER_TEMPLATE, LEDGER_MADE) !=
		    NULL)
			tell(r, "error", "the image is registered all the "
			    "same; its template could not be kept");
		if (r->build[0] != '\0' || r->sandbox[0] != '\0')
			tell(r, "say", "%s%s%s%s%s%s%s%s",
			    r->build[0] != '\0' ? "build " : "", r->build,
			    r->build[0] != '\0' && r->sandbox[0] != '\0' ?
			    "; " : "", r->sandbox[0] != '\0' ? "sandbox " : "",
			    r->sandbox, there ? "; log: " : "",
			    there ? r->folder.path : "", there ? "/log" : "");
		shown(again, sizeof(again), r->folder.path);
		if (there && !r->lost)
			tell(r, "error", "again: %s --resume %s",
			    r->g->program, again);
	} else if (code == 0 && done)
		tell(r, "say", "%s: registered as %s in %.2f s", t.name, t.id,
		    (double)(clock_ms() - r->begun_ms) / 1000);
	template_free(&t);
	if (left)
		code = GUARD_LEFT;
	tell(r, "end", "%d", code);
	work_tidy(&r->folder, code == 0, r->g->keep_sandbox);
	held_end(&r->held);
	show_end(&r->show, SHOW_MS);
	if (r->folder.own && !left && ((code == 0 && !r->g->keep_sandbox) ||
	    !begun))
		work_remove(&r->folder);
	return code;
}

/*
 * The beginning.
 */

static int
block_signals(struct run *r, struct fail *f)
{
	static const int all[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGALRM,
	    SIGUSR1, SIGUSR2, SIGXCPU, SIGTSTP, SIGCHLD };
	struct sigaction sa;
	size_t i;

	sigemptyset(&r->mask);
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		/* What was ignored (nohup) stays so. */
		if (sigaction(all[i], NULL, &sa) == 0 &&
		    (sa.sa_handler != SIG_IGN || all[i] == SIGCHLD))
			sigaddset(&r->mask, all[i]);
	signal(SIGCHLD, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	/* A log that is too long for ulimit(1) is as on a full disk. */
	signal(SIGXFSZ, SIG_IGN);
	sigprocmask(SIG_BLOCK, &r->mask, &r->old_mask);
	r->signals = signalfd(-1, &r->mask, SFD_NONBLOCK | SFD_CLOEXEC);
	if (r->signals == -1)
		return fail_sys(f, EX_OSERR, "signalfd");
	return 0;
}

static int
open_log(struct run *r, const struct progress_options *opt, struct fail *f)
{
	struct progress_options quiet = *opt;
	char *path = work_file(&r->folder, "log");
	int fd;

	if (path == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC |
	    O_NOFOLLOW, 0600);
	if (fd == -1 || (r->log_file = fdopen(fd, "a")) == NULL) {
		fail_sys(f, EX_CANTCREAT, "%.300s", path);
		free(path);
		if (fd != -1)
			close(fd);
		return -1;
	}
	free(path);
	quiet.mode = PROGRESS_PLAIN;
	r->log = progress_new(&quiet, NULL, r->log_file, f);
	return r->log == NULL ? -1 : 0;
}

static int
set_environment(const struct run *r, struct fail *f)
{
	char *sandbox = work_file(&r->folder, "sandbox.json");
	int bad = sandbox == NULL;

	/* One deadline for all: a filter's own would cut it short. */
	bad = bad || setenv("TL_WORK", r->folder.path, 1) == -1 ||
	    setenv("TL_LEDGER", r->folder.ledger, 1) == -1 ||
	    setenv("TL_SANDBOX", sandbox, 1) == -1 ||
	    setenv("TL_MARK", r->mark, 1) == -1 ||
	    setenv("TL_DEADLINE", "0", 1) == -1;
	free(sandbox);
	return bad ? fail_set(f, EX_OSERR, "out of memory") : 0;
}

static int
take_folder(struct run *r, struct fail *f)
{
	if (r->g->resume != NULL ? work_resume(&r->folder, r->g->resume, f) :
	    r->g->work != NULL ? work_named(&r->folder, r->g->work, f) :
	    work_new(&r->folder, f))
		return -1;
	if (held_take(&r->held, r->folder.ledger, f) == -1)
		return -1;
	return r->held.seen == 0 ? ledger_folder(&r->held.ledger,
	    r->folder.path, f) : 0;
}

static int
start(struct run *r, struct fail *f)
{
	char *here = getcwd(NULL, 0);
	const char *cwd = r->g->cwd != NULL ? r->g->cwd : here;
	int rc;

	if (cwd == NULL)
		rc = fail_sys(f, EX_NOINPUT, "the working folder");
	else if (access(cwd, X_OK) == -1)
		rc = fail_sys(f, EX_NOINPUT, "%.300s", cwd);
	else if ((rc = work_save(&r->folder, cwd, r->g->words, f)) == 0)
		rc = command_start(&r->command, r->g->argv, cwd, &r->old_mask,
		    f);
	free(here);
	return rc;
}

int
guard_run(const struct guard *g, struct fail *f)
{
	struct run r = { .g = g, .folder = WORK_INIT, .held = HELD_INIT,
	    .show = { .fd = -1 }, .command = COMMAND_INIT, .undo = UNDO_INIT,
	    .line = BUF_INIT(LINE_MAX_), .signals = -1,
	    .begun_ms = clock_ms() };
	struct progress_options opt = { .mark = r.mark, .who = g->program,
	    .label = g->label, .verbose = g->verbose };
	const char *colour = getenv("NO_COLOR");
	uint8_t random[(PROGRESS_MARK - 1) / 2];
	int code = -1, mode;

	if ((mode = show_mode(g->progress, g->progress_fd)) == -1)
		return fail_set(f, EX_USAGE, "--progress %.40s: neither auto, "
		    "plain, json nor none", g->progress);
	opt.mode = (enum progress_mode)mode;
	opt.colour = colour == NULL || *colour == '\0';
	opt.columns = show_columns(g->progress_fd);
	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return fail_sys(f, EX_OSERR, "getrandom");
	hex_encode(r.mark, random, sizeof(random));
	if (g->deadline_s != 0)
		r.deadline_ms = r.begun_ms + (int64_t)g->deadline_s * 1000;
	prctl(PR_SET_CHILD_SUBREAPER, 1);

	/* The display first: it must hold none of what is opened next. */
	if (block_signals(&r, f) == -1 ||
	    show_start(&r.show, &opt, g->progress_fd, f) == -1)
		goto out;
	if (g->progress_fd != STDERR_FILENO)
		fcntl(g->progress_fd, F_SETFD, FD_CLOEXEC);
	if (take_folder(&r, f) == -1 || open_log(&r, &opt, f) == -1 ||
	    set_environment(&r, f) == -1 || start(&r, f) == -1) {
		if (r.held.ledger.fd != -1 && r.held.list.n == 0 &&
		    !r.folder.resumed)
			unlink(r.folder.ledger);
		if (r.folder.own && !r.folder.resumed)
			work_remove(&r.folder);
		show_end(&r.show, SHOW_MS);
		goto out;
	}
	code = run_command(&r);
	code = finish(&r, code);
out:
	progress_free(r.log);
	if (r.log_file != NULL)
		fclose(r.log_file);
	held_end(&r.held);
	work_free(&r.folder);
	buf_free(&r.line);
	if (r.signals != -1)
		close(r.signals);
	sigprocmask(SIG_SETMASK, &r.old_mask, NULL);
	return code;
}
