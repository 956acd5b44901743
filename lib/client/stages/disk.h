#ifndef TL_CLIENT_DISK_H
#define TL_CLIENT_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "core/fail.h"
#include "core/span.h"

/*
 * How large the image's root file system is, and in how many parts its
 * snapshot is uploaded (tl-wire(7), "Disk sizes and part count").  A megabyte
 * is 1,048,576 bytes.
 */
#define DISK_MIB	(UINT64_C(1) << 20)
#define DISK_DEFAULT_MB	10240
#define DISK_PART_MB	64
#define DISK_PART_BYTES	(DISK_PART_MB * DISK_MIB)
#define DISK_PARTS_MAX	10000	/* S3's; the dataplane holds to it too */
#define DISK_MB_MAX	(UINT64_MAX / DISK_MIB)	/* for opt_number() */

/*
 * The size in bytes: mb if it is not NULL (--disk-mb), else the parent's if
 * the prepared document has one, else the default.  EX_DATAERR for a parent
 * object without a size, EX_USAGE for a product over 2^64-1.
 */
int	disk_bytes(const struct span *prepared, const uint64_t *mb,
	    uint64_t *bytes, struct fail *);

/* The same in MB, rounded up. */
uint64_t disk_mb(uint64_t bytes);

/*
 * The number of parts, 1 to DISK_PARTS_MAX.  *clamped, if not NULL, tells that
 * the ceiling was hit: the image may not fit, and someone should say so.
 */
unsigned disk_parts(uint64_t bytes, bool *clamped);

/*
 * Whether the parent image's file system goes into so many bytes, if there is
 * a parent and it says its size: a builder that finds out is paid for by then.
 * EX_USAGE if not.
 */
int	disk_check(const struct span *prepared, uint64_t bytes, struct fail *);

/*
 * A reason to think that the image will not come about with a root file
 * system of so many bytes, or NULL: more than all parts hold.  The line is for
 * a warning and stands in text.
 */
#define DISK_DOUBT	160
const char *disk_doubt(uint64_t bytes, char text[DISK_DOUBT]);

#endif
