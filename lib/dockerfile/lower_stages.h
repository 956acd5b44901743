#ifndef TL_DOCKERFILE_LOWER_STAGES_H
#define TL_DOCKERFILE_LOWER_STAGES_H

#include "dockerfile/lowering.h"

/*
 * Where each stage is, what it starts at, and which others it needs; the first
 * FROM is the instruction number first, from 0.
 */
int	lower_survey(struct lowering *, size_t first);

/* Each stage gets a name in lower case that no other has, nor an image. */
void	lower_names(struct lowering *);

/* FROM; what the stage it starts at has set is set from here on. */
int	lower_from(struct lowering *, const struct instruction *);

/* *stage is that of the name or, if it may be one, number; or -1. */
int	lower_stage_of(struct lowering *, const char *image, size_t n,
	    bool numbers, ssize_t *stage);

/* The value of the next from= in a --mount, n bytes of it; or NULL. */
const char *lower_mount_from(const char *fields, size_t *n);

#endif
