#ifndef TL_DOCKERFILE_LOWER_VARS_H
#define TL_DOCKERFILE_LOWER_VARS_H

#include "dockerfile/lowering.h"

/* ENV and ARG: written, and their values known from here on. */
int	lower_env(struct lowering *, const struct instruction *);
int	lower_arg(struct lowering *, const struct instruction *);

/*
 * Behind the FROM of a stage that starts at another: it has that one's ENVs and,
 * with older builders only if they are written again, ARGs.
 */
int	lower_inherit(struct lowering *, const struct stage_text *base);

/* At a stage's end: ENVs that an ARG has hidden have their values again. */
int	lower_unhide(struct lowering *);

#endif
