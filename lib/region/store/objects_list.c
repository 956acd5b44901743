#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "region/store/objects_impl.h"

/* Walking all manifests below a folder. */

struct walk {
	struct objects	*o;
	const char	*bucket;
	/* b is the callee's to keep; it clears what it was given. */
	int		(*each)(struct walk *, const char *path,
			    struct object *b, struct fail *);
	bool		 sweep;		/* unlink what is half written */
	const char	*prefix;
	struct objects_entry *entries;
	size_t		 n, room;
};

static int
walk_dir(struct walk *w, const char *path, struct fail *f)
{
	char name[PATH_SIZE];
	struct dirent *d;
	struct object b;
	DIR *dir;
	int fd, rc = 0;

	fd = openat(w->o->root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1 || (dir = fdopendir(fd)) == NULL) {
		fail_sys(f, EX_IOERR, "%s", path);
		if (fd != -1)
			close(fd);
		return -1;
	}
	while (rc == 0 && (d = readdir(dir)) != NULL) {
		if (d->d_name[0] == '.') {
			if (w->sweep && strncmp(d->d_name, ".tmp-", 5) == 0)
				unlinkat(fd, d->d_name, 0);
			continue;
		}
		if (snprintf(name, sizeof(name), "%s/%s", path, d->d_name) >=
		    (int)sizeof(name))
			continue;
		if (strlen(d->d_name) == 2)
			rc = walk_dir(w, name, f);
		else if ((rc = manifest_read(w->o, name, &b, f)) == 1)
			rc = w->each(w, name, &b, f);
	}
	closedir(dir);
	return rc;
}

static int
walk(struct walk *w, const char *what, struct fail *f)
{
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "%s/%s", w->bucket, what);
	return walk_dir(w, path, f);
}

static int
entry_order(const void *va, const void *vb)
{
	const struct objects_entry *a = va, *b = vb;
	int d = strcmp(a->key, b->key);

	return d != 0 ? d : strcmp(a->id, b->id);
}

static int
list_each(struct walk *w, const char *path, struct object *b,
    struct fail *f)
{
	struct objects_entry *e;

	(void)path;
	if (strncmp(b->key, w->prefix, strlen(w->prefix)) != 0) {
		manifest_clear(b);
		return 0;
	}
	if (w->n == w->room) {
		w->room = w->room == 0 ? 64 : w->room * 2;
		e = reallocarray(w->entries, w->room, sizeof(*e));
		if (e == NULL) {
			manifest_clear(b);
			return fail_set(f, EX_OSERR, "out of memory");
		}
		w->entries = e;
	}
	e = &w->entries[w->n++];
	e->key = b->key;
	memcpy(e->etag, b->etag, sizeof(e->etag));
	memcpy(e->id, b->data, sizeof(e->id));
	e->size = b->size;
	e->modified_ms = b->modified_ms;
	b->key = NULL;
	manifest_clear(b);
	return 0;
}

int
objects_list(struct objects *o, const char *bucket, bool uploads,
    const char *prefix, struct objects_entry **entries, size_t *n,
    struct fail *f)
{
	struct walk w = {
		.o = o,
		.bucket = bucket,
		.prefix = prefix,
		.each = list_each,
	};
	int rc;

	pthread_mutex_lock(&o->mutex);
	rc = walk(&w, uploads ? "uploads" : "objects", f);
	pthread_mutex_unlock(&o->mutex);
	if (rc == -1) {
		objects_list_free(w.entries, w.n);
		return -1;
	}
	if (w.n > 0)
		qsort(w.entries, w.n, sizeof(*w.entries), entry_order);
	*entries = w.entries;
	*n = w.n;
	return 0;
}

void
objects_list_free(struct objects_entry *e, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		free(e[i].key);
	free(e);
}

/* Starting: what a crash left behind. */

/* An upload whose object stands: only the last step of completing is open. */
static int
sweep_upload(struct walk *w, const char *path, struct object *b,
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
				objects_tidy(fd, done.extents, done.nextents);
		}
		manifest_clear(&done);
	}
	return list_each(w, path, b, f);
}

static int
id_order(const void *va, const void *vb)
{
	return strcmp(((const struct objects_entry *)va)->id,
	    ((const struct objects_entry *)vb)->id);
}

/* Whether an object or an upload has this data; w is sorted by id. */
static bool
is_known(const struct walk *w, const char *id)
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
	struct walk w = {
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

	rc = walk(&w, "uploads", f);
	w.each = list_each;
	if (rc == 0)
		rc = walk(&w, "objects", f);
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
				objects_remove_data(o, bucket, d->d_name);
	}
	if (dir != NULL)
		closedir(dir);
	else if (fd != -1)
		close(fd);
	objects_list_free(w.entries, w.n);
	return rc;
}
