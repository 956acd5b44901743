#ifndef TL_DOCKERFILE_LOWER_RUN_H
#define TL_DOCKERFILE_LOWER_RUN_H

#include "dockerfile/lowering.h"

/*
 * A here-document becomes a command of the shell in JSON or, with #! in front,
 * a file that is mounted.  A --mount has the names that stages have now; what
 * asks for more or less than a sandbox has is refused.
 */
int	lower_run(struct lowering *, const struct instruction *);

/* CMD and ENTRYPOINT: with the SHELL, if one was said. */
int	lower_command(struct lowering *, const struct instruction *);

#endif
