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

void
objects_data_let(struct objects *o, const char *bucket, const char *id)
{
	struct hold **l = hold_find(o, bucket, id), *gone = *l;

	if (gone == NULL || --gone->refs > 0)
		return;
	*l = gone->next;
	if (gone->doomed)
		objects_data_remove(o, bucket, id);
	free(gone);
}

void
objects_data_doom(struct objects *o, const char *bucket, const char *id)
{
	struct hold *l = *hold_find(o, bucket, id);

	if (l != NULL)
		l->doomed = true;
	else
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

/* Make an object count, and its forerunner not.  With the mutex held. */
int
objects_install(struct objects *o, const struct object *b, struct fail *f)
{
	char path[PATH_SIZE], dir[PATH_SIZE];
	struct object old;
	int had;

	objects_object_path(path, b->bucket, b->key);
	snprintf(dir, sizeof(dir), "%.*s", (int)(strrchr(path, '/') - path),
	    path);
	if (mkdirat(o->root, dir, 0700) == 0) {
		if (objects_sync_parent(o, dir, f) == -1)
			return -1;
	} else if (errno != EEXIST) {
		return fail_sys(f, EX_CANTCREAT, "%s", dir);
	}
	/* A damaged forerunner is as good as none. */
	had = manifest_read(o, path, &old, f);
	if (manifest_write(o, path, b, f) == -1) {
		if (had == 1)
			manifest_clear(&old);
		return -1;
	}
	if (had == 1) {
		if (strcmp(old.data, b->data) != 0)
			objects_data_doom(o, b->bucket, old.data);
		manifest_clear(&old);
	}
	return 0;
}
