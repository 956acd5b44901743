#ifndef TL_DOCKERFILE_LOWER_EXPOSE_H
#define TL_DOCKERFILE_LOWER_EXPOSE_H

#include "dockerfile/lowering.h"

/* EXPOSE: each port of a range by itself; what is not known stays as it is. */
int	lower_expose(struct lowering *, const struct instruction *);

#endif
