#ifndef TL_CLIENT_ABORT_H
#define TL_CLIENT_ABORT_H

#include "core/http.h"
#include "core/span.h"

/*
 * A signed upload aborted: DELETE on its block's abortUrl, so that the
 * store drops the parts it holds.  No token goes there: the URL is the key,
 * and is never shown past its '?'.
 */

/*
 * The block in a document: the upload of a signed or prepared one, or the
 * document itself if it has an abortUrl.  1; 0 if there is nothing to give
 * back (an empty object, or no upload where others are signed); EX_DATAERR
 * for what is neither.
 */
int	abort_find(const struct span *doc, struct span *block, struct fail *);

/*
 * Abort it, within so many seconds and whatever signals came.  404 is a
 * success: the store knows no such upload any more.  EX_DATAERR if the block
 * has no abortUrl.
 */
int	abort_upload(struct http *, const struct span *block,
	    unsigned seconds, void (*note)(const char *), struct fail *);

#endif
