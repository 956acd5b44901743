#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/hex.h"
#include "region/store/objects_impl.h"

/* Uploads: an id is only good together with its bucket and key. */
enum objects_result
objects_upload_find(struct objects *o, const char *bucket, const char *key,
    const char *id, struct object *b, struct fail *f)
{
	char path[PATH_SIZE];
	int rc;

	if (!objects_id_ok(id))
		return OBJECTS_NO_UPLOAD;
	objects_upload_path(path, bucket, id);
	rc = manifest_read(o, path, b, f);
	if (rc == 1 && strcmp(b->key, key) != 0) {
		manifest_clear(b);
		rc = 0;
	}
	if (rc == 1)
		snprintf(b->bucket, sizeof(b->bucket), "%s", bucket);
	return rc == 1 ? OBJECTS_OK : rc == 0 ? OBJECTS_NO_UPLOAD :
	    OBJECTS_FAILED;
}

/* Multipart uploads. */

enum objects_result
objects_upload_create(struct objects *o, const char *bucket,
    const char *key, const char *headers, char id[OBJECTS_ID + 1],
    struct fail *f)
{
	struct object b = {
		.key = (char *)(uintptr_t)key,
		.key_len = strlen(key),
		.headers = (char *)(uintptr_t)headers,
		.modified_ms = clock_date_ms(),
		.etag = "-",
	};
	struct bucket *x = objects_bucket_find(o, bucket);
	char path[PATH_SIZE], tmp[PATH_SIZE];
	struct index_item *item;

	if (objects_random(id, OBJECTS_ID / 2, f) == -1)
		return OBJECTS_FAILED;
	memcpy(b.data, id, sizeof(b.data));
	objects_upload_path(path, bucket, id);
	if ((item = objects_item(&b, true, f)) == NULL)
		return OBJECTS_FAILED;
	if (objects_data_make(o, bucket, id, f) == -1 ||
	    manifest_write(o, path, &b, tmp, f) == -1)
		goto undo;
	if (renameat(o->root, tmp, o->root, path) == -1) {
		fail_sys(f, EX_IOERR, "%s", path);
		unlinkat(o->root, tmp, 0);
		goto undo;
	}
	if (objects_sync_parent(o, path, f) == -1) {
		unlinkat(o->root, path, 0);
		goto undo;
	}
	pthread_mutex_lock(&o->mutex);
	objects_index_put(&x->uploads, item);
	pthread_mutex_unlock(&o->mutex);
	return OBJECTS_OK;
undo:
	objects_data_remove(o, bucket, id);
	objects_item_free(item);
	return OBJECTS_FAILED;
}

/* It is none any more: it was completed, or aborted. */
static void
upload_forget(struct objects *o, const char *bucket, const char *key,
    const char *id)
{
	struct bucket *x = objects_bucket_find(o, bucket);

	pthread_mutex_lock(&o->mutex);
	objects_index_remove(&x->uploads, key, id);
	pthread_mutex_unlock(&o->mutex);
}

int
objects_part_read(int dir, const char *name, char file[OBJECTS_FILE],
    struct stat *st, struct fail *f)
{
	ssize_t n = readlinkat(dir, name, file, OBJECTS_FILE - 1);

	if (n == -1)
		return errno == ENOENT ? 0 : fail_sys(f, EX_IOERR, "part");
	file[n] = '\0';
	if (!objects_file_ok(file, (size_t)n))
		return fail_set(f, EX_IOERR, "part %s: damaged", name);
	if (fstatat(dir, file, st, AT_SYMLINK_NOFOLLOW) == -1)
		return fail_sys(f, EX_IOERR, "part %s", name);
	return 1;
}

/* Whether its file is as long as it was; its name tells. */
static int
part_check(const char *name, const char *file, const struct stat *st,
    struct fail *f)
{
	uint64_t size = (uint64_t)st->st_size;

	if (strlen(file) > OBJECTS_FILE_MIN)
		size = strtoull(file + OBJECTS_FILE_MIN + 1, NULL, 10);
	return S_ISREG(st->st_mode) && size == (uint64_t)st->st_size ? 0 :
	    fail_set(f, EX_IOERR, "part %s: damaged: has not the bytes it had",
	    name);
}

static int
part_order(const void *va, const void *vb)
{
	const struct objects_part *a = va, *b = vb;

	return a->number < b->number ? -1 : a->number > b->number;
}

static int
parts_scan(int fd, DIR *dir, struct objects_part **parts, size_t *n,
    struct fail *f)
{
	struct objects_part *p;
	struct dirent *d;
	struct stat st;
	char file[OBJECTS_FILE];
	size_t room = 0;

