#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "region/store/objects_impl.h"

/* An upload whose object stands: only the last step of completing is open. */
static int
sweep_upload(struct objects_walk *w, const char *path, struct object *b,
    struct fail *f)
{
	char object[PATH_SIZE];
	struct object done;
	int fd;

	objects_object_path(object, w->bucket, b->key);
	if (manifest_read(w->o, object, &done, f) == 1) {
		if (strcmp(done.data, b->data) == 0) {
			unlinkat(w->o->root, path, 0);
			fd = objects_data_open(w->o, w->bucket, done.data, f);
			if (fd != -1)
				objects_upload_tidy(fd, done.extents,
				    done.nextents);
		}
		manifest_clear(&done);
	}
	return objects_walk_keep(w, path, b, f);
}

static int
id_order(const void *va, const void *vb)
{
	return strcmp(((const struct objects_entry *)va)->id,
	    ((const struct objects_entry *)vb)->id);
}

/* Whether an object or an upload has this data; w is sorted by id. */
static bool
is_known(const struct objects_walk *w, const char *id)
{
	struct objects_entry key = { .key = NULL };

	if (w->n == 0)
		return false;
	memcpy(key.id, id, sizeof(key.id));
	return bsearch(&key, w->entries, w->n, sizeof(key), id_order) != NULL;
}

int
objects_sweep(struct objects *o, const char *bucket, struct fail *f)
{
	struct objects_walk w = {
		.o = o,
		.bucket = bucket,
		.prefix = "",
		.each = sweep_upload,
		.sweep = true,
	};
	char path[PATH_SIZE];
	struct dirent *d;
	DIR *dir = NULL;
	int fd, rc;

	rc = objects_walk(&w, "uploads", f);
	w.each = objects_walk_keep;
	if (rc == 0)
		rc = objects_walk(&w, "objects", f);
	snprintf(path, sizeof(path), "%s/data", bucket);
	fd = openat(o->root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (rc == 0 && (fd == -1 || (dir = fdopendir(fd)) == NULL))
		rc = fail_sys(f, EX_IOERR, "%s", path);
	if (rc == 0) {
		if (w.n > 0)
			qsort(w.entries, w.n, sizeof(*w.entries), id_order);
		while ((d = readdir(dir)) != NULL)
			if (objects_id_ok(d->d_name) &&
			    !is_known(&w, d->d_name))
				objects_data_remove(o, bucket, d->d_name);
	}
	if (dir != NULL)
		closedir(dir);
	else if (fd != -1)
		close(fd);
	objects_list_free(w.entries, w.n);
	return rc;
}
