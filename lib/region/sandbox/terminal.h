#ifndef TL_REGION_TERMINAL_H
#define TL_REGION_TERMINAL_H

#include "core/terminal.h"
#include "region/sandbox/proc.h"

/*
 * Processes with a terminal: tl-wire(7), "Terminals".  Each is a process that
 * has a screen, with an id and a token.  It stays when nobody is connected, but
 * not for long, and it can be asked for its end for a while.
 */
#define TERMINALS_MAX	64U		/* of a sandbox; ended ones make room */
#define TERMINAL_ALONE_MS 300000	/* then it is killed */
#define TERMINAL_KEPT_MS 60000		/* after its end */

/* As proc_start(), with a terminal of that size; EX_NOPERM: no more of them. */
int	 terminal_start(struct sandbox *, struct proc_spec *,
	    struct terminal_size, struct proc **, struct fail *);
/* With a reference, or NULL. */
struct proc *terminal_find(struct sandbox *, const char *id);
/* SIGHUP, and SIGKILL if it is there after some seconds. */
void	 terminal_kill(struct sandbox *, struct proc *);
int	 terminal_resize_to(struct sandbox *, struct proc *,
	    struct terminal_size);
/* The object of tl-wire(7).  Under the lock. */
void	 terminal_describe(const struct proc *, struct jout *);
/* What its end is to a client.  Under the lock, once it has ended. */
int32_t	 terminal_status(const struct proc *);

/*
 * The thread's: kill and forget what is due.  How many milliseconds until there
 * is something again.
 */
int	 terminal_due(struct sandbox *);

#endif