	while ((d = readdir(dir)) != NULL) {
		if (strlen(d->d_name) != 5 ||
		    strspn(d->d_name, "0123456789") != 5)
			continue;
		if (objects_part_read(fd, d->d_name, file, &st, f) != 1 ||
		    part_check(d->d_name, file, &st, f) == -1)
			return -1;
		if (*n == room) {
			room = room == 0 ? 64 : room * 2;
			p = reallocarray(*parts, room, sizeof(*p));
			if (p == NULL)
				return fail_set(f, EX_OSERR, "out of memory");
			*parts = p;
		}
		p = &(*parts)[(*n)++];
		memset(p, 0, sizeof(*p));
		p->number = (unsigned)strtoul(d->d_name, NULL, 10);
		memcpy(p->etag, file, 32);
		p->size = (uint64_t)st.st_size;
		p->modified_ms = (int64_t)st.st_mtim.tv_sec * 1000 +
		    st.st_mtim.tv_nsec / 1000000;
	}
	return 0;
}

enum objects_result
objects_upload_parts(struct objects *o, const char *bucket, const char *key,
    const char *id, struct objects_part **parts, size_t *n, struct fail *f)
{
	enum objects_result r;
	char path[PATH_SIZE];
	struct object b;
	DIR *dir = NULL;
	int fd;

	*parts = NULL;
	*n = 0;
	objects_upload_path(path, bucket, id);
	pthread_mutex_lock(&o->uploads_mutex);
	r = objects_upload_find(o, bucket, key, id, &b, f);
	if (r == OBJECTS_OK) {
		manifest_clear(&b);
		r = OBJECTS_FAILED;
		fd = objects_data_open(o, bucket, id, f);
		if (fd != -1 && (dir = fdopendir(fd)) == NULL) {
			fail_sys(f, EX_OSERR, "fdopendir");
			close(fd);
		} else if (fd != -1) {
			if (parts_scan(fd, dir, parts, n, f) == 0)
				r = OBJECTS_OK;
			else
				fail_in(f, path);
			closedir(dir);
		}
	}
	pthread_mutex_unlock(&o->uploads_mutex);
	if (r != OBJECTS_OK) {
		free(*parts);
		*parts = NULL;
		*n = 0;
	} else if (*n > 0) {
		qsort(*parts, *n, sizeof(**parts), part_order);
	}
	return r;
}

/* The listed parts as extents, and the ETag they make; path: the upload's. */
static enum objects_result
assemble(struct objects *o, const char *path, int dir,
    const struct objects_part *parts, size_t n, struct object *b,
    struct fail *f)
{
	uint8_t digest[MD5_DIGEST_SIZE];
	char name[16];
	struct md5_ctx md5;
	struct extent *e;
	struct stat st;
	size_t i, len;
	int rc;

	if ((b->extents = calloc(n, sizeof(*b->extents))) == NULL) {
		fail_set(f, EX_OSERR, "out of memory");
		return OBJECTS_FAILED;
	}
	md5_init(&md5);
	for (i = 0; i < n; i++) {
		if (i > 0 && parts[i].number <= parts[i - 1].number)
			return OBJECTS_PART_ORDER;
		if (parts[i].number < 1 ||
		    parts[i].number > OBJECTS_PARTS_MAX)
			return OBJECTS_INVALID_PART;
		e = &b->extents[i];
		snprintf(name, sizeof(name), "%05u", parts[i].number);
		rc = objects_part_read(dir, name, e->file, &st, f);
		if (rc == -1) {
			fail_in(f, path);
			return OBJECTS_FAILED;
		}
		if (rc == 0 || strlen(parts[i].etag) != 32 ||
		    strncmp(parts[i].etag, e->file, 32) != 0)
			return OBJECTS_INVALID_PART;
		/* Sent again, it is good. */
		if (part_check(name, e->file, &st, f) == -1) {
			fail_in(f, path);
			o->log(f->msg);
			return OBJECTS_INVALID_PART;
		}
		if ((uint64_t)st.st_size < o->part_min && i + 1 < n)
			return OBJECTS_TOO_SMALL;
		e->size = (uint64_t)st.st_size;
		e->start = b->size;
		b->size += e->size;
		if (hex_decode(digest, e->file, sizeof(digest)) == -1)
			return OBJECTS_INVALID_PART;
		md5_update(&md5, sizeof(digest), digest);
	}
	b->nextents = n;
	md5_digest(&md5, sizeof(digest), digest);
	hex_encode(b->etag, digest, sizeof(digest));
	len = strlen(b->etag);
	snprintf(b->etag + len, sizeof(b->etag) - len, "-%zu", n);
	return OBJECTS_OK;
}

