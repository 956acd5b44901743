#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "region/store/objects_impl.h"

bool
objects_bucket(const struct objects *o, const char *name)
{
	return objects_bucket_find(o, name) != NULL;
}

static int
make_dir(const struct objects *o, const char *path, struct fail *f)
{
	if (mkdirat(o->root, path, 0700) == -1 && errno != EEXIST)
		return fail_sys(f, EX_CANTCREAT, "%s", path);
	return 0;
}

/* All folders of a bucket: who writes an object later makes none. */
static int
bucket_make(struct objects *o, struct bucket *b, struct fail *f)
{
	static const char *const parts[] = { "", "/objects", "/uploads",
	    "/data" };
	char path[PATH_SIZE];
	size_t i;

	for (i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		snprintf(path, sizeof(path), "%s%s", b->name, parts[i]);
		if (make_dir(o, path, f) == -1)
			return -1;
	}
	for (i = 0; i < 256; i++) {
		snprintf(path, sizeof(path), "%s/objects/%02zx", b->name, i);
		if (make_dir(o, path, f) == -1)
			return -1;
	}
	snprintf(path, sizeof(path), "%s/objects", b->name);
	if (objects_sync_dir(o, path, f) == -1 ||
	    objects_sync_dir(o, b->name, f) == -1 ||
	    objects_sync_dir(o, ".", f) == -1)
		return -1;
	return objects_sweep(o, b, f);
}

/* The root's own entry lasts, too. */
static int
root_make(const char *root, struct fail *f)
{
	char path[PATH_MAX];
	int fd, rc = 0;

	if (mkdir(root, 0700) == -1)
		return errno == EEXIST ? 0 : fail_sys(f, EX_CANTCREAT, "%s",
		    root);
	if (snprintf(path, sizeof(path), "%s/..", root) >= (int)sizeof(path))
		return fail_set(f, EX_CANTCREAT, "%s: too long", root);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1 || fsync(fd) == -1)
		rc = fail_sys(f, EX_IOERR, "%s", path);
	if (fd != -1)
		close(fd);
	return rc;
}

struct objects *
objects_open(const char *root, const char *const *buckets, size_t nbuckets,
    uint64_t part_min, void (*log)(const char *), struct fail *f)
{
	struct objects *o = calloc(1, sizeof(*o));
	size_t i;

	if (o == NULL ||
	    (o->buckets = calloc(nbuckets, sizeof(*o->buckets))) == NULL) {
		free(o);
		fail_set(f, EX_OSERR, "out of memory");
		return NULL;
	}
	o->root = o->lock = -1;
	o->part_min = part_min;
	o->log = log;
	pthread_mutex_init(&o->uploads_mutex, NULL);
	pthread_mutex_init(&o->mutex, NULL);
	if (root_make(root, f) == -1)
		goto fail;
	o->root = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (o->root == -1) {
		fail_sys(f, EX_NOINPUT, "%s", root);
		goto fail;
	}
	o->lock = openat(o->root, ".lock", O_RDWR | O_CREAT | O_CLOEXEC,
	    0600);
	if (o->lock == -1 || flock(o->lock, LOCK_EX | LOCK_NB) == -1) {
		if (errno == EWOULDBLOCK)
			fail_set(f, EX_UNAVAILABLE,
			    "%s: in use by another process", root);
		else
			fail_sys(f, EX_CANTCREAT, "%s/.lock", root);
		goto fail;
	}
	for (i = 0; i < nbuckets; i++) {
		if ((o->buckets[i].name = strdup(buckets[i])) == NULL) {
			fail_set(f, EX_OSERR, "out of memory");
			goto fail;
		}
		o->nbuckets++;
		if (bucket_make(o, &o->buckets[i], f) == -1) {
			fail_in(f, root);
			goto fail;
		}
	}
	return o;
fail:
	objects_close(o);
	return NULL;
}

void
objects_close(struct objects *o)
{
	size_t i;

	if (o == NULL)
		return;
	for (i = 0; i < o->nbuckets; i++) {
		objects_index_free(&o->buckets[i].objects);
		objects_index_free(&o->buckets[i].uploads);
		free(o->buckets[i].name);
	}
	free(o->buckets);
	if (o->lock != -1)
		close(o->lock);
	if (o->root != -1)
		close(o->root);
	pthread_mutex_destroy(&o->uploads_mutex);
	pthread_mutex_destroy(&o->mutex);
	free(o);
}
