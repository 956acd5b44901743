#ifndef TL_BUILDER_PARTSUM_H
#define TL_BUILDER_PARTSUM_H

#include <stdint.h>

#include "core/fail.h"

/*
 * The MD5 of each part of a file, computed by threads of their own, one for
 * each processor, in order and a little ahead of who asks, so that what they
 * read is still in memory when it is sent.
 */
#define PARTSUM_LEN	16

struct partsum;

/* Part k is the bytes [k * part, (k + 1) * part) of size; at least one. */
struct partsum *partsum_start(int fd, uint64_t size, uint64_t part,
	    struct fail *);
/*
 * 1 and the sum of a part; 0 if it is not known after wait_ms; -1 if the file
 * cannot be read.  The threads read a few parts beyond the highest one asked.
 */
int	partsum_get(struct partsum *, uint64_t k, int wait_ms,
	    unsigned char md5[PARTSUM_LEN], struct fail *);
void	partsum_free(struct partsum *);

#endif