static int
name_order(const void *a, const void *b)
{
	return strcmp(((const struct extent *)a)->file,
	    ((const struct extent *)b)->file);
}

/* Remove links and parts that did not become extents. */
void
objects_upload_tidy(int fd, struct extent *extents, size_t n)
{
	struct dirent *d;
	struct extent key;
	DIR *dir = fdopendir(fd);

	if (dir == NULL) {
		close(fd);
		return;
	}
	qsort(extents, n, sizeof(*extents), name_order);
	while ((d = readdir(dir)) != NULL) {
		if (strcmp(d->d_name, ".") == 0 ||
		    strcmp(d->d_name, "..") == 0 ||
		    strlen(d->d_name) >= sizeof(key.file))
			continue;
		strcpy(key.file, d->d_name);
		if (bsearch(&key, extents, n, sizeof(key),
		    name_order) == NULL)
			unlinkat(fd, d->d_name, 0);
	}
	closedir(dir);
}

/* Whether the object there was made of this very upload. */
static bool
completed(struct objects *o, const char *bucket, const char *key,
    const char *id, const struct objects_part *parts, size_t n,
    char etag[OBJECTS_ETAG])
{
	struct object b;
	struct fail f;
	bool same;
	size_t i;

	if (objects_manifest(o, bucket, key, &b, &f) != 1)
		return false;
	same = strcmp(b.data, id) == 0 && b.nextents == n;
	for (i = 0; same && i < n; i++)
		same = strlen(parts[i].etag) == 32 &&
		    strncmp(parts[i].etag, b.extents[i].file, 32) == 0;
	if (same)
		memcpy(etag, b.etag, OBJECTS_ETAG);
	manifest_clear(&b);
	return same;
}

enum objects_result
objects_upload_complete(struct objects *o, const char *bucket,
    const char *key, const char *id, const struct objects_part *parts,
    size_t n, const struct objects_when *when, char etag[OBJECTS_ETAG],
    struct fail *f)
{
	enum objects_result r;
	char path[PATH_SIZE];
	bool counts = false;
	struct object b;
	int fd = -1;

	if (n == 0 || n > OBJECTS_PARTS_MAX)
		return OBJECTS_INVALID_PART;
	objects_upload_path(path, bucket, id);
	pthread_mutex_lock(&o->uploads_mutex);
	r = objects_upload_find(o, bucket, key, id, &b, f);
	if (r != OBJECTS_OK) {
		if (r == OBJECTS_NO_UPLOAD && objects_id_ok(id) &&
		    completed(o, bucket, key, id, parts, n, etag))
			r = OBJECTS_OK;
		goto out;
	}
	r = OBJECTS_FAILED;
	b.modified_ms = clock_date_ms();
	/* Renaming the object's file is what completes it. */
	if ((fd = objects_data_open(o, bucket, id, f)) != -1 &&
	    (r = assemble(o, path, fd, parts, n, &b, f)) == OBJECTS_OK)
		r = objects_install(o, &b, when, &counts, f);
	if (counts) {
		memcpy(etag, b.etag, OBJECTS_ETAG);
		/* The upload's file last: it says that there is more to do. */
		objects_upload_tidy(fd, b.extents, b.nextents);
		fd = -1;
		unlinkat(o->root, path, 0);
		upload_forget(o, bucket, key, id);
	}
	manifest_clear(&b);
out:
	pthread_mutex_unlock(&o->uploads_mutex);
	if (fd != -1)
		close(fd);
	if (counts && r == OBJECTS_OK && objects_sync_parent(o, path, f) == -1)
		r = OBJECTS_FAILED;
	return r;
}

enum objects_result
objects_upload_abort(struct objects *o, const char *bucket, const char *key,
    const char *id, struct fail *f)
{
	enum objects_result r;
	char path[PATH_SIZE];
	struct object b;

	pthread_mutex_lock(&o->uploads_mutex);
	r = objects_upload_find(o, bucket, key, id, &b, f);
	if (r == OBJECTS_OK) {
		manifest_clear(&b);
		objects_upload_path(path, bucket, id);
		if (unlinkat(o->root, path, 0) == -1) {
			fail_sys(f, EX_IOERR, "%s", path);
			r = OBJECTS_FAILED;
		} else {
			upload_forget(o, bucket, key, id);
		}
	}
	pthread_mutex_unlock(&o->uploads_mutex);
	if (r != OBJECTS_OK)
		return r;
	if (objects_sync_parent(o, path, f) == -1)
		return OBJECTS_FAILED;
	objects_data_remove(o, bucket, id);
	return OBJECTS_OK;
}
