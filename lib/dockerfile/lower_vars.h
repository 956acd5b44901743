#ifndef TL_DOCKERFILE_LOWER_VARS_H
#define TL_DOCKERFILE_LOWER_VARS_H

#include "dockerfile/lowering.h"

/* ENV and ARG: written, and their values known from here on. */
int	lower_env(struct lowering *, const struct instruction *);
int	lower_arg(struct lowering *, const struct instruction *);

/* At a stage's end: ENVs that an ARG has hidden have their values again. */
int	lower_unhide(struct lowering *);

#endif
