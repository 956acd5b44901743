#ifndef TL_REGION_ROOT_H
#define TL_REGION_ROOT_H

#include <stdint.h>

#include "core/fail.h"
#include "region/runtime/skeleton.h"
#include "region/runtime/space.h"

/*
 * The root file system of a sandbox, built by tl-runtime in a mount namespace
 * of its own, so that nothing of it is ever seen on the host and all of it
 * goes when the last process does.
 *
 * It is an ext4 disk of the wanted size in a sparse file: that is the real
 * limit.  Where loop_check() fails it is a folder of the host, without a limit.
 * On it lie a small generated skeleton and, as an overlay, the host's /usr; or,
 * as an overlay, the root of an image.  All ids in it are those of the
 * sandbox's user namespace: base + 0 is its root.
 *
 * To root of an ordinary user's namespace (region/runtime/rootless.h) files of
 * the host are nobody's, and an image's files must have the sandbox's ids.
 */
struct root {
	const char	*folder;	/* the sandbox's; disk.img, mnt/ in it */
	const char	*tools;		/* shown at /usr/local/bin, or NULL */
	const char	*cache;		/* a file, or its device; or NULL */
	const char	*image;		/* a root to show below, or NULL */
	const char	*user;		/* then, who files are read and written as */
	const char	*name;		/* host name */
	const char	*dns;		/* see skeleton_make() */
	uint64_t	 disk_mb;
	uint32_t	 base;		/* first of space_ids() ids */
	int		 disk;		/* out: what is mounted, open, or -1 */
	struct space	 space;		/* namespaces that are there already */
};

/* ext4 wants a few blocks, and with 4 KiB blocks ends at 16 TiB. */
#define ROOT_DISK_MB_MIN	16U
#define ROOT_DISK_MB_MAX	(16U << 20)
/*
 * Make the mounts, all but /proc, which belongs to a pid namespace, and /sys,
 * which belongs to a network's.  The caller has a mount namespace of its own,
 * with private mounts.  On success the working directory is the new root, not
 * yet pivoted into.
 */
int	root_build(struct root *, struct fail *);

/* From the first process of the pid namespace: /proc, /sys, then pivot. */
int	root_enter(struct fail *);

/* For a process that is to be inside: the disk is not open in there. */
void	root_let_go(struct root *);
/*
 * Nobody is in there any more, and its disk is thrown away: what the kernel has
 * not yet written of it need not be, which may be all of an image.
 */
void	root_end(struct root *);

#endif
