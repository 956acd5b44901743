#ifndef TL_CLIENT_PROCESS_FEED_H
#define TL_CLIENT_PROCESS_FEED_H

#include <stdint.h>

#include "client/sandbox/process_link.h"

/*
 * Send what can be read from a descriptor to the stdin of a process that was
 * started with input, piece by piece as it comes, and close it at the end
 * (tl-wire(7), "Other process requests").  A process that does not read any
 * more is the end, too, and no failure.
 *
 * A piece is sent once: one whose answer was lost may have arrived, and is a
 * failure (EX_TEMPFAIL).  A server that knows no stdin is EX_UNAVAILABLE.
 */
int	process_feed(const struct process_link *, int64_t pid, int fd,
	    struct fail *);

#endif
