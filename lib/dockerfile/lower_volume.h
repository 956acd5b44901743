#ifndef TL_DOCKERFILE_LOWER_VOLUME_H
#define TL_DOCKERFILE_LOWER_VOLUME_H

#include "dockerfile/lowering.h"

/*
 * VOLUME: kept for the stage's end, in JSON with the values of its own place;
 * a word whose value may come from the base image stays as it is.
 */
int	lower_volume(struct lowering *, const struct instruction *);

#endif
