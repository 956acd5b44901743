#ifndef TL_REGION_S3_H
#define TL_REGION_S3_H

#include <stdbool.h>
#include <stddef.h>

#include "core/fail.h"
#include "region/serve/serve.h"
#include "region/store/objects.h"

/*
 * As much of S3 as an image build takes, and its tests: objects by GET (with
 * Range), HEAD, PUT and DELETE; multipart uploads; lists.  Every request is
 * signed, in its query or in its Authorization header (region/sign/sigv4.h).
 *
 * Keys may be read-write or read-only.
 */
struct s3_key {
	char	*access;
	char	*secret;
	bool	 writes;
};

struct s3 {
	struct objects	*objects;
	const char	*region;
	struct s3_key	*keys;
	size_t		 nkeys;
};

/*
 * Read keys from a file of mode 0600, "ACCESS SECRET rw" or "... ro" a line; a
 * word that begins with '#' starts a comment.  EX_CONFIG names file and line,
 * not the secret.
 */
int	s3_keys_load(struct s3 *, const char *path, struct fail *);
void	s3_keys_free(struct s3 *);

/* For serve_options; arg is the struct s3. */
extern const struct serve_ops s3_ops;

#endif
