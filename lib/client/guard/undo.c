#include <sys/prctl.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "client/cloud/retry.h"
#include "client/guard/undo.h"
#include "client/sandbox/diagnose.h"
#include "client/sandbox/session.h"
#include "core/stop.h"

/* In the process: the pipe is its stdout; signals are its parent's. */
static int
begin(struct undo *u, struct fail *f)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT,
	    SIGTSTP, SIGTTOU, SIGPIPE };
	pid_t us = getpid();
	sigset_t none;
	int fd[2], tries = 10;
	size_t i;

	u->pid = 0;
	u->fd = -1;
	buf_clear(&u->lines);
	if (pipe2(fd, O_CLOEXEC) == -1)
		return fail_sys(f, EX_OSERR, "pipe");
	/* It is what must not fail: of no more processes there may be some
	 * in a moment. */
	while ((u->pid = fork()) == -1 && errno == EAGAIN && --tries > 0)
		poll(NULL, 0, 100);
	if (u->pid == -1) {
		close(fd[0]);
		close(fd[1]);
		u->pid = 0;
		return fail_sys(f, EX_OSERR, "fork");
	}
	if (u->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != us)
			_exit(EX_TEMPFAIL);
		for (i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
			signal(ignored[i], SIG_IGN);
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		/* What -v says comes the same way: nobody may read ours. */
		dup2(fd[1], STDOUT_FILENO);
		dup2(fd[1], STDERR_FILENO);
		stop_signal = 0;
		return 1;
	}
	close(fd[1]);
	u->fd = fd[0];
	fcntl(u->fd, F_SETFL, O_NONBLOCK);
	return 0;
}

static void
tell(void *arg, const char *ledger, const struct ledger_entry *e,
    enum reap_result how, const char *note)
{
	(void)arg;
	(void)ledger;
	dprintf(STDOUT_FILENO, "%s %s %s %s\n", reap_word(how),
	    ledger_word(e->kind), e->id != NULL ? e->id : e->key, note);
}

int
undo_ledger(struct undo *u, struct held *h, const struct settings *settings,
    unsigned seconds, bool verbose, struct fail *f)
{
	struct cloud cloud = CLOUD_INIT;
	struct reap reap = { .seconds = seconds, .tell = tell };
	struct fail why;
	int r = begin(u, f);

	if (r != 1)
		return r;
	if (cloud_load(&cloud, settings, &why) == 0)
		reap.cloud = &cloud;
	reap.why = &why;
	if ((reap.http = settings_http(settings, verbose, f)) == NULL) {
		dprintf(STDOUT_FILENO, "failed settings - %s\n", f->msg);
		_exit(f->status);
	}
	_exit(held_reap(h, &reap, f) == -1 ? f->status : 0);
}

int
undo_diagnose(struct undo *u, const struct diagnosis *known,
    const char *sandbox, const struct settings *settings, unsigned seconds,
    bool verbose, struct fail *f)
{
	struct buf out = BUF_INIT(BUF_SMALL_MAX);
	struct diagnosis d = *known;
	struct session session;
	int r = begin(u, f);

	if (r != 1)
		return r;
	stop_catch();
	stop_after("tl-guard", seconds);
	/* A sandbox that is gone is nothing to add to the build's failure. */
	if (session_open(&session, settings, sandbox, 0, verbose, f) == 0 &&
	    diagnose_ask(&d, &session.reach, retry_second_ms(), f) == -1 &&
	    verbose)
		dprintf(STDOUT_FILENO, "the sandbox: %s\n", f->msg);
	if (diagnose_advice(&d, &out, f) == 0 && out.len > 0)
		buf_write(&out, STDOUT_FILENO, "pipe", f);
	_exit(0);
}

bool
undo_look(struct undo *u, bool *ok)
{
	char piece[4096];
	struct fail f;
	int status;
	ssize_t n;

	*ok = false;
	if (u->pid == 0)
		return true;
	while (u->fd != -1) {
		n = read(u->fd, piece, sizeof(piece));
		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			return false;
		if (n <= 0) {
			close(u->fd);
			u->fd = -1;
		} else
			/* Of too many lines the last are left out. */
			buf_add(&u->lines, piece, (size_t)n, &f);
	}
	if (waitpid(u->pid, &status, WNOHANG) == 0)
		return false;
	*ok = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	u->pid = 0;
	return true;
}

void
undo_kill(struct undo *u)
{
	if (u->pid == 0)
		return;
	kill(u->pid, SIGKILL);
	waitpid(u->pid, NULL, 0);
	if (u->fd != -1)
		close(u->fd);
	u->fd = -1;
	u->pid = 0;
}
