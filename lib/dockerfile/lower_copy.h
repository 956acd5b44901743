#ifndef TL_DOCKERFILE_LOWER_COPY_H
#define TL_DOCKERFILE_LOWER_COPY_H

#include "dockerfile/lowering.h"

/*
 * COPY and ADD.  Where an older one would do something else, what they mean is
 * gathered in a folder, and they copy that; a here-document becomes a file of
 * such a folder.
 */
int	lower_copy(struct lowering *, const struct instruction *);

#endif
