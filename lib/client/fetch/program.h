#ifndef TL_CLIENT_PROGRAM_H
#define TL_CLIENT_PROGRAM_H

#include <sys/types.h>

#include "core/fail.h"

/*
 * Other programs of this toolkit, run by one.  Begin one, found beside the running
 * one, with these as its stdin and stdout; -1 with EX_UNAVAILABLE.
 */
pid_t	program_begin(const char *const argv[], int in, int out,
	    struct fail *);

/*
 * Wait for its end, and pass on a signal of ours (core/stop.h).  0; the status to
 * end with, when it has said on stderr what is wrong; or -1.
 */
int	program_end(const char *name, pid_t, struct fail *);

#endif
