#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "client/guard/guard_impl.h"
#include "core/clock.h"
#include "core/hex.h"

#define LAST_MS		500	/* for a command that seems to be at its end */
#define END_MS		7000	/* for the command, once it is told to end */
#define LEFT_MS		2000	/* for what an ended one has left running */
#define COMPLETE_MS	4000	/* for the answer that registers */
#define SHOW_MS		1000	/* for whoever reads slowly, at the end */
#define LINE_MAX_	(64UL << 10)

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
		run_await(r, end - clock_ms());
	}
	command_signal(&r->command, SIGTERM);
	end = clock_ms() + grace;
	while (!r->command.empty && clock_ms() < end)
		run_await(r, end - clock_ms());
	command_signal(&r->command, SIGKILL);
	end = clock_ms() + KILLED_MS;
	while (!r->command.empty && clock_ms() < end)
		run_await(r, end - clock_ms());
}

/* Until it has ended, or must; and then with all that it has started. */
static int
run_command(struct run *r)
{
	int pieces = 1000;
	int64_t end;

	while (!r->command.ended && r->sig == 0 && !r->late && !r->lost) {
		run_await(r, TICK_MS);
		r->late = r->deadline_ms != 0 && clock_ms() >= r->deadline_ms;
		r->lost = folder_lost(r);
	}
	/* It may have removed its folder itself, as the last it did. */
	end = clock_ms() + LAST_MS;
	while (r->lost && !r->command.ended && r->sig == 0 && clock_ms() < end)
		run_await(r, end - clock_ms());
	if (r->command.ended && command_status(&r->command) == 0)
		r->late = r->lost = false;
	/* What it has left running in its group was to go with it. */
	if (!r->command.empty)
		end_group(r);
	while (pieces-- > 0 && run_listen(r))
		;
	if (r->line.len > 0)
		run_hear(r, "\n", 1);
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
		return fail_set(f, EX_USAGE, "--progress %.40s: must be auto, "
		    "plain, json or none", g->progress);
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
	code = run_finish(&r, code);
out:
	progress_free(r.log);
	if (r.log_file != NULL)
		fclose(r.log_file);
	held_end(&r.held);
	work_free(&r.folder);
	buf_free(&r.line);
	if (r.signals != -1)
		close(r.signals);
	/* Signals stay blocked: what is done is done, and its status is this. */
	return code;
}
