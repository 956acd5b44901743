#ifndef TL_BUILDER_COMPRESS_H
#define TL_BUILDER_COMPRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/fail.h"

/*
 * Clusters of a disk compressed with zstd, by as many threads as there are
 * processors, up to eight, while the caller goes on.  They come back in the
 * order in which they were given.
 */
struct compressor;

struct cluster {
	uint64_t	 index;		/* the caller's */
	bool		 zero;		/* the caller's: leave it out */
	size_t		 packed;	/* bytes in out; 0: no memory */
	unsigned char	*in;		/* of the size that was asked for */
	unsigned char	*out;		/* a frame with a checksum, which for
					   noise is longer than what it holds */
};

struct compressor *compressor_new(size_t size, struct fail *);
/* The one to be filled next, or NULL: some are to be taken back first. */
struct cluster *compressor_next(struct compressor *);
/* That one is filled. */
void	compressor_give(struct compressor *);
/* The oldest, when it is compressed, until the next call; NULL: none is there. */
struct cluster *compressor_take(struct compressor *);
/* NULL, too. */
void	compressor_free(struct compressor *);

#endif
