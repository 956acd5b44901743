#ifndef TL_BUILDER_TREESUM_H
#define TL_BUILDER_TREESUM_H

#include <stdint.h>

#include "core/fail.h"

/*
 * The SHA-256 of a stretch of a file, as a tree of two levels: the digests of
 * its pieces of 64 KiB (the last may be shorter), one behind the other, are
 * digested once more.  Pieces do not depend on each other, so they are hashed
 * by as many threads as there are processors.
 */
#define TREESUM_LEN	32
#define TREESUM_PIECE	(64UL << 10)

/* Of [from, to); a file that ends before is EX_DATAERR. */
int	treesum_file(int fd, uint64_t from, uint64_t to,
	    unsigned char sum[TREESUM_LEN], struct fail *);

#endif
