#ifndef TL_CLIENT_IMAGE_LIST_H
#define TL_CLIENT_IMAGE_LIST_H

#include <stddef.h>

#include "client/images/image_ask.h"
#include "core/buf.h"
#include "core/span.h"

/*
 * All images that the server lists, each as the bytes it came in, in the
 * server's order.  Start with IMAGE_LIST_INIT, end with image_list_free().
 */
struct image_list {
	struct buf	 text;
	size_t		 n;
	/* Private. */
	struct image_at	*at;
	size_t		 room;
};

#define IMAGE_LIST_INIT	{ .text = BUF_INIT(BUF_DOC_MAX) }

/* A server that gives more pages than this is taken to go round in circles. */
#define IMAGE_PAGES_MAX	10000

/*
 * Ask for the list, page by page.  A page that links to another server or to
 * one that was read already is EX_PROTOCOL; more than BUF_DOC_MAX bytes of
 * images EX_DATAERR.
 */
int	image_list_load(struct image_list *, const struct image_server *,
	    struct fail *);
void	image_list_free(struct image_list *);

/* One of them, 0 to n - 1. */
struct span	image_list_item(const struct image_list *, size_t i);

/*
 * The first whose member (name, id, snapshotUri) is this text: 1 and the
 * image, or 0.
 */
int	image_list_find(const struct image_list *, const char *member,
	    const char *text, struct span *image);

#endif
