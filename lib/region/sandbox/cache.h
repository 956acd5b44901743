#ifndef TL_REGION_CACHE_H
#define TL_REGION_CACHE_H

#include "region/sandbox/host.h"

/*
 * What builders keep from one build to the next: file systems in files, of each
 * project's own, up to CACHES_MAX of them.  One sandbox at a time has one.  Its
 * size is its limit; only what is used of it takes space.
 */
#define CACHES_MAX	4

struct cache {
	int	 fd;		/* locked as long as it is somebody's, or -1 */
	char	*path;		/* absolute */
};

#define CACHE_INIT	{ .fd = -1 }

/*
 * One that nobody has, for tl-runtime to mount: the first, so that one build
 * after another gets the same.  Where there is none, path is NULL; that a
 * project's are all in use is none to be told.
 */
void	cache_take(struct cache *, const struct host *, const char *project);

/* For others, once its mount is gone; that is waited for so long. */
void	cache_give(struct cache *, const struct host *, int wait_ms);

#endif
