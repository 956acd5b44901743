#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "region/store/objects_impl.h"

enum objects_result
objects_get(struct objects *o, const char *bucket, const char *key,
    struct object *b, struct fail *f)
{
	int rc;

	pthread_mutex_lock(&o->mutex);
	rc = objects_manifest(o, bucket, key, b, f);
	if (rc == 1) {
		if (objects_data_hold(o, bucket, b->data, f) == -1) {
			manifest_clear(b);
			rc = -1;
		} else {
			b->held = true;
			b->objects = o;
			snprintf(b->bucket, sizeof(b->bucket), "%s", bucket);
		}
	}
	pthread_mutex_unlock(&o->mutex);
	return rc == 1 ? OBJECTS_OK : rc == 0 ? OBJECTS_NO_KEY :
	    OBJECTS_FAILED;
}

static size_t
extent_at(const struct object *b, uint64_t off)
{
	size_t low = 0, high = b->nextents, mid;

	while (high - low > 1) {
		mid = low + (high - low) / 2;
		if (b->extents[mid].start <= off)
			low = mid;
		else
			high = mid;
	}
	return low;
}

int
objects_check(const struct object *b, uint64_t off, uint64_t len,
    struct fail *f)
{
	char path[PATH_SIZE];
	struct stat st;
	size_t i;

	for (i = extent_at(b, off); i < b->nextents &&
	    b->extents[i].start < off + len; i++) {
		objects_data_path(path, b->bucket, b->data,
		    b->extents[i].file);
		if (fstatat(b->objects->root, path, &st,
		    AT_SYMLINK_NOFOLLOW) == -1)
			return fail_sys(f, EX_IOERR, "%s", path);
		if (!S_ISREG(st.st_mode) ||
		    (uint64_t)st.st_size != b->extents[i].size)
			return fail_set(f, EX_IOERR, "%s: damaged: has not "
			    "the bytes it had", path);
	}
	return 0;
}

static int
extent_open(struct object *b, uint64_t off, struct fail *f)
{
	size_t low = extent_at(b, off);
	char path[PATH_SIZE];

	if (b->fd != -1 && b->at == low)
		return 0;
	if (b->fd != -1)
		close(b->fd);
	objects_data_path(path, b->bucket, b->data, b->extents[low].file);
	b->at = low;
	b->fd = openat(b->objects->root, path,
	    O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (b->fd == -1)
		return fail_sys(f, EX_IOERR, "%s", path);
	return 0;
}

ssize_t
objects_read(struct object *b, uint64_t off, char *p, size_t n,
    struct fail *f)
{
	const struct extent *e;
	ssize_t got;

	if (off >= b->size)
		return 0;
	if (extent_open(b, off, f) == -1)
		return -1;
	e = &b->extents[b->at];
	if (n > e->start + e->size - off)
		n = e->start + e->size - off;
	do
		got = pread(b->fd, p, n, (off_t)(off - e->start));
	while (got == -1 && errno == EINTR);
	if (got == -1)
		return fail_sys(f, EX_IOERR, "%s", e->file);
	if (got == 0)
		return fail_set(f, EX_IOERR, "%s: shorter than it was",
		    e->file);
	return got;
}

void
object_close(struct object *b)
{
	if (b->fd != -1)
		close(b->fd);
	if (b->held)
		objects_data_let(b->objects, b->bucket, b->data);
	manifest_clear(b);
}
