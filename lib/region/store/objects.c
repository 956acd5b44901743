#include <sys/file.h>
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/hex.h"
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

/* Data folders and who reads them.  All with the mutex held. */

void
objects_remove_data(const struct objects *o, const char *bucket,
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

static struct lease **
lease_find(struct objects *o, const char *bucket, const char *id)
{
	struct lease **l;

	for (l = &o->leases; *l != NULL; l = &(*l)->next)
		if (strcmp((*l)->id, id) == 0 &&
		    strcmp((*l)->bucket, bucket) == 0)
			break;
	return l;
}

static int
lease_take(struct objects *o, const char *bucket, const char *id,
    struct fail *f)
{
	struct lease **l = lease_find(o, bucket, id);

	if (*l == NULL) {
		if ((*l = calloc(1, sizeof(**l))) == NULL)
			return fail_set(f, EX_OSERR, "out of memory");
		snprintf((*l)->bucket, sizeof((*l)->bucket), "%s", bucket);
		snprintf((*l)->id, sizeof((*l)->id), "%s", id);
	}
	(*l)->refs++;
	return 0;
}

static void
lease_drop(struct objects *o, const char *bucket, const char *id)
{
	struct lease **l = lease_find(o, bucket, id), *gone = *l;

	if (gone == NULL || --gone->refs > 0)
		return;
	*l = gone->next;
	if (gone->doomed)
		objects_remove_data(o, bucket, id);
	free(gone);
}

static void
doom_data(struct objects *o, const char *bucket, const char *id)
{
	struct lease *l = *lease_find(o, bucket, id);

	if (l != NULL)
		l->doomed = true;
	else
		objects_remove_data(o, bucket, id);
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
			doom_data(o, b->bucket, old.data);
		manifest_clear(&old);
	}
	return 0;
}

/* Reading. */

enum objects_result
objects_get(struct objects *o, const char *bucket, const char *key,
    struct object *b, struct fail *f)
{
	char path[PATH_SIZE];
	int rc;

	objects_object_path(path, bucket, key);
	pthread_mutex_lock(&o->mutex);
	rc = manifest_read(o, path, b, f);
	if (rc == 1) {
		if (lease_take(o, bucket, b->data, f) == -1) {
			manifest_clear(b);
			rc = -1;
		} else {
			b->leased = true;
			b->objects = o;
			snprintf(b->bucket, sizeof(b->bucket), "%s", bucket);
		}
	}
	pthread_mutex_unlock(&o->mutex);
	return rc == 1 ? OBJECTS_OK : rc == 0 ? OBJECTS_NO_KEY :
	    OBJECTS_FAILED;
}

