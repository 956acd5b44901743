#include <sys/prctl.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "client/guard/command.h"

static _Noreturn void
become(char *const argv[], const char *cwd, int err, const sigset_t *mask,
    pid_t parent)
{
	struct fail f;

	setpgid(0, 0);
	/* Whoever guards it may be killed: nothing new is begun then. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(EX_TEMPFAIL);
	dup2(err, STDERR_FILENO);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGXFSZ, SIG_DFL);
	sigprocmask(SIG_SETMASK, mask, NULL);
	if (chdir(cwd) == -1) {
		fail_sys(&f, EX_NOINPUT, "%.300s", cwd);
		dprintf(STDERR_FILENO, "%s\n", f.msg);
		_exit(EX_NOINPUT);
	}
	execvp(argv[0], argv);
	if (errno == ENOENT)
		fail_set(&f, EX_UNAVAILABLE, "%.300s: not found", argv[0]);
	else
		fail_sys(&f, EX_UNAVAILABLE, "%.300s", argv[0]);
	dprintf(STDERR_FILENO, "%s\n", f.msg);
	_exit(EX_UNAVAILABLE);
}

int
command_start(struct command *c, char *const argv[], const char *cwd,
    const sigset_t *mask, struct fail *f)
{
	pid_t us = getpid();
	int fd[2];

	*c = (struct command)COMMAND_INIT;
	if (pipe2(fd, O_CLOEXEC) == -1)
		return fail_sys(f, EX_OSERR, "pipe");
	if ((c->pid = fork()) == 0)
		become(argv, cwd, fd[1], mask, us);
	close(fd[1]);
	if (c->pid == -1) {
		close(fd[0]);
		*c = (struct command)COMMAND_INIT;
		return fail_sys(f, EX_OSERR, "fork");
	}
	setpgid(c->pid, c->pid);
	c->err = fd[0];
	fcntl(c->err, F_SETFL, O_NONBLOCK);
	return 0;
}

/*
 * The terminal from one group to another, if the first one has it: 1; 0 if it
 * has not; -1 if there is none.
 */
static int
pass_terminal(pid_t from, pid_t to)
{
	int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	sigset_t block, old;
	int r;

	if (tty == -1)
		return -1;
	sigemptyset(&block);
	sigaddset(&block, SIGTTOU);
	sigprocmask(SIG_BLOCK, &block, &old);
	if ((r = tcgetpgrp(tty) == from))
		tcsetpgrp(tty, to);
	sigprocmask(SIG_SETMASK, &old, NULL);
	close(tty);
	return r;
}

/* A password is asked for.  In the background it waits to come forward. */
static void
lend(struct command *c)
{
	int r = pass_terminal(getpgrp(), c->pid);

	c->waits = r == 0;
	if (r != 1)
		return;
	c->lent = true;
	kill(-c->pid, SIGCONT);
}

static void
take_back(struct command *c)
{
	if (c->lent)
		pass_terminal(c->pid, getpgrp());
	c->lent = false;
}

void
command_look(struct command *c)
{
	int status;
	pid_t pid;

	if (c->pid == 0 || c->empty)
		return;
	while ((pid = waitpid(-c->pid, &status, WNOHANG | WUNTRACED)) > 0) {
		if (WIFSTOPPED(status)) {
			c->waits |= WSTOPSIG(status) == SIGTTIN ||
			    WSTOPSIG(status) == SIGTTOU;
			/* Typed while it had the terminal: we saw nothing. */
			c->stopped |= WSTOPSIG(status) == SIGTSTP && c->lent;
		} else if (pid == c->pid) {
			c->status = status;
			c->ended = true;
		}
	}
	if (c->waits)
		lend(c);
	/* Children of its processes are theirs until these have ended. */
	if (c->ended && pid == -1 && errno == ECHILD &&
	    kill(-c->pid, 0) == -1) {
		c->empty = true;
		take_back(c);
	}
}

void
command_stop(struct command *c)
{
	bool lent = c->lent;
	sigset_t tstp;

	command_signal(c, SIGTSTP);
	take_back(c);
	/* What else is in our group was not typed at, either. */
	kill(lent ? 0 : getpid(), SIGTSTP);
	/* Not by SIGSTOP: without a shell nobody would let us go on. */
	sigemptyset(&tstp);
	sigaddset(&tstp, SIGTSTP);
	sigprocmask(SIG_UNBLOCK, &tstp, NULL);
	sigprocmask(SIG_BLOCK, &tstp, NULL);
	if (lent)
		kill(0, SIGCONT);
	c->stopped = false;
	c->waits = lent;
	command_signal(c, SIGCONT);
}

void
command_signal(struct command *c, int sig)
{
	if (c->pid == 0 || c->empty)
		return;
	kill(-c->pid, sig);
	/* Whoever has the terminal when all is over is to be asked no more. */
	if (sig == SIGKILL)
		take_back(c);
	/* What is stopped takes none. */
	if (sig != SIGSTOP && sig != SIGTSTP)
		kill(-c->pid, SIGCONT);
}

int
command_status(const struct command *c)
{
	return WIFSIGNALED(c->status) ? 128 + WTERMSIG(c->status) :
	    WEXITSTATUS(c->status);
}
