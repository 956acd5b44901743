#ifndef TL_CLIENT_PROCESS_H
#define TL_CLIENT_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/fail.h"
#include "core/span.h"

/*
 * A command run in a sandbox, and what its daemon says of one:
 * tl-wire(7), "Processes".  No request leaves here; process_run.h has the way
 * from a start to the end.
 */
struct process {
	const char		*command;
	const char *const	*args;		/* NULL at the end; or NULL */
	const char *const	*env;		/* "NAME=VALUE" likewise */
	const char		*cwd;		/* or NULL */
	const char		*user;		/* "root", or NULL */
	bool			 input;		/* it is to have a stdin */
};

/* How it ended. */
struct process_end {
	int64_t	pid;		/* 0: never started, as far as known */
	int64_t	code;		/* exit status; a signal's number below zero */
	bool	oom;		/* killed for want of memory: has failed */
};

/*
 * What a process object says: 1 and its end, 0 if it still runs, -1 if it
 * makes no sense (EX_PROTOCOL).  *vague: it ended, but with neither a code nor
 * a signal, which may still come; its code is then 0.
 */
int	process_ended(const struct span *, struct process_end *, bool *vague,
	    struct fail *);
/* The status for the shell: the code, 128 + the signal, 137 for no memory. */
int	process_status(const struct process_end *);

/*
 * The one process of a list ({"processes": [...]}) that runs or ran this very
 * command and is not in the list from before its start (NULL: no such list).
 * 1 and its pid; 0: none; -1: more than one, or no list.
 */
int	process_find(const struct span *list, const struct span *before,
	    const struct process *, int64_t *pid, struct fail *);
/* Whether it is in the array of such a list, whatever it runs. */
bool	process_listed(const struct span *processes, int64_t pid);

#endif
