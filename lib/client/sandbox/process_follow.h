#ifndef TL_CLIENT_PROCESS_FOLLOW_H
#define TL_CLIENT_PROCESS_FOLLOW_H

#include "client/sandbox/process.h"
#include "client/sandbox/process_link.h"

/*
 * The output of a process, line by line as it comes, until it has ended; and
 * how it ended.  A lost connection loses nothing: the daemon keeps the output
 * and replays it, and each line is handed on once.  Ten failures in a row end
 * it, but for those in which the link's patience lasts (client/cloud/retry.h).
 */
int	process_follow(const struct process_link *, int64_t pid,
	    struct process_end *, struct fail *);

#endif
