#ifndef TL_CORE_STORE_H
#define TL_CORE_STORE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/fail.h"
#include "core/http.h"

/*
 * What an S3 store says in XML: the result of completing an upload, or an Error,
 * which may come with any status, 200 included (S3 has sent the status line
 * long before it knows how a completion ends).
 */
struct store_answer {
	char	root[64];	/* name of the root element, no prefix */
	char	code[64];	/* its Code, Message and ETag children, or "" */
	char	message[200];	/* masked: core/mask.h */
	char	etag[256];	/* quotes included, as it came */
};

/* Read a whole answer.  EX_PROTOCOL unless it is well-formed: core/xml.h. */
int	store_parse(struct store_answer *, const char *, size_t, struct fail *);

/*
 * What the code of an Error means, for who has a presigned URL; the table is
 * in store.c.  It says more than the status, which may be 200, 400 or 403.
 */
enum store_meaning {
	STORE_LASTING,		/* the request is wrong, or not possible */
	STORE_PASSING,		/* worth another try */
	STORE_EXPIRED,		/* what was signed has ended: sign anew */
	STORE_CREDENTIALS,	/* those that signed have ended */
	STORE_SKEWED,		/* a clock is wrong */
	STORE_SIGNATURE,	/* not as it was signed, or with another key */
	STORE_DENIED,		/* signed well, by one who may not */
	STORE_ENDED		/* the upload was completed, or aborted */
};

enum store_meaning	store_meaning(const char *code, const char *message);

/* Whether an answer is worth another try, by its code, else by its status. */
bool	store_passing(const struct http_reply *);

/*
 * As http_refused(), with the Code and Message of an Error instead of raw XML,
 * and what to do about it.  What is passing is EX_TEMPFAIL, what has expired or
 * may not EX_NOPERM, whatever the status.
 */
int	store_refused(const struct http_reply *, const char *what, struct fail *);

/* The same for an Error that was parsed already. */
int	store_error(const struct store_answer *, long status, const char *what,
	    struct fail *);

#endif
