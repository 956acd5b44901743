#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/hex.h"
#include "region/store/objects_impl.h"

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

	if (upload_id == NULL) {
		if (objects_random(w->id, OBJECTS_ID / 2, f) == -1 ||
		    objects_data_make(o, bucket, w->id, f) == -1)
			return OBJECTS_FAILED;
	} else {
		pthread_mutex_lock(&o->uploads_mutex);
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
	if (upload_id != NULL)
		pthread_mutex_unlock(&o->uploads_mutex);
	return r;
}

/* So much at a time is on its way to the disk before the sync at the end. */
#define FLUSH	(8UL << 20)

int
objects_writer_add(struct objects_writer *w, const char *p, size_t n,
    struct fail *f)
{
	const struct buf b = { .data = (char *)(uintptr_t)p, .len = n };

	if (buf_write(&b, w->fd, "data", f) == -1)
		return -1;
	if (w->size / FLUSH != (w->size + n) / FLUSH)
		sync_file_range(w->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
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
	char from[PATH_SIZE], to[PATH_SIZE], name[OBJECTS_FILE];

	objects_data_path(from, w->bucket, w->id, w->file);
	/* It has the part's ETag and size, so a link to it tells all. */
	hex_encode(name, w->md5_digest, sizeof(w->md5_digest));
	snprintf(name + 32, sizeof(name) - 32, "-%.8s-%" PRIu64, w->file + 5,
	    w->size);
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
		objects_data_remove(w->objects, w->bucket, w->id);
}

void
objects_cancel(struct objects_writer *w)
{
	if (w->objects == NULL || w->fd == -1)
		return;
	writer_undo(w);
}

enum objects_result
objects_commit(struct objects_writer *w, const char *key,
    const char *headers, const struct objects_when *when,
    char etag[OBJECTS_ETAG], struct fail *f)
{
	struct extent e = { .size = w->size };
	struct object b = {
		.key = (char *)(uintptr_t)key,
		.key_len = strlen(key),
		.headers = (char *)(uintptr_t)headers,
		.size = w->size,
		.modified_ms = clock_date_ms(),
		.extents = &e,
		.nextents = 1,
	};
	enum objects_result r = OBJECTS_FAILED;
	char dir[PATH_SIZE];
	bool counts = false;

	objects_data_path(dir, w->bucket, w->id, "");
	memcpy(b.bucket, w->bucket, sizeof(b.bucket));
	memcpy(b.data, w->id, sizeof(b.data));
	if (writer_settle(w, f) == 0 &&
	    objects_sync_dir(w->objects, dir, f) == 0) {
		memcpy(e.file, w->file, sizeof(e.file));
		hex_encode(b.etag, w->md5_digest, sizeof(w->md5_digest));
		r = objects_install(w->objects, &b, when, &counts, f);
	}
	if (!counts)
		writer_undo(w);
	if (r == OBJECTS_OK)
		memcpy(etag, b.etag, OBJECTS_ETAG);
	return r;
}

/* The part's number leads to its file, and old to what was there before. */
static int
link_part(struct objects_writer *w, unsigned number, char old[64],
    struct fail *f)
{
	struct objects *o = w->objects;
	char name[16], path[PATH_SIZE], tmp[PATH_SIZE], file[64];
	ssize_t n;

	snprintf(name, sizeof(name), "%05u", number);
	objects_data_path(path, w->bucket, w->id, name);
	snprintf(file, sizeof(file), ".link-%.8s", w->file + 33);
	objects_data_path(tmp, w->bucket, w->id, file);
	n = readlinkat(o->root, path, old, 63);
	old[n > 0 ? n : 0] = '\0';
	if (symlinkat(w->file, o->root, tmp) == -1)
		return fail_sys(f, EX_IOERR, "%s", tmp);
	if (renameat(o->root, tmp, o->root, path) == -1) {
		fail_sys(f, EX_IOERR, "%s", path);
		unlinkat(o->root, tmp, 0);
		return -1;
	}
	return 0;
}

enum objects_result
objects_commit_part(struct objects_writer *w, const char *key,
    unsigned number, char etag[OBJECTS_ETAG], struct fail *f)
{
	struct objects *o = w->objects;
	enum objects_result r;
	char path[PATH_SIZE], old[64] = "";
	struct object b;
	int settled;

	/* The bytes are synced before the lock: others need not wait. */
	settled = writer_settle(w, f);
	pthread_mutex_lock(&o->uploads_mutex);
	/* Who aborts or completes it meanwhile removes the file, too. */
	r = objects_upload_find(o, w->bucket, key, w->id, &b, f);
	if (r == OBJECTS_OK) {
		manifest_clear(&b);
		if (settled == -1 || link_part(w, number, old, f) == -1)
			r = OBJECTS_FAILED;
	}
	pthread_mutex_unlock(&o->uploads_mutex);
	objects_data_path(path, w->bucket, w->id, "");
	if (r != OBJECTS_OK) {
		writer_undo(w);
		/* Its last file, if it was aborted. */
		if (r == OBJECTS_NO_UPLOAD)
			unlinkat(o->root, path, AT_REMOVEDIR);
		return r;
	}
	if (objects_sync_dir(o, path, f) == -1)
		return OBJECTS_FAILED;
	/* Only now: the new one is there to stay. */
	if (old[0] != '\0' && strchr(old, '/') == NULL &&
	    strcmp(old, w->file) != 0) {
		objects_data_path(path, w->bucket, w->id, old);
		unlinkat(o->root, path, 0);
	}
	memset(etag, 0, OBJECTS_ETAG);
	hex_encode(etag, w->md5_digest, sizeof(w->md5_digest));
	return OBJECTS_OK;
}
