#ifndef TL_REGION_CHAIN_H
#define TL_REGION_CHAIN_H

#include <stddef.h>

#include "region/platform/platform.h"

/*
 * What lies below a template's snapshot that holds differences only: the
 * snapshot these are against, what that one's are against, and so on, nearest
 * first, the last one whole.  Nothing lies below a whole one.
 *
 * The strings are the struct's own.  Start with CHAIN_INIT, end with
 * chain_free(), which may be called twice.
 */
#define CHAIN_MAX	31	/* with the template's own, 32 below a build */

struct chain {
	size_t	 n;
	char	*uri[CHAIN_MAX];
};

#define CHAIN_INIT	{ .n = 0 }

/*
 * Find it.  EX_UNAVAILABLE names a snapshot that is not known, EX_DATAERR says
 * that there are too many; the chain is empty then.
 */
int	chain_find(struct chain *, struct platform *, const char *project,
	    const struct platform_template *, struct fail *);
void	chain_free(struct chain *);

#endif
