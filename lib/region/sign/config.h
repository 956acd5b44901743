#ifndef TL_REGION_CONFIG_H
#define TL_REGION_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "core/fail.h"

/*
 * Where a bucket is and what signs for it: "name = value" lines, '#' starts a
 * comment line.  The file holds a secret, so it must be the caller's (or
 * root's) and closed to everybody else.
 *
 *	bucket		name
 *	endpoint	http://127.0.0.1:9000 or https://s3.example.com
 *	region		us-east-1 by default
 *	addressing	path (default) or virtual
 *	access_key, secret_key, session_token
 *	credentials_expire	RFC 3339, UTC; absent: never
 *	read_origin	s3://bucket/prefix, may be repeated
 *	expires_s	of a presigned URL, at most and by default seven days
 */
struct config_origin {
	char	*bucket;
	char	*prefix;	/* "" is the whole bucket; never ends in '/' */
};

struct config {
	char	*bucket;
	char	*endpoint;	/* lower case, no '/' at the end */
	char	*region;
	char	*access_key;
	char	*secret_key;
	char	*session_token;		/* or NULL */
	bool	 virtual_host;		/* bucket in the host name */
	time_t	 credentials_expire;	/* 0: never */
	uint32_t expires_s;
	struct config_origin *origins;
	size_t	 norigins;
};

/* EX_CONFIG names file and line, never the value.  Missing: EX_NOINPUT. */
int	config_load(struct config *, const char *path, struct fail *);
void	config_free(struct config *);

/* The bounds that S3 has for a bucket's name; safe as a file name, too. */
bool	config_bucket_ok(const char *);

#endif
