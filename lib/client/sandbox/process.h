#ifndef TL_CLIENT_PROCESS_H
#define TL_CLIENT_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "client/sandbox/reach.h"
#include "core/span.h"

/*
 * A command run in a sandbox, through its proxy: started, its output followed
 * line by line as it comes, its end known (WIRE.md section 9).
 *
 * A lost connection loses nothing: the daemon keeps the output and replays it,
 * and each line is handed on once.  A lost answer to the start does not start
 * the command twice, and takes no other process for ours; where that cannot be
 * told, the run fails and says so.
 */
struct process {
	const char		*command;
	const char *const	*args;		/* NULL at the end; or NULL */
	const char *const	*env;		/* "NAME=VALUE" likewise */
	const char		*cwd;		/* or NULL */
	const char		*user;		/* "root", or NULL */
};

enum process_stream { PROCESS_STDOUT, PROCESS_STDERR };

/* How it ended. */
struct process_end {
	int64_t	pid;		/* 0: never started, as far as known */
	int64_t	code;		/* exit status; a signal's number below zero */
	bool	oom;		/* killed for want of memory: has failed */
};

/* The way there, and where the output goes. */
struct process_link {
	struct reach		*reach;
	/* A line, without its end.  -1 ends the run, with the fail filled. */
	int			(*line)(void *arg, enum process_stream,
				    const char *, size_t, struct fail *);
	/* No more for now: what line() holds back is to be shown.  Or NULL. */
	int			(*flush)(void *arg, struct fail *);
	/*
	 * Something was awry and is dealt with; serious: not wholly.  Or NULL.
	 */
	void			(*note)(void *arg, bool serious, const char *);
	void			*arg;
	long			 second_ms;	/* of waiting; 0: 1000 */
};

/*
 * Run it to its end.  -1: it did not start, or its end is not known (a signal
 * came, line() failed, the daemon is gone), with end->pid telling which; it is
 * killed then, as far as that is possible; but not when a deadline passed
 * (core/stop.h): it goes on.
 */
int	process_run(const struct process_link *, const struct process *,
	    struct process_end *, struct fail *);

/* The parts of it. */
int	process_start(const struct process_link *, const struct process *,
	    int64_t *pid, struct fail *);
/* One request, for what may run twice; EX_TEMPFAIL if it can be sent again. */
int	process_start_once(const struct process_link *,
	    const struct process *, int64_t *pid, struct fail *);
int	process_follow(const struct process_link *, int64_t pid,
	    struct process_end *, struct fail *);
int	process_kill(const struct process_link *, int64_t pid, struct fail *);

/*
 * What a process object says: 1 and its end, 0 if it still runs, -1 if it
 * makes no sense (EX_PROTOCOL).  *vague: it ended, but with neither a code nor
 * a signal, which may still come; its code is then 0.
 */
int	process_ended(const struct span *, struct process_end *, bool *vague,
	    struct fail *);
/*
 * The one process of a list ({"processes": [...]}) that runs or ran this very
 * command and is not in the list from before its start (NULL: no such list).
 * 1 and its pid; 0: none; -1: more than one, or no list.
 */
int	process_find(const struct span *list, const struct span *before,
	    const struct process *, int64_t *pid, struct fail *);

/* The status for the shell: the code, 128 + the signal, 137 for no memory. */
int	process_status(const struct process_end *);

#endif
