#ifndef TL_CLIENT_IMAGE_FIND_H
#define TL_CLIENT_IMAGE_FIND_H

#include "client/images/image_ask.h"
#include "core/buf.h"

/*
 * One image, by its name or else its id.
 *
 * A 404 is believed when the list bears it out.  It may as well come from a
 * server that is not the one, or that does not know the request: then the
 * list fails, too, or has the image all the same.
 */

/* 1 and the bytes the server has for it, 0 if there is no such image. */
int	image_find(const struct image_server *, const char *word,
	    struct buf *, struct fail *);

/* The same by its name alone; whatever the list has. */
int	image_named(const struct image_server *, const char *name,
	    struct buf *, struct fail *);

/*
 * Delete one: 1 and its name, 0 if there is no such image.  One that is listed
 * and is not this project's is EX_NOPERM.
 */
int	image_delete(const struct image_server *, const char *word,
	    struct buf *name, struct fail *);

#endif
