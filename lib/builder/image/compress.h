#ifndef TL_BUILDER_COMPRESS_H
#define TL_BUILDER_COMPRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/fail.h"

/*
 * Clusters of a disk compressed with zstd, a batch at once, by as many threads
 * as there are processors, up to eight.
 */
#define COMPRESS_BATCH	32

struct compressor;

struct cluster {
	uint64_t	 index;		/* the caller's */
	bool		 zero;		/* the caller's: leave it out */
	size_t		 packed;	/* bytes in out; 0: no memory */
	unsigned char	*in;		/* of the size that was asked for */
	unsigned char	*out;		/* a frame with a checksum, which for
					   noise is longer than what it holds */
};

/* *batch is COMPRESS_BATCH clusters to be filled. */
struct compressor *compressor_new(size_t size, struct cluster **batch,
	    struct fail *);
/* The first n of them. */
void	compressor_run(struct compressor *, unsigned n);
/* NULL, too. */
void	compressor_free(struct compressor *);

#endif
