#ifndef TL_BUILDER_QCOW2_H
#define TL_BUILDER_QCOW2_H

#include <stdint.h>

#include "core/buf.h"
#include "core/fail.h"
#include "core/span.h"

/*
 * Write a disk image as qcow2 version 3, clusters of 64 KiB compressed with
 * zstd; any tool that reads qcow2 opens it.  Holes are found with SEEK_DATA
 * and cost nothing.  The same bytes in give the same bytes out.
 *
 * With a parent (parent_fd not -1, another raw image, not larger) only
 * clusters that differ from it are held, and the header names `backing` as
 * the backing file, whose format is qcow2.  A reader should not follow that
 * name but say itself where the parent is.
 *
 * Why not qemu-img: "convert -B" does not compare contents, so its file is as
 * large as the whole image's (measured: 68 MB where 200 KB changed; here 0.6).
 * "rebase" compares, but reads both disks to their ends, holes included: for
 * 10 GiB with 170 MB in use 9 to 57 s, uncached or cached, and a second
 * conversion to compress it, where this takes 0.25 s.
 *
 * A configuration is any text of up to QCOW2_CONFIG_MAX bytes, kept in a
 * header extension ("tlcf") that other readers pass over; config may be NULL.
 */
#define QCOW2_BACKING_MAX	1023	/* the format's own limit */
#define QCOW2_CONFIG_MAX	(60UL << 10)	/* the header's cluster has 64 */

int	qcow2_write(int raw_fd, int parent_fd, const char *backing,
	    const struct span *config, int out_fd, struct fail *);

/* The configuration in a qcow2 file onto a buf: 1, 0 it has none, -1. */
int	qcow2_config(int fd, struct buf *config, struct fail *);

#endif
