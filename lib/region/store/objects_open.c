#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "region/store/objects_impl.h"

bool
objects_bucket(const struct objects *o, const char *name)
{
	size_t i;

	for (i = 0; i < o->nbuckets; i++)
		if (strcmp(o->buckets[i], name) == 0)
			return true;
	return false;
}

static int
make_dir(const struct objects *o, const char *path, struct fail *f)
{
	if (mkdirat(o->root, path, 0700) == -1 && errno != EEXIST)
		return fail_sys(f, EX_CANTCREAT, "%s", path);
	return 0;
}

static int
bucket_make(struct objects *o, const char *bucket, struct fail *f)
{
	static const char *const parts[] = { "", "/objects", "/uploads",
	    "/data" };
	char path[PATH_SIZE];
	size_t i;

	for (i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		snprintf(path, sizeof(path), "%s%s", bucket, parts[i]);
		if (make_dir(o, path, f) == -1)
			return -1;
	}
	if (objects_sync_dir(o, bucket, f) == -1)
		return -1;
	return objects_sweep(o, bucket, f);
}

struct objects *
objects_open(const char *root, const char *const *buckets, size_t nbuckets,
    uint64_t part_min, struct fail *f)
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
	pthread_mutex_init(&o->mutex, NULL);
	if (mkdir(root, 0700) == -1 && errno != EEXIST) {
		fail_sys(f, EX_CANTCREAT, "%s", root);
		goto fail;
	}
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
		if ((o->buckets[i] = strdup(buckets[i])) == NULL) {
			fail_set(f, EX_OSERR, "out of memory");
			goto fail;
		}
		o->nbuckets++;
		if (bucket_make(o, buckets[i], f) == -1) {
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
	for (i = 0; i < o->nbuckets; i++)
		free(o->buckets[i]);
	free(o->buckets);
	if (o->lock != -1)
		close(o->lock);
	if (o->root != -1)
		close(o->root);
	pthread_mutex_destroy(&o->mutex);
	free(o);
}
