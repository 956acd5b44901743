#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "region/store/objects_impl.h"

static int
walk_dir(struct objects_walk *w, const char *path, struct fail *f)
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

int
objects_walk(struct objects_walk *w, const char *what, struct fail *f)
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

int
objects_walk_keep(struct objects_walk *w, const char *path, struct object *b,
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
	struct objects_walk w = {
		.o = o,
		.bucket = bucket,
		.prefix = prefix,
		.each = objects_walk_keep,
	};
	int rc;

	pthread_mutex_lock(&o->mutex);
	rc = objects_walk(&w, uploads ? "uploads" : "objects", f);
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
