#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "region/store/objects_impl.h"

/* 0 to go on whatever it was: one that is damaged costs no other. */
static int
walk_one(struct objects_walk *w, const char *name, struct fail *f)
{
	struct object b;
	int rc = manifest_read(w->o, name, &b, f);

	if (rc == 1)
		return w->each(w, name, &b, f);
	if (rc == -1 && f->status == EX_OSERR)
		return -1;
	if (rc == -1) {
		w->damaged++;
		w->o->log(f->msg);
	}
	return 0;
}

static int
walk_dir(struct objects_walk *w, const char *path, struct fail *f)
{
	char name[PATH_SIZE];
	struct dirent *d;
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
			if (strncmp(d->d_name, ".tmp-", 5) == 0)
				unlinkat(fd, d->d_name, 0);
			continue;
		}
		if (snprintf(name, sizeof(name), "%s/%s", path, d->d_name) >=
		    (int)sizeof(name))
			continue;
		if (strlen(d->d_name) != 2) {
			rc = walk_one(w, name, f);
		} else if (walk_dir(w, name, f) == -1) {
			if (f->status == EX_OSERR)
				rc = -1;
			w->damaged++;
			w->o->log(f->msg);
		}
	}
	closedir(dir);
	return rc;
}

int
objects_walk(struct objects_walk *w, const char *what, struct fail *f)
{
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "%s/%s", w->bucket->name, what);
	return walk_dir(w, path, f);
}

int
objects_list(struct objects *o, const char *bucket, bool uploads,
    const struct objects_query *q, struct objects_entry **entries, size_t *n,
    bool *more, struct fail *f)
{
	struct bucket *b = objects_bucket_find(o, bucket);
	int rc;

	*n = 0;
	*entries = calloc(q->max + 1, sizeof(**entries));
	if (*entries == NULL || b == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	pthread_mutex_lock(&o->mutex);
	rc = objects_index_list(uploads ? &b->uploads : &b->objects, q,
	    *entries, n, more, f);
	pthread_mutex_unlock(&o->mutex);
	return rc;
}

void
objects_list_free(struct objects_entry *e, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		free(e[i].key);
	free(e);
}
