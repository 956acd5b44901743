#ifndef TL_REGION_CACHE_H
#define TL_REGION_CACHE_H

#include <sys/types.h>

#include "region/sandbox/host.h"

/*
 * What builders keep from one build to the next: file systems in files, of each
 * project's own, up to CACHES_MAX of them.  One sandbox at a time has one.  Its
 * size is its limit; only what is used of it takes space.
 *
 * When nobody has it, it stays mounted, nowhere to be seen: the next builder finds
 * in memory what this one has read and written.
 */
#define CACHES_MAX	4

struct cache {
	int	 fd;		/* locked as long as it is somebody's, or -1 */
	int	 root;		/* its root folder, once it is mounted, or -1 */
	char	*path;		/* absolute */
	char	 device[32];	/* where it is mounted already, or "" */
};

#define CACHE_INIT	{ .fd = -1, .root = -1 }

/*
 * One that nobody has, for tl-runtime to mount: the first, so that one build
 * after another gets the same.  Where there is none, path is NULL; that a
 * project's are all in use is none to be told.
 */
void	cache_take(struct cache *, const struct host *, const char *project);

/* What to mount: its device, or its file.  NULL: none. */
const char *cache_source(const struct cache *);

/*
 * It is mounted, in a sandbox with this first process, which has begun no other
 * yet, so that nobody has put anything else there.
 */
void	cache_mounted(struct cache *, const struct host *, pid_t init);

/* For others, once no sandbox has it mounted; that is waited for so long. */
void	cache_give(struct cache *, const struct host *, int wait_ms);

/* Those that stay mounted: none yet; or NULL. */
struct caches *caches_new(void);
/* They are no longer. */
void	caches_free(struct caches *);

#endif
