#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "region/runtime/loop.h"
#include "region/sandbox/cache.h"

/* A file of its size, which is for tl-runtime to format. */
static int
new_disk(int fd, uint64_t mb)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return -1;
	return st.st_size != 0 ? 0 : ftruncate(fd, (off_t)(mb << 20));
}

static void
let_go(struct cache *c)
{
	if (c->fd != -1)
		close(c->fd);
	free(c->path);
	*c = (struct cache)CACHE_INIT;
}

void
cache_take(struct cache *c, const struct host *h, const char *project)
{
	unsigned i;

	*c = (struct cache)CACHE_INIT;
	for (i = 0; h->options.cache != NULL && i < CACHES_MAX; i++) {
		if (asprintf(&c->path, "%s/%s.%u", h->options.cache, project,
		    i) == -1) {
			c->path = NULL;
			return;
		}
		c->fd = open(c->path, O_RDWR | O_CREAT | O_NOFOLLOW |
		    O_CLOEXEC, 0600);
		if (c->fd != -1 && flock(c->fd, LOCK_EX | LOCK_NB) == 0) {
			/* A daemon that crashed may have left it mounted. */
			if (loop_free(c->path, 0) && new_disk(c->fd,
			    h->options.cache_mb) == 0)
				return;
		} else if (c->fd == -1 || errno != EWOULDBLOCK)
			host_log(h, "%s: %s: the builder has no cache",
			    c->path, strerror(errno));
		let_go(c);
	}
}

void
cache_give(struct cache *c, const struct host *h, int wait_ms)
{
	if (c->path != NULL && !loop_free(c->path, wait_ms))
		host_log(h, "%s: is still mounted", c->path);
	let_go(c);
}
