#ifndef TL_CLIENT_EXPIRY_H
#define TL_CLIENT_EXPIRY_H

#include <time.h>

#include "core/fail.h"
#include "core/span.h"

/*
 * When a document can no longer be used: the earliest of its "expiresAt"
 * members, at any depth (tl-wire(7), "Signed block" and "Open points"), and of
 * the ends of the signed URLs among its strings: X-Amz-Date and X-Amz-Expires
 * (SigV4), the same of X-Goog-, or Expires in seconds since 1970 (the older S3
 * signature).
 *
 * 1 and the time; 0 if nothing in it says when; EX_DATAERR if it is no object.  A member that is no time and
 * a URL whose dates make no sense say nothing.
 */
int	expiry_find(const struct span *doc, time_t *first, struct fail *);

#endif
