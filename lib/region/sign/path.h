#ifndef TL_REGION_PATH_H
#define TL_REGION_PATH_H

#include <stdbool.h>

#include "core/fail.h"
#include "region/sign/config.h"

/*
 * What may be signed for: the paths a project may write to, and the objects
 * that may be read.  EX_DATAERR for what is malformed, EX_NOPERM for what is
 * somebody else's.
 */
#define SIGN_PATH_MAX		1024		/* S3's ceiling of a key */

/*
 * Whether a path is fit to be a key: no empty, "." or ".." segment (so no '/'
 * at either end), backslash, percent sign or control byte, at most
 * SIGN_PATH_MAX bytes.  That it is UTF-8 was checked where it was read.
 */
int	sign_path_check(const char *, struct fail *);
/* The rules of a path to write to: fit to be a key, and the project's own. */
int	sign_own_path(const char *path, const char *project, struct fail *);

/* "s3://BUCKET/KEY" taken apart into new strings. */
int	sign_uri_split(const char *uri, char **bucket, char **key,
	    struct fail *);
/* Whether config lets an object be read: own bucket or a read origin. */
bool	sign_readable(const struct config *, const char *bucket,
	    const char *key);

#endif
