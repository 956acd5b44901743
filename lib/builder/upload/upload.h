#ifndef TL_BUILDER_UPLOAD_H
#define TL_BUILDER_UPLOAD_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/fail.h"
#include "core/http.h"
#include "core/span.h"

/*
 * Send a file through the URLs of a signed block (tl-wire(7), "Signed block"):
 * the parts of a multipart upload, several at once, then its completion; or
 * the one PUT of a single_put block.
 *
 * The file is read where it stands, twice: once for the Content-MD5 of a part
 * and once to send it, and a third time for a SHA-256 of the whole; memory does not
 * grow with it.  It must not change meanwhile: a store that checks Content-MD5
 * notices.
 *
 * Or it grows meanwhile: it is written from its start to its end, and what is there
 * stays as it is, but for its first part, which may be written last.  So that one
 * is sent last, and each other one when it is there.  Where it never came, fd is
 * -1: a failure, too.
 */
#define UPLOAD_JOBS_MAX		64

struct upload_options {
	unsigned	 jobs;		/* parts at once, 1 or more */
	unsigned	 tries;		/* of each request, 1 or more */
	const char	*journal;	/* path, or NULL */
	/* Set by a signal handler: stop as soon as possible.  Or NULL. */
	const volatile sig_atomic_t *stop;
	/* Called a few times a second with what the store has taken. */
	void		(*progress)(void *arg, uint64_t done, uint64_t total);
	void		*arg;
	bool		 verbose;	/* retries on stderr */
	bool		 sum;		/* the result has a SHA-256 */
	/*
	 * The file grows until "whole" and a newline can be read here, and has
	 * failed if this ends without; no journal then.  -1: it is whole.
	 */
	int		 grows;
};

struct upload_result {
	char		*uri;		/* malloc'ed; NULL if the block has none */
	uint64_t	 size;
	unsigned	 parts;		/* 1 for a single_put */
	unsigned	 resumed;	/* of them, taken from the journal */
	char		 etag[256];	/* as the store said it, or "" */
	unsigned char	 sha256[32];	/* of the whole file, if asked for */
};

/*
 * The journal, mode 0600, names each part the store has acknowledged: number,
 * MD5, ETag.  With the same upload id, file size and part size a later run
 * sends only parts that are not there or whose bytes have changed; anything
 * else in the file starts it anew.  Done, it is removed.
 *
 * Failing aborts the upload through abortUrl, unless there is a journal and
 * the reason may pass (EX_TEMPFAIL, a signal): then the parts stay in the
 * store for the next run.  A stop is EX_TEMPFAIL.  Too few URLs: EX_DATAERR,
 * before anything is sent.
 */
int	upload_file(struct http *, const struct span *block, int fd,
	    const char *name, const struct upload_options *,
	    struct upload_result *, struct fail *);
void	upload_result_free(struct upload_result *);

#endif
