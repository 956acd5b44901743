#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "region/runtime/loop.h"
#include "region/sandbox/cache.h"

/* How many stay mounted: each takes a loop device, and memory. */
#define KEPT_MAX	8
/* What a device may take to be free after that. */
#define FREE_MS		5000

/* One that stays mounted, as long as a folder of it is open. */
struct kept {
	dev_t	 dev;		/* of its file */
	ino_t	 ino;
	int	 root;
	char	*path;
};

struct caches {
	pthread_mutex_t	 lock;
	struct kept	 kept[KEPT_MAX];	/* the oldest first */
	size_t		 n;
};

struct caches *
caches_new(void)
{
	struct caches *s = calloc(1, sizeof(*s));

	if (s != NULL)
		pthread_mutex_init(&s->lock, NULL);
	return s;
}

/* Out of those that are kept, whose place it was. */
static void
out(struct caches *s, size_t i)
{
	s->n--;
	memmove(&s->kept[i], &s->kept[i + 1], (s->n - i) * sizeof(*s->kept));
}

static void
unmount(struct kept *k)
{
	close(k->root);
	loop_free(k->path, FREE_MS);
	free(k->path);
}

void
caches_free(struct caches *s)
{
	size_t i;

	if (s == NULL)
		return;
	for (i = 0; i < s->n; i++)
		unmount(&s->kept[i]);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/*
 * The root of the one in this file, if it is kept; then it is not.  One in a file
 * that was deleted since, is unmounted.
 */
static int
kept(struct caches *s, const char *path, const struct stat *file)
{
	struct kept k = { .root = -1 };
	size_t i;

	pthread_mutex_lock(&s->lock);
	for (i = 0; i < s->n; i++)
		if (strcmp(s->kept[i].path, path) == 0) {
			k = s->kept[i];
			out(s, i);
			break;
		}
	pthread_mutex_unlock(&s->lock);
	if (k.root == -1)
		return -1;
	if (k.dev != file->st_dev || k.ino != file->st_ino) {
		unmount(&k);
		return -1;
	}
	free(k.path);
	return k.root;
}

/* Keep it; the one that was not used for the longest makes room. */
static void
keep(struct caches *s, const struct kept *k)
{
	struct kept old = { .root = -1 };

	pthread_mutex_lock(&s->lock);
	if (s->n == KEPT_MAX) {
		old = s->kept[0];
		out(s, 0);
	}
	s->kept[s->n++] = *k;
	pthread_mutex_unlock(&s->lock);
	if (old.root != -1)
		unmount(&old);
}

/* Is it there to be mounted?  A new file gets its size, for tl-runtime to format. */
static bool
is_ready(struct cache *c, const struct host *h)
{
	struct stat st, root;

	if (fstat(c->fd, &st) == -1)
		return false;
	c->root = kept(h->caches, c->path, &st);
	if (c->root != -1)
		return fstat(c->root, &root) == 0 && loop_of(root.st_dev,
		    c->path, c->device, sizeof(c->device));
	/* A daemon that crashed may have left it mounted. */
	return loop_free(c->path, 0) && (st.st_size != 0 ||
	    ftruncate(c->fd, (off_t)(h->options.cache_mb << 20)) == 0);
}

static void
let_go(struct cache *c)
{
	if (c->root != -1)
		close(c->root);
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
			if (is_ready(c, h))
				return;
		} else if (c->fd == -1 || errno != EWOULDBLOCK)
			host_log(h, "%s: %s: the builder has no cache",
			    c->path, strerror(errno));
		let_go(c);
	}
}

const char *
cache_source(const struct cache *c)
{
	return c->device[0] != '\0' ? c->device : c->path;
}

void
cache_mounted(struct cache *c, const struct host *h, pid_t init)
{
	char at[64], device[32];
	struct stat st;

	if (c->path == NULL || c->root != -1)
		return;
	snprintf(at, sizeof(at), "/proc/%d/root/var/cache/tl-rootfs-build",
	    (int)init);
	c->root = open(at, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c->root != -1 && fstat(c->root, &st) == 0 &&
	    loop_of(st.st_dev, c->path, device, sizeof(device)))
		return;
	host_log(h, "%s: is not mounted", c->path);
	if (c->root != -1)
		close(c->root);
	c->root = -1;
}

/* Can the next one write there?  An error makes a file system read-only. */
static bool
is_sound(const struct cache *c)
{
	struct statvfs v;

	return c->root != -1 && fstatvfs(c->root, &v) == 0 &&
	    !(v.f_flag & ST_RDONLY);
}

void
cache_give(struct cache *c, const struct host *h, int wait_ms)
{
	struct stat st;

	if (is_sound(c) && fstat(c->fd, &st) == 0) {
		keep(h->caches, &(struct kept){ st.st_dev, st.st_ino, c->root,
		    c->path });
		c->root = -1;
		c->path = NULL;
	} else if (c->root != -1) {
		close(c->root);
		c->root = -1;
	}
	if (c->path != NULL && !loop_free(c->path, wait_ms))
		host_log(h, "%s: is still mounted", c->path);
	let_go(c);
}
