#ifndef TL_BUILDER_EXT4_H
#define TL_BUILDER_EXT4_H

#include <stdbool.h>
#include <stdint.h>

#include "builder/image/qcow2.h"
#include "core/fail.h"

/*
 * An ext4 file system in a file, with libext2fs: nothing is mounted, so no
 * privilege and no device is needed beyond reading the tree itself.
 *
 * Owners, permissions, times (whole seconds), hard links, devices, extended
 * attributes and holes are kept, and long runs of zeros become holes.  What is missing is said: sockets are left
 * out, as everywhere.
 */
struct ext4;

struct ext4	*ext4_open(const char *path, bool rw, struct fail *);
/* Write what is left to write.  0, or -1 with the reason. */
int		 ext4_close(struct ext4 *, struct fail *);

/*
 * Make the tree in the file system the same as the one at dir, changing only
 * what differs: equal files keep their blocks, a changed file keeps the blocks
 * that are equal.  So an image that began as another differs from it little,
 * and the same tree into the same image gives the same bytes, whatever order
 * the folders are read in.  lost+found is left alone.
 *
 * With EXT4_ROOT_OWNED all belongs to 0:0, whoever owns it on disk.  With
 * EXT4_KEEP_DEVICES a device node of the file system stays where the tree has
 * its folder and nothing of its name: not everybody can make one in a tree.
 *
 * With a folder "discard", what is copied is removed there: a file of one name
 * goes from it, once the image has all of it, if it is there below the path that
 * it has in dir; a large one becomes a hole meanwhile.  So a tree and its image
 * need no more room than one of them.  The folder may be dir itself, or the
 * upper one of an overlay that dir is.
 *
 * With a snapshot, what new files hold goes there instead of into the image, which
 * has all else: their blocks are taken, and are holes.
 *
 * The walk stays in one file system (a mount point below dir is taken as an
 * empty folder) and never follows a link.  No space or inodes left:
 * EX_CANTCREAT, with how many there are.
 */
enum ext4_how {
	EXT4_ROOT_OWNED = 1,
	EXT4_KEEP_DEVICES = 2,
};

int	ext4_sync(struct ext4 *, const char *dir, unsigned how,
	    const char *discard, struct qcow2 *snapshot, struct fail *);

/* The whole tree as a tar archive (pax), sorted, lost+found left out. */
int	ext4_tar(struct ext4 *, int fd, struct fail *);

/* One file's bytes; links inside the image are followed inside the image. */
int	ext4_cat(struct ext4 *, const char *path, int fd, struct fail *);

#endif
