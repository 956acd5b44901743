#ifndef TL_REGION_ROOT_H
#define TL_REGION_ROOT_H

#include <stdint.h>

#include "core/fail.h"
#include "region/runtime/skeleton.h"

/*
 * The root file system of a sandbox, built by tl-runtime in a mount namespace
 * of its own, so that nothing of it is ever seen on the host and all of it
 * goes when the last process does.
 *
 * It is an ext4 disk of the wanted size in a sparse file: that is the real
 * limit.  On it lie a small generated skeleton and, as an overlay, the host's
 * /usr.  All ids in it are those of the sandbox's user namespace: base + 0 is
 * its root.
 */
struct root {
	const char	*folder;	/* the sandbox's; disk.img, mnt/ in it */
	const char	*tools;		/* shown at /usr/local/bin, or NULL */
	const char	*name;		/* host name */
	uint64_t	 disk_mb;
	uint32_t	 base;		/* first id of the 65,536 */
	int		 loop;		/* out: the loop device's number */
	int		 userns;	/* out: the user namespace, a descriptor */
};

#define ROOT_IDS	65536U
/*
 * Where base ids come from: the upper end of the range that systemd and
 * others leave to containers (524288 to 0x6fffffff), 4,096 sandboxes of it.
 */
#define ROOT_BASE	0x60000000U
#define ROOT_SLOTS	4096U
/* ext4 wants a few blocks, and with 4 KiB blocks ends at 16 TiB. */
#define ROOT_DISK_MB_MIN	16U
#define ROOT_DISK_MB_MAX	(16U << 20)
/*
 * Make the user namespace and the mounts, all but /proc, which belongs to a
 * pid namespace.  The caller has a mount namespace of its own.  On success
 * the working directory is the new root, not yet pivoted into.
 */
int	root_build(struct root *, struct fail *);

/* From the first process of the pid namespace: /proc, then pivot. */
int	root_enter(struct fail *);

/* A user namespace that maps base.. to 0..ROOT_IDS, as a descriptor. */
int	root_userns(uint32_t base, struct fail *);

#endif
