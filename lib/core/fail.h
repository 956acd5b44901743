#ifndef TL_CORE_FAIL_H
#define TL_CORE_FAIL_H

#include <stddef.h>

/*
 * Why something failed: a status of sysexits(3) for the shell, a line for the
 * person.  Library functions neither print nor exit; they fill one of these
 * and return -1.
 */
struct fail {
	int	status;		/* EX_DATAERR, EX_UNAVAILABLE, ... */
	char	msg[512];	/* one line, masked, no secret */
};

/*
 * Set the status and the line, which is masked (core/mask.h).  Always -1, so
 * an error path is one line.
 */
int	fail_set(struct fail *, int status, const char *fmt, ...)
	    __attribute__((format(printf, 3, 4)));

/*
 * The same with ": " and strerror(errno) behind it.  Out of memory is EX_OSERR
 * whatever the status given.
 */
int	fail_sys(struct fail *, int status, const char *fmt, ...)
	    __attribute__((format(printf, 3, 4)));

/* Put "what: " before the line that is there.  Always -1. */
int	fail_in(struct fail *, const char *what);

/*
 * Text from outside made fit for a message: what is not to be shown becomes '?'
 * (core/mask.h), a URL loses its "user:password@" and ends at its '?' (the
 * query of a presigned URL is a key).  At most max bytes of s are taken, "..."
 * says that there was more.  Returns dst.
 */
char	*fail_show(char *dst, size_t size, const char *s, size_t max);

#endif
