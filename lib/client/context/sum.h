#ifndef TL_CLIENT_SUM_H
#define TL_CLIENT_SUM_H

#include <sys/stat.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <nettle/umac.h>

#include "client/context/tar.h"

/*
 * Whether two contexts would be sent as the same: a digest of names, kinds,
 * modes, times, sizes, targets and bytes, in the order of the archive.  It does
 * not depend on the compressor.  A folder's time is not in it, for that also
 * changes with what stays out, such as an ignored file that comes and goes.
 *
 * It is UMAC-128 (RFC 4418) under a key that everyone knows.  That two contexts
 * which nobody made for the purpose have one digest is as unlikely as with any
 * other of 128 bits, and it is read at 2400 MB/s where SHA-256 is at 180: a
 * Makefile asks each time whether anything has changed.
 */
#define SUM_SIZE	16

struct sum {
	struct umac128_ctx	umac;
};

void	sum_init(struct sum *);

/* The same under a key of SUM_SIZE bytes. */
void	sum_init_key(struct sum *, const uint8_t *key);

/*
 * An entry of a context; of a file that and the sum of it alone, under the key
 * that everyone knows.  So a file whose sum is known need not be read.
 */
void	sum_entry(struct sum *, const struct tar_entry *);
void	sum_file(struct sum *, const struct tar_entry *,
	    const uint8_t alone[SUM_SIZE]);

/*
 * Begin a sum of one entry alone, without its name and time; its bytes come
 * behind.  The same is always summed the same, so whoever knows such sums may
 * come to know the key.
 */
void	sum_alone(struct sum *, const struct tar_entry *);
void	sum_bytes(struct sum *, const void *, size_t n);
void	sum_end(struct sum *, uint8_t out[SUM_SIZE]);

/*
 * Of what changes whenever a file is written: its inode, its size and, to the
 * nanosecond, its times of modification and of change.  Nobody can set the
 * last.  The sum must not have been begun.
 */
#define STAMP_SIZE 8

void	sum_stamp(struct sum *, const struct stat *, uint8_t out[STAMP_SIZE]);

/*
 * Whether a file that was so when it was begun to be read will get another time
 * when it is written after that: the clock of a file system may tick slowly.
 */
bool	sum_settled(const struct stat *, int64_t begun_ms);

#endif
