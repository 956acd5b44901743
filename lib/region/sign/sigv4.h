#ifndef TL_REGION_SIGV4_H
#define TL_REGION_SIGV4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <nettle/sha2.h>

#include "core/buf.h"
#include "core/fail.h"

/*
 * AWS Signature Version 4 for S3: URLs that carry their signature in the
 * query, and the check of such URLs and of signed headers.
 *
 * The URLs are, byte for byte, those of botocore for the same input: the
 * operation's parameters first, in the order given, then X-Amz-*, then the
 * signature; only the host header is signed; the payload is not.
 */
#define SIGV4_EXPIRES_MAX	604800	/* seven days: S3 refuses more */
#define SIGV4_SECRET_MAX	1024	/* to be checked where it is read */
#define SIGV4_HEX		64	/* a SHA-256 in hex, no NUL */

struct sigv4_credentials {
	const char	*access_key;
	const char	*secret_key;
	const char	*session_token;	/* or NULL */
	const char	*region;
};

struct sigv4_param {
	const char	*name;		/* neither is escaped */
	const char	*value;
};

struct sigv4_request {
	const char	*method;
	const char	*origin;	/* scheme://host[:port], lower case */
	const char	*path;		/* not escaped, starts with '/' */
	const struct sigv4_param *params;
	size_t		 nparams;
	time_t		 when;
	uint32_t	 expires_s;
};

/* Append the presigned URL. */
int	sigv4_presign(const struct sigv4_credentials *,
	    const struct sigv4_request *, struct buf *url, struct fail *);

/*
 * A series of URLs that differ in one parameter's number.  That parameter's
 * value in the request is SIGV4_NUMBER.  What is the same in all of them is
 * hashed once: the canonical request up to the number, both pads of the
 * signing key's HMAC, and the first block of the string to sign.
 */
extern const char SIGV4_NUMBER[];

struct sigv4_series {
	struct sha256_ctx	 canonical; /* up to the number */
	struct sha256_ctx	 inner;	/* pad and string up to the hash */
	struct sha256_ctx	 outer;	/* pad */
	struct buf		 tail;	/* canonical, behind the number */
	struct buf		 url_head;
	struct buf		 url_tail;
	size_t			 url_max;	/* no URL is longer; no NUL */
};

int	sigv4_series(struct sigv4_series *, const struct sigv4_credentials *,
	    const struct sigv4_request *, struct fail *);
/* Write one URL, at most url_max bytes, no NUL; its length. */
size_t	sigv4_series_url(const struct sigv4_series *, uint32_t number, char *);
void	sigv4_series_free(struct sigv4_series *);

/*
 * The signature of a canonical request, in hex without a NUL.  The stamp has
 * the form 20130524T000000Z.
 */
void	sigv4_signature(char [SIGV4_HEX], const struct buf *canonical,
	    const char *secret, const char *stamp, const char *region);

/*
 * The check of a request: its signature stands in the query or in the
 * Authorization header.
 */
struct sigv4_header {
	const char	*name;
	const char	*value;
};

struct sigv4_incoming {
	const char	*method;
	const char	*path;		/* as sent, still escaped */
	const char	*query;		/* as sent, behind the '?'; or "" */
	const struct sigv4_header *headers;
	size_t		 nheaders;
};

struct sigv4_verdict {
	unsigned	 status;	/* 0: the signature is good */
	const char	*code;		/* else the word S3 has for it */
	const char	*message;
	char		 access_key[129];
	/* The SHA-256 that the body must have, in hex; "" if unsigned. */
	char		 payload[SIGV4_HEX + 1];
	/* A body in signed or trailed chunks, which is another encoding. */
	bool		 chunked;
};

/*
 * 0 with the verdict, -1 only when memory runs out.  secret() finds the secret
 * of an access key, NULL if nobody has it.
 */
int	sigv4_verify(const struct sigv4_incoming *, const char *region,
	    time_t now, const char *(*secret)(void *, const char *access_key),
	    void *arg, struct sigv4_verdict *, struct fail *);

#endif
