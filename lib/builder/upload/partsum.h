#ifndef TL_BUILDER_PARTSUM_H
#define TL_BUILDER_PARTSUM_H

#include <stddef.h>
#include <stdint.h>

#include "core/fail.h"

/*
 * The MD5 of parts of a file, computed by threads of their own, one for each
 * processor, in the order in which they are asked for.  And, if it is wanted, the
 * SHA-256 of the whole file, by one thread more: from its first byte to its last,
 * so it cannot be shared.
 */
#define PARTSUM_LEN	16
#define PARTSUM_WHOLE_LEN 32

struct partsum;

/* For parts 0 to parts - 1. */
struct partsum *partsum_start(int fd, size_t parts, struct fail *);
/*
 * Ask for part k, which is these bytes of the file; once.  Ask a little ahead: what
 * was read for it is still in memory then when it is sent.
 */
void	partsum_ask(struct partsum *, size_t k, uint64_t at, uint64_t len);
/*
 * 1 and the sum of a part that was asked for; 0 if it is not known after wait_ms;
 * -1 if the file cannot be read.
 */
int	partsum_get(struct partsum *, size_t k, int wait_ms,
	    unsigned char md5[PARTSUM_LEN], struct fail *);
/* Ask for the sum of the whole, of this size; and wait for it. */
int	partsum_ask_whole(struct partsum *, uint64_t size, struct fail *);
int	partsum_whole(struct partsum *, unsigned char[PARTSUM_WHOLE_LEN],
	    struct fail *);
void	partsum_free(struct partsum *);

#endif
