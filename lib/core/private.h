#ifndef TL_CORE_PRIVATE_H
#define TL_CORE_PRIVATE_H

#include <stdbool.h>

#include "core/buf.h"
#include "core/fail.h"

/*
 * From here on the program holds a secret: the kernel writes no core dump of
 * it, and nobody but root may look into it.  Programs that it runs are not
 * meant.  What is below does this by itself.
 */
void	private_hold(void);

/*
 * Read a file that holds a secret onto a buf.  It must belong to the caller or
 * to root and be closed to everybody else, or it is EX_CONFIG, as is a NUL in
 * it; what is no regular file (a pipe) has no mode to look at.  Missing or not
 * readable: EX_NOINPUT.  Messages name the file.
 */
int	private_load(struct buf *, const char *path, struct fail *);

/*
 * The same for a file that may hold one: a regular file that nobody else may
 * write; *open_to_others: somebody else may read it.
 */
int	private_load_own(struct buf *, const char *path, bool *open_to_others,
	    struct fail *);

#endif
