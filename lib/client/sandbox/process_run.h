#ifndef TL_CLIENT_PROCESS_RUN_H
#define TL_CLIENT_PROCESS_RUN_H

#include "client/sandbox/process.h"
#include "client/sandbox/process_link.h"

/*
 * A command from its start to its end.  -1: it did not start, or its end is
 * not known (a signal came, line() failed, the daemon is gone), with end->pid
 * telling which; it is killed then, as far as that is possible; but not when a
 * deadline passed (core/stop.h): it goes on.
 */
int	process_run(const struct process_link *, const struct process *,
	    struct process_end *, struct fail *);

/* End it; it need not be there. */
int	process_kill(const struct process_link *, int64_t pid, struct fail *);

#endif
