#ifndef TL_BUILDER_S3_H
#define TL_BUILDER_S3_H

#include <stddef.h>

#include "core/fail.h"
#include "core/http.h"

/*
 * What an S3 says in XML: the result of completing an upload, or an Error,
 * which may come with any status, 200 included (S3 has sent the status line
 * long before it knows how a completion ends).
 */
struct s3_answer {
	char	root[64];	/* name of the root element, no prefix */
	char	code[64];	/* its Code, Message and ETag children, or "" */
	char	message[200];	/* control bytes masked */
	char	etag[256];	/* quotes included, as it came */
};

/* Read a whole answer.  EX_PROTOCOL unless it is well-formed: core/xml.h. */
int	s3_parse(struct s3_answer *, const char *, size_t, struct fail *);

/*
 * As http_refused(), with the Code and Message of an Error instead of raw XML.
 * A code that stands for a passing state (SlowDown, InternalError,
 * RequestTimeout, BadDigest, ...) is EX_TEMPFAIL whatever the status.
 */
int	s3_refused(const struct http_reply *, const char *what, struct fail *);

/* The same for an Error that was parsed already. */
int	s3_error(const struct s3_answer *, long status, const char *what,
	    struct fail *);

#endif
