#ifndef TL_CLIENT_FILES_H
#define TL_CLIENT_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "client/sandbox/reach.h"

/*
 * Files of a sandbox, through its proxy (tl-wire(7), "Files of a sandbox"):
 * whole files, written and read by absolute path.
 */
struct files {
	struct reach	*reach;
	/* Told in a line why it is tried again.  Or NULL. */
	void			(*note)(const char *);
	/*
	 * Told how much was sent, whenever something was; all of it when the
	 * server has it.  total is FILES_UNKNOWN while a long pipe has not
	 * ended.  Or NULL.
	 */
	void			(*progress)(uint64_t done, uint64_t total);
};

/* What is sent before its size is known: no more than this is held. */
#define FILES_HOLD	(8UL << 20)
#define FILES_UNKNOWN	UINT64_MAX

/*
 * Send all of a descriptor to the file at path.  Its size is told beforehand
 * if it is a regular file or ends within FILES_HOLD, and then a busy server or
 * a lost connection is tried again; else it goes out in chunks, and again only
 * if no more than FILES_HOLD of it has gone.  An empty one is EX_DATAERR unless
 * that is fine.  *size: how much it was.
 */
int	files_put(const struct files *, const char *path, int fd,
	    bool empty_is_fine, uint64_t *size, struct fail *);

/*
 * The file at path to a descriptor.  A file of up to FILES_HOLD is there whole
 * before its first byte is written; of a longer one, what came before the
 * connection broke is written, and it is a failure.  *size: how much it was.
 */
int	files_get(const struct files *, const char *path, int fd,
	    uint64_t *size, struct fail *);

#endif
