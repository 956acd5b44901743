#ifndef TL_BUILDER_QCOW2_H
#define TL_BUILDER_QCOW2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/fail.h"
#include "core/span.h"

/*
 * A snapshot: a disk image as qcow2 version 3, clusters of 64 KiB compressed
 * with zstd, and sealed.  Any tool that reads qcow2 opens it.
 *
 * Why not qemu-img: "convert -B" does not compare contents, so its file is as
 * large as the whole image's (measured: 68 MB where 200 KB changed; here 0.6).
 * "rebase" compares, but reads both disks to their ends, holes included: for
 * 10 GiB with 170 MB in use 9 to 57 s, uncached or cached, and a second
 * conversion to compress it, where this takes 0.25 s.  And it knows no seal.
 *
 * The seal is a header extension, tl-snapshot(5): the length of the file, a
 * SHA-256 of all that is in it, one of the header itself, which is the
 * snapshot's identity, and the identity of the parent of a diff.  So no bit of
 * a chain can change, and none of it be left out or taken for another, without
 * its being seen.  What was written before there were seals is still read.
 */
#define QCOW2_BACKING_MAX	1023	/* the format's own limit */
#define QCOW2_CONFIG_MAX	(60UL << 10)	/* the header's cluster has 64 */
#define QCOW2_CHAIN_MAX		33	/* a snapshot and 32 below it */

struct qcow2_id {
	unsigned char	sum[32];
	bool		sealed;		/* false: it has no sums */
};

/* What stands in the header beside the disk; each may be NULL. */
struct qcow2_extra {
	const char	*backing;	/* of a diff */
	const struct qcow2_id *parent;	/* of a diff, which one it is */
	const struct span *config;	/* any text of up to QCOW2_CONFIG_MAX */
};

/*
 * Write a disk image as a snapshot.  Holes are found with SEEK_DATA and cost
 * nothing.  The same bytes in give the same bytes out.
 *
 * With a parent (parent_fd not -1, another raw image, not larger) only
 * clusters that differ from it are held, and the header names a backing file,
 * whose format is qcow2.  A reader should not follow that name but say itself
 * where the parent is.
 */
int	qcow2_write(int raw_fd, int parent_fd, const struct qcow2_extra *,
	    int out_fd, struct fail *);

/*
 * The same, of an image that is being made: what is given meanwhile is not written
 * to the image, unless it is too little of its cluster, and then raw_fd is open
 * for writing.  The rest is read from the image at the end.  So what is in files
 * goes into a snapshot without being written to a disk before.
 *
 * Whole KiB, each once, at a place that the image has nothing at.  The same calls
 * give the same bytes.  What qcow2_begin() is given must last.
 */
struct qcow2;

struct qcow2	*qcow2_begin(int raw_fd, int parent_fd,
		    const struct qcow2_extra *, int out_fd, struct fail *);
int		 qcow2_give(struct qcow2 *, const void *, size_t n,
		    uint64_t at, struct fail *);
int		 qcow2_end(struct qcow2 *, struct fail *);
/* NULL, too. */
void		 qcow2_free(struct qcow2 *);

/*
 * The configuration in a snapshot onto a buf: 1, 0 it has none, -1.  Of the
 * sums only the header's are looked at.
 */
int	qcow2_config(int fd, struct buf *config, struct fail *);

/*
 * Which snapshot this is.  Of the sums only the header's are looked at; one
 * without sums is known by all of its bytes.
 */
int	qcow2_identify(int fd, struct qcow2_id *, struct fail *);

/*
 * The disk of a snapshot, the first of n, into an empty file; each but the
 * last holds what differs from the next.  All sums of all are looked at first,
 * and whether each is the parent that the one before was made against; ids, of
 * n, is filled.  Runs of 4 KiB of zeros become holes.  With out_fd -1 it is
 * only read.
 *
 * Failures: EX_DATAERR with the name, damaged or not this chain.
 */
int	qcow2_read(const int *fds, char *const *names, size_t n, int out_fd,
	    struct qcow2_id *ids, struct fail *);

#endif
