#include <sys/stat.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "region/store/objects_impl.h"

/* Its data is somebody's; and its name is known. */
static int
keep(struct objects_walk *w, const struct object *b, bool upload,
    struct fail *f)
{
	struct index_item *i;
	void *ids;

	if (w->n == w->room) {
		w->room = w->room == 0 ? 64 : w->room * 2;
		ids = reallocarray(w->ids, w->room, sizeof(*w->ids));
		if (ids == NULL)
			return fail_set(f, EX_OSERR, "out of memory");
		w->ids = ids;
	}
	if ((i = objects_item(b, upload, f)) == NULL)
		return -1;
	memcpy(w->ids[w->n++], b->data, sizeof(*w->ids));
	objects_index_put(upload ? &w->bucket->uploads : &w->bucket->objects,
	    i);
	return 0;
}

static int
file_order(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Parts that were on their way, and those that others replaced. */
static int
sweep_parts(int fd, struct fail *f)
{
	char (*kept)[OBJECTS_FILE] = calloc(OBJECTS_PARTS_MAX, sizeof(*kept));
	DIR *dir = fdopendir(fd);
	struct dirent *d;
	struct stat st;
	size_t n = 0;

	if (kept == NULL || dir == NULL) {
		fail_sys(f, EX_OSERR, "parts");
		if (dir != NULL)
			closedir(dir);
		else
			close(fd);
		free(kept);
		return -1;
	}
	while ((d = readdir(dir)) != NULL)
		if (n < OBJECTS_PARTS_MAX && strlen(d->d_name) == 5 &&
		    objects_part_read(fd, d->d_name, kept[n], &st, f) == 1)
			n++;
	qsort(kept, n, sizeof(*kept), file_order);
	rewinddir(dir);
	while ((d = readdir(dir)) != NULL)
		if (strlen(d->d_name) != 5 && strcmp(d->d_name, ".") != 0 &&
		    strcmp(d->d_name, "..") != 0 &&
		    strlen(d->d_name) < sizeof(*kept) &&
		    bsearch(d->d_name, kept, n, sizeof(*kept),
		    file_order) == NULL)
			unlinkat(fd, d->d_name, 0);
	closedir(dir);
	free(kept);
	return 0;
}

/* An upload whose object stands: only the last step of completing is open. */
static int
sweep_upload(struct objects_walk *w, const char *path, struct object *b,
    struct fail *f)
{
	struct object done;
	bool stands = false;
	int fd, rc = 0;

	fd = objects_data_open(w->o, w->bucket->name, b->data, f);
	if (fd == -1) {
		/* Only half of it was made, or was left. */
		unlinkat(w->o->root, path, 0);
		manifest_clear(b);
		return 0;
	}
	if (objects_manifest(w->o, w->bucket->name, b->key, &done,
	    f) == 1) {
		stands = strcmp(done.data, b->data) == 0;
		if (stands) {
			objects_upload_tidy(fd, done.extents, done.nextents);
			unlinkat(w->o->root, path, 0);
		}
		manifest_clear(&done);
	}
	if (!stands && (rc = sweep_parts(fd, f)) == 0)
		rc = keep(w, b, true, f);
	manifest_clear(b);
	return rc;
}

static int
sweep_object(struct objects_walk *w, const char *path, struct object *b,
    struct fail *f)
{
	char want[PATH_SIZE];
	int rc = 0;

	objects_object_path(want, w->bucket->name, b->key);
	if (strcmp(want, path) == 0) {
		rc = keep(w, b, false, f);
	} else {
		w->damaged++;
		fail_set(f, EX_IOERR, "%s: damaged: another key", path);
		w->o->log(f->msg);
	}
	manifest_clear(b);
	return rc;
}

/* Whether an object or an upload has this data; ids are sorted. */
static bool
is_known(const struct objects_walk *w, const char *id)
{
	return w->n > 0 && bsearch(id, w->ids, w->n, sizeof(*w->ids),
	    file_order) != NULL;
}

/* Data that is nobody's. */
static int
sweep_data(struct objects_walk *w, struct fail *f)
{
	char path[PATH_SIZE];
	struct dirent *d;
	DIR *dir = NULL;
	int fd;

	snprintf(path, sizeof(path), "%s/data", w->bucket->name);
	fd = openat(w->o->root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1 || (dir = fdopendir(fd)) == NULL) {
		fail_sys(f, EX_IOERR, "%s", path);
		if (fd != -1)
			close(fd);
		return -1;
	}
	if (w->n > 0)
		qsort(w->ids, w->n, sizeof(*w->ids), file_order);
	while ((d = readdir(dir)) != NULL)
		if (objects_id_ok(d->d_name) && !is_known(w, d->d_name))
			objects_data_remove(w->o, w->bucket->name, d->d_name);
	closedir(dir);
	return 0;
}

int
objects_sweep(struct objects *o, struct bucket *bucket, struct fail *f)
{
	struct objects_walk w = {
		.o = o,
		.bucket = bucket,
		.each = sweep_upload,
	};
	int rc;

	rc = objects_walk(&w, "uploads", f);
	w.each = sweep_object;
	if (rc == 0)
		rc = objects_walk(&w, "objects", f);
	/* What is damaged may have been an object of any data: all stays. */
	if (rc == 0 && w.damaged == 0)
		rc = sweep_data(&w, f);
	free(w.ids);
	return rc;
}
