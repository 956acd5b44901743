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
	setpgid(0, 0);
	/* Whoever guards it may be killed: nothing new is begun then. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(EX_TEMPFAIL);
	dup2(err, STDERR_FILENO);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, mask, NULL);
	if (chdir(cwd) == -1) {
		dprintf(STDERR_FILENO, "%s: %s\n", cwd, strerror(errno));
		_exit(EX_NOINPUT);
	}
	execvp(argv[0], argv);
	dprintf(STDERR_FILENO, "%s: %s\n", argv[0], errno == ENOENT ?
	    "not found" : strerror(errno));
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

/* It wants the terminal: a password is asked for. */
static void
lend(const struct command *c)
{
	int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	sigset_t block, old;

	if (tty == -1)
		return;
	sigemptyset(&block);
	sigaddset(&block, SIGTTOU);
	sigprocmask(SIG_BLOCK, &block, &old);
	if (tcgetpgrp(tty) == getpgrp())
		tcsetpgrp(tty, c->pid);
	sigprocmask(SIG_SETMASK, &old, NULL);
	close(tty);
	kill(-c->pid, SIGCONT);
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
			if (WSTOPSIG(status) == SIGTTIN ||
			    WSTOPSIG(status) == SIGTTOU)
				lend(c);
		} else if (pid == c->pid) {
			c->status = status;
			c->ended = true;
		}
	}
	/* Children of its processes are theirs until these have ended. */
	if (c->ended && pid == -1 && errno == ECHILD &&
	    kill(-c->pid, 0) == -1)
		c->empty = true;
}

void
command_signal(const struct command *c, int sig)
{
	if (c->pid == 0 || c->empty)
		return;
	kill(-c->pid, sig);
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
