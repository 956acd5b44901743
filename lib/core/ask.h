#ifndef TL_CORE_ASK_H
#define TL_CORE_ASK_H

#include "core/buf.h"
#include "core/fail.h"

/*
 * What another program says on stdout, if it ends well within a time; it reads
 * nothing, and its stderr is nobody's.  What takes longer is killed.  EX_OSERR,
 * or EX_UNAVAILABLE: it could not be run, failed, took too long, or said more
 * than the buf takes.  A path without a slash is looked for in PATH.
 */
int	ask(const char *path, const char *const argv[], int timeout_ms,
	    struct buf *, struct fail *);

#endif