static int
extent_open(struct object *b, uint64_t off, struct fail *f)
{
	size_t low = 0, high = b->nextents, mid;
	char path[PATH_SIZE];

	while (high - low > 1) {
		mid = low + (high - low) / 2;
		if (b->extents[mid].start <= off)
			low = mid;
		else
			high = mid;
	}
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
objects_release(struct object *b)
{
	if (b->fd != -1)
		close(b->fd);
	if (b->leased) {
		pthread_mutex_lock(&b->objects->mutex);
		lease_drop(b->objects, b->bucket, b->data);
		pthread_mutex_unlock(&b->objects->mutex);
	}
	manifest_clear(b);
}

enum objects_result
objects_delete(struct objects *o, const char *bucket, const char *key,
    struct fail *f)
{
	char path[PATH_SIZE];
	struct object old;
	int rc;

	objects_object_path(path, bucket, key);
	pthread_mutex_lock(&o->mutex);
	rc = manifest_read(o, path, &old, f);
	if (rc != 0) {
		/* A damaged one can be deleted, too. */
		if (unlinkat(o->root, path, 0) == -1)
			rc = fail_sys(f, EX_IOERR, "%s", path);
		else if (objects_sync_parent(o, path, f) == -1)
			rc = -1;
		else if (rc == 1) {
			doom_data(o, bucket, old.data);
			manifest_clear(&old);
		} else
			rc = 0;
	}
	pthread_mutex_unlock(&o->mutex);
	return rc == -1 ? OBJECTS_FAILED : OBJECTS_OK;
}

int
objects_make_data(struct objects *o, const char *bucket, const char *id,
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

/* Writing. */

enum objects_result
objects_write(struct objects_writer *w, struct objects *o,
    const char *bucket, const char *key, const char *upload_id,
    struct fail *f)
{
	char path[PATH_SIZE], random[17];
	enum objects_result r = OBJECTS_FAILED;
	struct object b;

	memset(w, 0, sizeof(*w));
	w->objects = o;
	w->fd = -1;
	w->part = upload_id != NULL;
	snprintf(w->bucket, sizeof(w->bucket), "%s", bucket);
	md5_init(&w->md5);
	sha256_init(&w->sha256);
	if (objects_random(random, 8, f) == -1)
		return OBJECTS_FAILED;
	snprintf(w->file, sizeof(w->file), ".tmp-%s", random);

	pthread_mutex_lock(&o->mutex);
	if (upload_id == NULL) {
		if (objects_random(w->id, OBJECTS_ID / 2, f) == -1 ||
		    objects_make_data(o, bucket, w->id, f) == -1)
			goto out;
	} else {
		r = objects_upload_find(o, bucket, key, upload_id, &b, f);
		if (r != OBJECTS_OK)
			goto out;
		manifest_clear(&b);
		memcpy(w->id, upload_id, sizeof(w->id));
	}
	objects_data_path(path, bucket, w->id, w->file);
	w->fd = openat(o->root, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
	    0600);
	if (w->fd == -1)
		fail_sys(f, EX_CANTCREAT, "%s", path);
	r = w->fd == -1 ? OBJECTS_FAILED : OBJECTS_OK;
out:
	pthread_mutex_unlock(&o->mutex);
	return r;
}

int
objects_writer_add(struct objects_writer *w, const char *p, size_t n,
    struct fail *f)
{
	const struct buf b = { .data = (char *)(uintptr_t)p, .len = n };

	if (buf_write(&b, w->fd, "data", f) == -1)
		return -1;
	w->size += n;
	md5_update(&w->md5, n, (const uint8_t *)p);
	if (w->want_sha256)
		sha256_update(&w->sha256, n, (const uint8_t *)p);
	return 0;
}

void
objects_writer_digest(struct objects_writer *w)
{
	md5_digest(&w->md5, sizeof(w->md5_digest), w->md5_digest);
	sha256_digest(&w->sha256, sizeof(w->sha256_digest),
	    w->sha256_digest);
}

/* Sync what was written and give it the name it keeps. */
static int
writer_settle(struct objects_writer *w, struct fail *f)
{
	char from[PATH_SIZE], to[PATH_SIZE], name[48];

	objects_data_path(from, w->bucket, w->id, w->file);
	/* The file's name has the part's ETag, so a link to it tells all. */
	hex_encode(name, w->md5_digest, sizeof(w->md5_digest));
	snprintf(name + 32, sizeof(name) - 32, "-%.8s", w->file + 5);
	objects_data_path(to, w->bucket, w->id, name);
	if (fsync(w->fd) == -1 ||
	    renameat(w->objects->root, from, w->objects->root, to) == -1)
		return fail_sys(f, EX_IOERR, "%s", from);
	memcpy(w->file, name, sizeof(name));
	close(w->fd);
	w->fd = -1;
	return 0;
}

static void
writer_undo(struct objects_writer *w)
{
	char path[PATH_SIZE];

	if (w->fd != -1)
		close(w->fd);
	w->fd = -1;
	objects_data_path(path, w->bucket, w->id, w->file);
	unlinkat(w->objects->root, path, 0);
	if (!w->part)
		objects_remove_data(w->objects, w->bucket, w->id);
}

void
objects_cancel(struct objects_writer *w)
{
	if (w->objects == NULL || w->fd == -1)
		return;
	pthread_mutex_lock(&w->objects->mutex);
	writer_undo(w);
	pthread_mutex_unlock(&w->objects->mutex);
}

enum objects_result
objects_commit(struct objects_writer *w, const char *key,
    const char *headers, char etag[OBJECTS_ETAG], struct fail *f)
{
	struct extent e = { .size = w->size };
	struct object b = {
		.key = (char *)(uintptr_t)key,
		.key_len = strlen(key),
		.headers = (char *)(uintptr_t)headers,
		.size = w->size,
		.modified_ms = objects_now_ms(),
		.extents = &e,
		.nextents = 1,
	};
	char dir[PATH_SIZE];
	int rc = -1;

	objects_data_path(dir, w->bucket, w->id, "");
	memcpy(b.bucket, w->bucket, sizeof(b.bucket));
	memcpy(b.data, w->id, sizeof(b.data));
	if (writer_settle(w, f) == 0 &&
	    objects_sync_dir(w->objects, dir, f) == 0) {
		memcpy(e.file, w->file, sizeof(e.file));
		hex_encode(b.etag, w->md5_digest, sizeof(w->md5_digest));
		pthread_mutex_lock(&w->objects->mutex);
		rc = objects_install(w->objects, &b, f);
		pthread_mutex_unlock(&w->objects->mutex);
	}
	if (rc == -1) {
		pthread_mutex_lock(&w->objects->mutex);
		writer_undo(w);
		pthread_mutex_unlock(&w->objects->mutex);
		return OBJECTS_FAILED;
	}
	memcpy(etag, b.etag, OBJECTS_ETAG);
	return OBJECTS_OK;
}

static int
link_part(struct objects_writer *w, unsigned number, struct fail *f)
{
	struct objects *o = w->objects;
	char name[16], path[PATH_SIZE], tmp[PATH_SIZE], old[64], file[64];
	ssize_t n;

	snprintf(name, sizeof(name), "%05u", number);
	objects_data_path(path, w->bucket, w->id, name);
	snprintf(file, sizeof(file), ".link-%.8s", w->file + 33);
	objects_data_path(tmp, w->bucket, w->id, file);
	n = readlinkat(o->root, path, old, sizeof(old) - 1);
	if (symlinkat(w->file, o->root, tmp) == -1)
		return fail_sys(f, EX_IOERR, "%s", tmp);
	if (renameat(o->root, tmp, o->root, path) == -1) {
		fail_sys(f, EX_IOERR, "%s", path);
		unlinkat(o->root, tmp, 0);
		return -1;
	}
	/* From here on the new part counts. */
	old[n > 0 ? n : 0] = '\0';
	if (n > 0 && strcmp(old, w->file) != 0) {
		objects_data_path(path, w->bucket, w->id, old);
		unlinkat(o->root, path, 0);
	}
	return 0;
}

enum objects_result
objects_commit_part(struct objects_writer *w, const char *key,
    unsigned number, char etag[OBJECTS_ETAG], struct fail *f)
{
	struct objects *o = w->objects;
	enum objects_result r = OBJECTS_FAILED;
	char dir[PATH_SIZE];
	struct object b;

	/* The bytes are synced before the lock: others need not wait. */
	if (fsync(w->fd) == -1)
		fail_sys(f, EX_IOERR, "part");
	else
		r = OBJECTS_OK;
	pthread_mutex_lock(&o->mutex);
	if (r == OBJECTS_OK &&
	    (r = objects_upload_find(o, w->bucket, key, w->id, &b, f)) ==
	    OBJECTS_OK) {
		manifest_clear(&b);
		if (writer_settle(w, f) == -1 ||
		    link_part(w, number, f) == -1)
			r = OBJECTS_FAILED;
	}
	if (r != OBJECTS_OK)
		writer_undo(w);
	pthread_mutex_unlock(&o->mutex);
	if (r != OBJECTS_OK)
		return r;
	objects_data_path(dir, w->bucket, w->id, "");
	if (objects_sync_dir(o, dir, f) == -1)
		return OBJECTS_FAILED;
	memset(etag, 0, OBJECTS_ETAG);
	hex_encode(etag, w->md5_digest, sizeof(w->md5_digest));
	return OBJECTS_OK;
}

/* Starting and ending. */

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
