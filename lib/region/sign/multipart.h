#ifndef TL_REGION_MULTIPART_H
#define TL_REGION_MULTIPART_H

#include "core/buf.h"
#include "core/fail.h"
#include "core/http.h"
#include "region/sign/config.h"

/*
 * Multipart uploads as the store keeps them: opened and aborted by presigned
 * URLs of the config's own key.
 *
 * Failing is what core/http.h says of the exchange; a store's refusal carries
 * its error code, never the URL's query.
 */

/* Open one in the config's bucket; its id is appended to id. */
int	multipart_create(struct http *, const struct config *,
	    const char *key, struct buf *id, struct fail *);
/* Abort it.  One that is not there any more is as good. */
int	multipart_abort(struct http *, const struct config *,
	    const char *key, const char *id, struct fail *);

/*
 * The ids of the uploads that are open for exactly this key, one behind the
 * other, each with its NUL, and how many.  The list is read to its last page.
 */
int	multipart_list(struct http *, const struct config *,
	    const char *key, struct buf *ids, size_t *n, struct fail *);
/*
 * Abort all of them; *n is how many were.  One that the store does not let go
 * does not keep the others, and is a failure.
 */
int	multipart_release(struct http *, const struct config *,
	    const char *key, size_t *n, struct fail *);

#endif
