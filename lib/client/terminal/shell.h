#ifndef TL_CLIENT_SHELL_H
#define TL_CLIENT_SHELL_H

#include "client/sandbox/process.h"
#include "client/sandbox/reach.h"

/*
 * A command in the sandbox with this program's terminal, from its start to its
 * end; without one (command NULL) a login shell, bash if there is one, else sh.
 * TERM is passed on, and COLORTERM.  Its status for a shell.
 *
 * -1: it did not start, or it was ended: by a signal that came here, or since
 * nobody could be at it any more.
 */
int	shell_run(struct reach *, const struct process *, int *status,
	    struct fail *);

#endif
