#ifndef TL_CLIENT_IMAGE_DIGEST_H
#define TL_CLIENT_IMAGE_DIGEST_H

#include "core/buf.h"
#include "core/span.h"

/*
 * Which snapshot an image is, in a word: "sha256:" and the SHA-256 of the
 * JSON array [snapshotId, snapshotUri, snapshotSizeBytes] without blanks, null
 * for what is absent.  A name that is registered again gets another; the
 * contents are not looked at.  EX_PROTOCOL if there is no snapshotId.
 */
int	image_digest(const struct span *image, struct buf *, struct fail *);

#endif
