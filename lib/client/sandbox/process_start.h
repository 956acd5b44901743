#ifndef TL_CLIENT_PROCESS_START_H
#define TL_CLIENT_PROCESS_START_H

#include "client/sandbox/process.h"
#include "client/sandbox/process_link.h"

/*
 * Starting a command.  A lost answer does not start it twice, and takes no
 * other process for ours: the daemon's list is compared with the one from
 * before.  Where that cannot be told, it fails and says so.
 */
int	process_start(const struct process_link *, const struct process *,
	    int64_t *pid, struct fail *);
/* One request, for what may run twice; EX_TEMPFAIL if it can be sent again. */
int	process_start_once(const struct process_link *,
	    const struct process *, int64_t *pid, struct fail *);

#endif
