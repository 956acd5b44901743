#ifndef TL_CLIENT_IMAGE_TABLE_H
#define TL_CLIENT_IMAGE_TABLE_H

#include "client/images/image_list.h"

/*
 * A list for people: a line a head and a line an image, columns under each
 * other.  What a server says is quoted (core/quote.h), so that it stays on its
 * line and drives no terminal; what is not there, or is of a kind not known,
 * is "-".
 */
int	image_table(const struct image_list *, struct buf *, struct fail *);

/* For programs: a JSON array of them, each as the bytes it came in. */
int	image_array(const struct image_list *, struct buf *, struct fail *);

#endif
