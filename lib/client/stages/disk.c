#include <stdio.h>
#include <sysexits.h>

#include "client/stages/disk.h"

/*
 * Plain digits up to 2^64-1.  Not json_u64(): that would link libjq into
 * programs that need nothing else of it, and cost them a slower start.
 */
static int
digits(const struct span *s, uint64_t *out)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < s->len; i++) {
		unsigned d = (unsigned)(unsigned char)s->at[i] - '0';

		if (d > 9 || __builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, d, &n))
			return -1;
	}
	*out = n;
	return 0;
}

/* The parent's size: 1, 0 if there is no parent, -1. */
static int
disk_parent(const struct span *prepared, uint64_t *bytes, struct fail *f)
{
	struct span parent, size;
	int r;

	if ((r = span_get(prepared, "parent", &parent, f)) == -1)
		return -1;
	if (r == 0 || span_is_null(&parent))
		return 0;
	if (!span_is_object(&parent))
		return fail_set(f, EX_DATAERR, "parent: not an object");
	if ((r = span_get(&parent, "rootfsDiskBytes", &size, f)) == -1)
		return fail_in(f, "parent");
	if (r == 0 || span_is_null(&size))
		return fail_set(f, EX_DATAERR, "parent.rootfsDiskBytes: "
		    "missing, so give the disk's size with --disk-mb");
	if (digits(&size, bytes) == -1)
		return fail_set(f, EX_DATAERR,
		    "parent.rootfsDiskBytes: not a size in bytes");
	return 1;
}

int
disk_bytes(const struct span *prepared, const uint64_t *mb, uint64_t *bytes,
    struct fail *f)
{
	int r;

	if (mb != NULL) {
		if (__builtin_mul_overflow(*mb, DISK_MIB, bytes))
			return fail_set(f, EX_USAGE,
			    "--disk-mb %ju: more than 2^64-1 bytes",
			    (uintmax_t)*mb);
		return 0;
	}
	if ((r = disk_parent(prepared, bytes, f)) == 0)
		*bytes = DISK_DEFAULT_MB * DISK_MIB;
	return r == -1 ? -1 : 0;
}

uint64_t
disk_mb(uint64_t bytes)
{
	return bytes / DISK_MIB + (bytes % DISK_MIB != 0);
}

unsigned
disk_parts(uint64_t bytes, bool *clamped)
{
	uint64_t mb = disk_mb(bytes);
	uint64_t n = mb / DISK_PART_MB + (mb % DISK_PART_MB != 0);

	if (clamped != NULL)
		*clamped = n > DISK_PARTS_MAX;
	if (n > DISK_PARTS_MAX)
		return DISK_PARTS_MAX;
	return n == 0 ? 1 : (unsigned)n;
}

int
disk_check(const struct span *prepared, uint64_t bytes, struct fail *f)
{
	struct fail none;
	uint64_t parent;

	if (disk_parent(prepared, &parent, &none) != 1 || bytes >= parent)
		return 0;
	return fail_set(f, EX_USAGE, "--disk-mb %ju: smaller than the parent "
	    "image's %ju; give at least that, or leave it out",
	    (uintmax_t)disk_mb(bytes), (uintmax_t)disk_mb(parent));
}

const char *
disk_doubt(uint64_t bytes, char text[DISK_DOUBT])
{
	bool clamped;

	disk_parts(bytes, &clamped);
	if (!clamped)
		return NULL;
	snprintf(text, DISK_DOUBT, "%d parts of %d MB hold less than a disk "
	    "of %ju MB: a full image will not fit", DISK_PARTS_MAX,
	    DISK_PART_MB, (uintmax_t)disk_mb(bytes));
	return text;
}
