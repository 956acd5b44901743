#ifndef TL_CLIENT_TAR_H
#define TL_CLIENT_TAR_H

#include <sys/types.h>

#include <stdint.h>

#include "client/context/extents.h"
#include "core/buf.h"
#include "core/fail.h"

/*
 * The headers of a GNU tar archive (tl-wire(7), "Sending the context"): magic
 * "ustar  ", names of any bytes, those over 100 bytes in a long-name entry
 * before the header, numbers that octal digits cannot hold in base 256.
 * Unlike pax it holds names that are not UTF-8, and GNU tar, busybox and
 * bsdtar all read it.
 *
 * Why not libarchive: its archive is the same byte for byte and costs 3 % of
 * speed, but to load it and the 13 libraries behind it takes 1.3 to 2.3 ms, and
 * tl-context otherwise starts in 0.8.
 */
#define TAR_BLOCK	512

enum tar_type {
	TAR_FILE = '0',
	TAR_SAME = '1',		/* another name of a file before it */
	TAR_LINK = '2',		/* symbolic */
	TAR_FOLDER = '5',
	TAR_SPARSE = 'S'	/* a file with holes, as GNU has it */
};

struct tar_entry {
	enum tar_type	 type;
	const char	*name;		/* a folder's ends in a slash */
	const char	*target;	/* of a link; that file */
	mode_t		 mode;		/* only the 07777 bits count */
	int64_t		 mtime;
	uint64_t	 size;		/* of a file's bytes, else 0 */
	const struct extents *extents;	/* of a sparse file: what is sent */
};

/* Append the header blocks; owner 0:0 without names. */
int	tar_header(struct buf *, const struct tar_entry *, struct fail *);

/* How many bytes stand behind the header. */
uint64_t	tar_bytes(const struct tar_entry *);

/* How many NULs follow a file of this size. */
static inline size_t
tar_padding(uint64_t size)
{
	return (size_t)(-size & (TAR_BLOCK - 1));
}

/* This many NULs end an archive. */
#define TAR_END		(2 * TAR_BLOCK)

#endif
