#ifndef TL_CLIENT_EXTENTS_H
#define TL_CLIENT_EXTENTS_H

#include <sys/stat.h>

#include <stddef.h>
#include <stdint.h>

#include "core/fail.h"

/* Where a file has bytes; between them are holes, which read as zeros. */
struct extent {
	uint64_t	 at, len;
};

struct extents {
	struct extent	*list;
	size_t		 n;
};

#define EXTENTS_INIT	{ NULL, 0 }

/*
 * 1 and the extents of an open file, in order, if there are holes worth it;
 * 0 if it has none.  Small holes count as bytes.  EX_IOERR.
 */
int	extents_find(struct extents *, int fd, const struct stat *,
	    struct fail *);
void	extents_free(struct extents *);

#endif
