#ifndef TL_CLIENT_IMAGE_CHAIN_H
#define TL_CLIENT_IMAGE_CHAIN_H

#include <stddef.h>
#include <stdint.h>

#include "client/images/image_ask.h"
#include "core/span.h"

/*
 * The snapshots that an image is made of: its own, then what that one holds
 * differences against, and so on, the last one whole.  The strings are the
 * struct's own; end with image_chain_free(), which may be called twice.
 */
#define IMAGE_CHAIN_MAX	33	/* with the image's own: tl-snapshot(1) */

struct image_chain {
	size_t		 n;
	struct image_snapshot {
		char		*uri;
		uint64_t	 bytes;		/* of the file; 0: not known */
	} at[IMAGE_CHAIN_MAX];
};

#define IMAGE_CHAIN_INIT	{ .n = 0 }

/*
 * Find it, by the images that the server lists.  What no image has as its
 * snapshot any more is taken to be whole: whoever reads the snapshots finds
 * out.  EX_UNAVAILABLE if the server does not tell where the image's is,
 * EX_DATAERR if it is of a kind that stands for no disk, EX_PROTOCOL if
 * the chain goes round or has no end.
 */
int	image_chain_find(struct image_chain *, const struct image_server *,
	    const struct span *image, struct fail *);
void	image_chain_free(struct image_chain *);

/*
 * Download one by a signed block of the kind single_get, from the start of the
 * file fd, again from there where that helps.  bytes, unless 0, is how long it
 * must be: EX_PROTOCOL if it is not.
 */
int	image_fetch(const struct image_server *, const struct span *block,
	    uint64_t bytes, int fd, struct fail *);

#endif
