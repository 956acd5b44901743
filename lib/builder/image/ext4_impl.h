#ifndef TL_BUILDER_EXT4_IMPL_H
#define TL_BUILDER_EXT4_IMPL_H

/*
 * What the files behind ext4.h share; for nobody else.
 *
 *	ext4_read.c	the tree as an archive, the bytes of one file
 *	ext4_sync.c	the tree of the image made equal to another
 *	ext4_inode.c	inodes and names come and go
 *	ext4_dir.c	a folder written at once, with an index
 *	ext4_put.c	what stands in one inode: bytes, attributes, fields
 *	ext4_open.c	opening, closing, and what both directions need: the
 *			names in a folder, where a file's blocks are, links
 */

#include <sys/stat.h>

#include <ext2fs/ext2fs.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "builder/image/ext4.h"
#include "builder/image/io.h"

#define EXT4_CHUNK	(1UL << 20)	/* bytes copied at a time */
#define EXT4_HOLE	(32UL << 10)	/* zeros this long become a hole */
#define EXT4_AHEAD	(64UL << 20)	/* of a file, allocated at a time */
#define EXT4_DISCARD	(16UL << 20)	/* of a source, discarded at a time */
#define EXT4_DEPTH_MAX	500		/* of folders: one descriptor each */

/* Blocks of a file that lie behind each other on the disk. */
struct ext4_run {
	uint64_t	logical, physical, count;
};

struct ext4 {
	ext2_filsys	 fs;
	char		*path;
	int		 fd;		/* for file contents, past libext2fs */
	unsigned	 bs;
	bool		 held;		/* the last block: see ext4_open.c */
	bool		 given_back;	/* a block, since ext4_settle() */
	const char	*root;		/* the tree that is copied: its name */
	struct qcow2	*snapshot;	/* what new files hold goes there, or NULL */
	char		*a, *b;		/* EXT4_CHUNK bytes each */
	int		 discard;	/* a source that goes as it is read, or -1 */
	uint64_t	 discarded;	/* it is a hole up to there */
	bool		 waited;	/* the last reading of a source */
	struct ext4_run	*runs;		/* of the file at hand */
	size_t		 nruns, runs_cap;
};

/* Before contents are written, past libext2fs: see ext4_open.c. */
errcode_t ext4_settle(struct ext4 *);

/* What libext2fs said of a name, or that there is no space left; -1. */
int	ext4_failed(struct ext4 *, errcode_t, const char *name, struct fail *);

/* The names in a folder, without "." and ".."; zeroed is empty. */
struct ext4_name {
	char		*name;
	ext2_ino_t	 ino;		/* of the image */
	unsigned char	 type;		/* of a tree: DT_REG ..., DT_UNKNOWN */
};

struct ext4_names {
	struct ext4_name *v;
	size_t		 n, cap;
	bool		 failed;	/* out of memory on the way */
};

/* One of the image, sorted. */
int	ext4_names_read(struct ext4 *, ext2_ino_t, struct ext4_names *,
	    struct fail *);
/* The same of any source: add them, see whether that failed, sort. */
void	ext4_names_add(struct ext4_names *, const char *, size_t len,
	    ext2_ino_t);
void	ext4_names_sort(struct ext4_names *);
struct ext4_name *ext4_names_find(const struct ext4_names *, const char *);
void	ext4_names_free(struct ext4_names *);

/*
 * A folder of many names, a new one, or one that has an index, is written whole:
 * name by name libext2fs looks through all that are there, sums their block twice,
 * and leaves no index.
 */
#define EXT4_DIR_BULK	300		/* names: four blocks or so */

struct ext4_entry {
	const char	*name;
	ext2_ino_t	 ino;
	mode_t		 mode;		/* its type */
};

/* Whether a folder that has so many names, and is to have so many, is one. */
bool	ext4_dir_bulk(struct ext4 *, ext2_ino_t, size_t was, size_t names);
/* All names it has from now on, but "." and "..". */
int	ext4_dir_write(struct ext4 *, ext2_ino_t, const struct ext4_entry *,
	    size_t n, const char *name, struct fail *);

/* Fill e->runs; unwritten extents read as zeros and are left out. */
errcode_t	 ext4_runs_read(struct ext4 *, ext2_ino_t,
		    struct ext2_inode *);
/*
 * The run that covers block n of the file, or NULL.  *hint is 0 at first; n
 * only grows from one call to the next.
 */
const struct ext4_run *ext4_run_at(const struct ext4 *, uint64_t n,
		    size_t *hint);

/* Where a symbolic link leads, with a NUL. */
int	ext4_link(struct ext4 *, ext2_ino_t, struct ext2_inode *, char *dst,
	    size_t, const char *name, struct fail *);

/*
 * Take a name out of a folder, and all below it, and what has no other name then.
 * Listed: the folder has the name; else whoever writes the whole folder leaves it
 * out.
 */
int	ext4_remove(struct ext4 *, ext2_ino_t dir, const char *name,
	    ext2_ino_t, bool listed, struct fail *);
/* A name more for an inode of this type; its count of links is the caller's. */
errcode_t ext4_enter(struct ext4 *, ext2_ino_t dir, const char *name,
	    ext2_ino_t, mode_t);
/*
 * A new folder, link to target, file or device, empty, with one name; without a
 * name it is for the caller to list.
 */
errcode_t ext4_make(struct ext4 *, ext2_ino_t dir, const char *name,
	    const struct stat *, const char *target, ext2_ino_t *);
/* Whether an inode can become what the tree has: 1, 0, -1. */
int	ext4_same_kind(struct ext4 *, ext2_ino_t, const struct stat *,
	    const char *target, const char *name, struct fail *);

/*
 * Bring an inode to what a file has, writing only what differs; of one that is
 * fresh nothing is read.  name is its path in the tree.
 */
int	ext4_put_contents(struct ext4 *, ext2_ino_t, int fd,
	    const struct stat *, bool fresh, const char *name, struct fail *);
/* With fd -1 by a path to the file itself, through /proc/self/fd. */
int	ext4_put_xattrs(struct ext4 *, ext2_ino_t, int fd, const char *path,
	    const char *name, struct fail *);
/* Owner, permissions and times. */
int	ext4_put_meta(struct ext4 *, ext2_ino_t, const struct stat *,
	    const char *name, struct fail *);

#endif
