#ifndef TL_CLIENT_GZIP_H
#define TL_CLIENT_GZIP_H

#include <stddef.h>

#include "core/fail.h"

/*
 * Bytes compressed into one gzip member on a descriptor, as they come: fast
 * level, no name, no time in the header.  The memory is fixed, about 1 MB.
 *
 * libisal's level 1 is three times as fast as zlib's.  It chooses its code by
 * the processor, so the same input can make other (equally good) bytes on
 * another machine; zlib's do not depend on it.
 */
enum gzip_with {
	GZIP_ISAL,
	GZIP_ZLIB
};

struct gzip;

/* name is what messages call fd, which stays the caller's. */
int	gzip_open(struct gzip **, enum gzip_with, int fd, const char *name,
	    struct fail *);

/*
 * Room for at least one byte, *n of them, that the caller may fill; then
 * gzip_filled() says how many it did.  So a file is read to where it is
 * compressed from.
 */
char	*gzip_room(struct gzip *, size_t *n);
int	gzip_filled(struct gzip *, size_t n, struct fail *);

int	gzip_add(struct gzip *, const void *, size_t n, struct fail *);
int	gzip_zeros(struct gzip *, size_t n, struct fail *);

/* Compress what is left and write the trailer. */
int	gzip_end(struct gzip *, struct fail *);
void	gzip_free(struct gzip *);

#endif
