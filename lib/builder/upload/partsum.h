#ifndef TL_BUILDER_PARTSUM_H
#define TL_BUILDER_PARTSUM_H

#include <stdbool.h>
#include <stdint.h>

#include "core/fail.h"

/*
 * The MD5 of each part of a file, computed by threads of their own, one for
 * each processor, in order and a little ahead of who asks, so that what they
 * read is still in memory when it is sent.  And, if it is wanted, the SHA-256 of
 * the whole file, by one thread more: from its first byte to its last, so it
 * cannot be shared.
 */
#define PARTSUM_LEN	16
#define PARTSUM_WHOLE_LEN 32

struct partsum;

/* Part k is the bytes [k * part, (k + 1) * part) of size; at least one. */
struct partsum *partsum_start(int fd, uint64_t size, uint64_t part,
	    bool whole, struct fail *);
/*
 * 1 and the sum of a part; 0 if it is not known after wait_ms; -1 if the file
 * cannot be read.  The threads read a few parts beyond the highest one asked.
 */
int	partsum_get(struct partsum *, uint64_t k, int wait_ms,
	    unsigned char md5[PARTSUM_LEN], struct fail *);
/* Wait for the sum of the whole. */
int	partsum_whole(struct partsum *, unsigned char[PARTSUM_WHOLE_LEN],
	    struct fail *);
void	partsum_free(struct partsum *);

#endif
