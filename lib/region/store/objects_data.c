#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "region/store/objects_impl.h"

void
objects_data_remove(const struct objects *o, const char *bucket,
    const char *id)
{
	char path[PATH_SIZE];
	struct dirent *d;
	DIR *dir;
	int fd;

	objects_data_path(path, bucket, id, "");
	fd = openat(o->root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1 || (dir = fdopendir(fd)) == NULL) {
		if (fd != -1)
			close(fd);
		return;
	}
	while ((d = readdir(dir)) != NULL)
		if (strcmp(d->d_name, ".") != 0 &&
		    strcmp(d->d_name, "..") != 0)
			unlinkat(fd, d->d_name, 0);
	closedir(dir);
	/* What is left after a failure is swept at the next start. */
	unlinkat(o->root, path, AT_REMOVEDIR);
}

static struct hold **
hold_find(struct objects *o, const char *bucket, const char *id)
{
	struct hold **l;

	for (l = &o->holds; *l != NULL; l = &(*l)->next)
		if (strcmp((*l)->id, id) == 0 &&
		    strcmp((*l)->bucket, bucket) == 0)
			break;
	return l;
}

int
objects_data_hold(struct objects *o, const char *bucket, const char *id,
    struct fail *f)
{
	struct hold **l = hold_find(o, bucket, id);

	if (*l == NULL) {
		if ((*l = calloc(1, sizeof(**l))) == NULL)
			return fail_set(f, EX_OSERR, "out of memory");
		snprintf((*l)->bucket, sizeof((*l)->bucket), "%s", bucket);
		snprintf((*l)->id, sizeof((*l)->id), "%s", id);
	}
	(*l)->refs++;
	return 0;
}

/* Files are removed without the lock: large ones take a while. */

void
objects_data_let(struct objects *o, const char *bucket, const char *id)
{
	struct hold **l, *gone;

	pthread_mutex_lock(&o->mutex);
	l = hold_find(o, bucket, id);
	gone = *l;
	if (gone != NULL && --gone->refs == 0)
		*l = gone->next;
	else
		gone = NULL;
	pthread_mutex_unlock(&o->mutex);
	if (gone != NULL && gone->doomed)
		objects_data_remove(o, bucket, id);
	free(gone);
}

void
objects_data_doom(struct objects *o, const char *bucket, const char *id)
{
	struct hold *l;

	pthread_mutex_lock(&o->mutex);
	if ((l = *hold_find(o, bucket, id)) != NULL)
		l->doomed = true;
	pthread_mutex_unlock(&o->mutex);
	if (l == NULL)
		objects_data_remove(o, bucket, id);
}

int
objects_data_make(struct objects *o, const char *bucket, const char *id,
    struct fail *f)
{
	char path[PATH_SIZE];

	objects_data_path(path, bucket, id, "");
	if (mkdirat(o->root, path, 0700) == -1)
		return fail_sys(f, EX_CANTCREAT, "%s", path);
	return objects_sync_parent(o, path, f);
}

int
objects_data_open(struct objects *o, const char *bucket, const char *id,
    struct fail *f)
{
	char path[PATH_SIZE];
	int fd;

	objects_data_path(path, bucket, id, "");
	fd = openat(o->root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		return fail_sys(f, EX_IOERR, "%s", path);
	return fd;
}

enum objects_result
objects_install(struct objects *o, const struct object *b,
    const struct objects_when *when, bool *counts, struct fail *f)
{
	struct bucket *bucket = objects_bucket_find(o, b->bucket);
	struct index_item *item = objects_item(b, false, f);
	char path[PATH_SIZE], tmp[PATH_SIZE];
	enum objects_result r;
	struct object old;
	int had;

	*counts = false;
	objects_object_path(path, b->bucket, b->key);
	if (item == NULL || manifest_write(o, path, b, tmp, f) == -1) {
		objects_item_free(item);
		return OBJECTS_FAILED;
	}
	pthread_mutex_lock(&o->mutex);
	/* A damaged forerunner is as good as none, but that it is there. */
	had = objects_manifest(o, b->bucket, b->key, &old, f);
	if ((r = objects_when_check(when, &old, had)) == OBJECTS_OK &&
	    renameat(o->root, tmp, o->root, path) == -1) {
		fail_sys(f, EX_IOERR, "%s", path);
		r = OBJECTS_FAILED;
	}
	if (r == OBJECTS_OK)
		objects_index_put(&bucket->objects, item);
	pthread_mutex_unlock(&o->mutex);
	if (r != OBJECTS_OK) {
		objects_item_free(item);
		unlinkat(o->root, tmp, 0);
	} else {
		*counts = true;
		/* Its forerunner's bytes stay until the name is there to stay. */
		if (objects_sync_parent(o, path, f) == -1)
			r = OBJECTS_FAILED;
		else if (had == 1 && strcmp(old.data, b->data) != 0)
			objects_data_doom(o, b->bucket, old.data);
	}
	if (had == 1)
		manifest_clear(&old);
	return r;
}

enum objects_result
objects_delete(struct objects *o, const char *bucket, const char *key,
    const struct objects_when *when, struct fail *f)
{
	struct bucket *x = objects_bucket_find(o, bucket);
	char path[PATH_SIZE];
	enum objects_result r;
	struct object old;
	int had;

	objects_object_path(path, bucket, key);
	pthread_mutex_lock(&o->mutex);
	had = objects_manifest(o, bucket, key, &old, f);
	if ((r = objects_when_check(when, &old, had)) == OBJECTS_OK && had != 0) {
		/* A damaged one can be deleted, too. */
		if (unlinkat(o->root, path, 0) == -1) {
			fail_sys(f, EX_IOERR, "%s", path);
			r = OBJECTS_FAILED;
		} else {
			objects_index_remove(&x->objects, key, "");
		}
	}
	pthread_mutex_unlock(&o->mutex);
	if (r == OBJECTS_OK && had != 0) {
		if (objects_sync_parent(o, path, f) == -1)
			r = OBJECTS_FAILED;
		else if (had == 1)
			objects_data_doom(o, bucket, old.data);
	}
	if (had == 1)
		manifest_clear(&old);
	return r;
}
