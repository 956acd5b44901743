#ifndef TL_CORE_BUF_H
#define TL_CORE_BUF_H

#include <stddef.h>

#include "core/fail.h"

/*
 * A run of bytes that grows up to a ceiling.
 *
 * The bytes are whatever arrived.  They may hold NULs, so compare them by
 * length; data[len] is a NUL all the same once anything was added.  A buf owns
 * its data: start one with BUF_INIT and end it with buf_free(), which may be
 * called twice.
 */
struct buf {
	char	*data;
	size_t	 len;
	size_t	 cap;
	size_t	 max;	/* growing past this is a failure, not a crash */
};

#define BUF_INIT(max)	{ NULL, 0, 0, (max) }

/* Ceilings, in bytes: what is refused rather than read into memory. */
#define BUF_DOC_MAX	(64UL << 20)	/* a document; 10,000 long URLs are 20 MB */
#define BUF_SMALL_MAX	(4UL << 20)	/* an answer or file without signed URLs */

/* Append n bytes.  The buf is unchanged if this fails. */
int	buf_add(struct buf *, const void *, size_t n, struct fail *);
int	buf_adds(struct buf *, const char *, struct fail *);
int	buf_addf(struct buf *, struct fail *, const char *fmt, ...)
	    __attribute__((format(printf, 3, 4)));

/* Make room for n more bytes and their NUL; the caller may fill them. */
int	buf_room(struct buf *, size_t n, struct fail *);

/*
 * Read to the end of a descriptor; name is what messages call it.  More than
 * max is EX_DATAERR, a read error EX_IOERR; a signal that comes while there is
 * nothing to read (core/stop.h) has the status that says so.
 */
int	buf_read(struct buf *, int fd, const char *name, struct fail *);

/* The same for a file by path; "-" is stdin.  Missing: EX_NOINPUT. */
int	buf_load(struct buf *, const char *path, struct fail *);

/* Write all of it.  A write that fails is EX_IOERR. */
int	buf_write(const struct buf *, int fd, const char *name, struct fail *);

/*
 * Replace the file at path by these bytes, or leave it as it was: written
 * beside it with mode 0600, synced, renamed.
 */
int	buf_save(const struct buf *, const char *path, struct fail *);

/* Forget the bytes, keep the room. */
void	buf_clear(struct buf *);

/* Overwrite what was held (it may be a secret), then free. */
void	buf_free(struct buf *);

#endif
