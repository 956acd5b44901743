#ifndef TL_CLIENT_COMMAND_H
#define TL_CLIENT_COMMAND_H

#include <sys/types.h>

#include <signal.h>
#include <stdbool.h>

#include "core/fail.h"

/*
 * A command in a process group of its own, so that it can be ended with all
 * that it has started.  What it leaves running in another group or session (an
 * agent of a credential helper) is not its any more.
 *
 * Its standard error is a pipe.  The terminal stays with whoever started us:
 * signals that are typed come to us, who pass them on.  A program of the
 * command that wants to read from the terminal is given it, until all have
 * ended; if we are in the background ourselves, it waits.
 *
 * The caller must be a subreaper (prctl(2)), to see orphans of the group end.
 */
struct command {
	pid_t	pid;		/* of the process and its group */
	int	err;		/* the pipe's end; -1 once it has ended */
	int	status;		/* as of waitpid(2), once ended is true */
	bool	ended;		/* the command itself */
	bool	empty;		/* and nothing of its group is left */
	bool	stopped;	/* by a key, while it had the terminal */
	/* Private. */
	bool	waits, lent;	/* for the terminal; it has it */
};

#define COMMAND_INIT	{ .pid = 0, .err = -1 }

/* mask: the signal mask it begins with.  EX_OSERR. */
int	command_start(struct command *, char *const argv[], const char *cwd,
	    const sigset_t *mask, struct fail *);
/* Take in what has ended or stopped: after SIGCHLD, or now and then. */
void	command_look(struct command *);
/* A signal for the whole group. */
void	command_signal(struct command *, int sig);
/* Stop it and ourselves, as SIGTSTP does, and go on together. */
void	command_stop(struct command *);
/* The status for a shell: 128 + the signal if it was one. */
int	command_status(const struct command *);

#endif
