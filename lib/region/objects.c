#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "region/objects.h"

#define PATH_SIZE	256
#define MAGIC		"tl-object 1\n"
/* 10,000 extents of 60 bytes, a key and headers. */
#define MANIFEST_MAX	(2UL << 20)

/* The bytes of an object that somebody reads, to be removed when nobody does. */
struct lease {
	struct lease	*next;
	char		 bucket[64];
	char		 id[OBJECTS_ID + 1];
	unsigned	 refs;
	bool		 doomed;
};

struct objects {
	int		 root;
	int		 lock;
	char		**buckets;
	size_t		 nbuckets;
	uint64_t	 part_min;
	pthread_mutex_t	 mutex;		/* of all below and of what counts */
	struct lease	*leases;
};

static int64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void
hex(char *out, const uint8_t *in, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	size_t i;

	for (i = 0; i < n; i++) {
		out[2 * i] = digits[in[i] >> 4];
		out[2 * i + 1] = digits[in[i] & 15];
	}
	out[2 * n] = '\0';
}

static int
unhex(uint8_t *out, const char *in, size_t n)
{
	unsigned byte;
	size_t i;

	if (strspn(in, "0123456789abcdef") < 2 * n)
		return -1;
	for (i = 0; i < n; i++) {
		if (sscanf(in + 2 * i, "%2x", &byte) != 1)
			return -1;
		out[i] = (uint8_t)byte;
	}
	return 0;
}

static int
random_hex(char *out, size_t bytes, struct fail *f)
{
	uint8_t raw[OBJECTS_ID / 2];

	if (getrandom(raw, bytes, 0) != (ssize_t)bytes)
		return fail_sys(f, EX_OSERR, "getrandom");
	hex(out, raw, bytes);
	return 0;
}

static bool
id_ok(const char *id)
{
	return strlen(id) == OBJECTS_ID &&
	    strspn(id, "0123456789abcdef") == OBJECTS_ID;
}

bool
objects_bucket(const struct objects *o, const char *name)
{
	size_t i;

	for (i = 0; i < o->nbuckets; i++)
		if (strcmp(o->buckets[i], name) == 0)
			return true;
	return false;
}

/* Where things are, below the root.  Buckets have at most 63 bytes. */

static void
object_path(char path[PATH_SIZE], const char *bucket, const char *key)
{
	uint8_t digest[SHA256_DIGEST_SIZE];
	char name[2 * SHA256_DIGEST_SIZE + 1];
	struct sha256_ctx c;

	sha256_init(&c);
	sha256_update(&c, strlen(key), (const uint8_t *)key);
	sha256_digest(&c, sizeof(digest), digest);
	hex(name, digest, sizeof(digest));
	snprintf(path, PATH_SIZE, "%s/objects/%.2s/%s", bucket, name, name);
}

static void
upload_path(char path[PATH_SIZE], const char *bucket, const char *id)
{
	snprintf(path, PATH_SIZE, "%s/uploads/%s", bucket, id);
}

static void
data_path(char path[PATH_SIZE], const char *bucket, const char *id,
    const char *file)
{
	snprintf(path, PATH_SIZE, "%s/data/%s%s%s", bucket, id,
	    *file == '\0' ? "" : "/", file);
}

/* A rename or a new file in a folder lasts once that was synced. */
static int
sync_dir(const struct objects *o, const char *path, struct fail *f)
{
	int fd = openat(o->root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = 0;

	if (fd == -1 || fsync(fd) == -1)
		rc = fail_sys(f, EX_IOERR, "%s", path);
	if (fd != -1)
		close(fd);
	return rc;
}

static int
make_dir(const struct objects *o, const char *path, struct fail *f)
{
	if (mkdirat(o->root, path, 0700) == -1 && errno != EEXIST)
		return fail_sys(f, EX_CANTCREAT, "%s", path);
	return 0;
}

/* The folder a path is in, synced so that a rename there lasts. */
static int
sync_parent(const struct objects *o, const char *path, struct fail *f)
{
	char dir[PATH_SIZE];
	char *slash;

	snprintf(dir, sizeof(dir), "%s", path);
	if ((slash = strrchr(dir, '/')) != NULL)
		*slash = '\0';
	return sync_dir(o, dir, f);
}

/* Manifests: the file of an object or of an upload. */

static void
object_clear(struct object *b)
{
	free(b->key);
	free(b->headers);
	free(b->extents);
	memset(b, 0, sizeof(*b));
	b->fd = -1;
}

static int
manifest_print(const struct object *b, struct buf *out, struct fail *f)
{
	const char *p = b->headers == NULL ? "" : b->headers;
	size_t i, n;

	if (buf_addf(out, f, MAGIC "key %zu\n", b->key_len) == -1 ||
	    buf_add(out, b->key, b->key_len, f) == -1 ||
	    buf_addf(out, f, "\netag %s\nsize %" PRIu64 "\n"
	    "modified %" PRId64 "\ndata %s\n", b->etag, b->size,
	    b->modified_ms, b->data) == -1)
		return -1;
	for (; *p != '\0'; p += n + 1) {
		n = strcspn(p, "\n");
		if (buf_addf(out, f, "header %.*s\n", (int)n, p) == -1)
			return -1;
	}
	for (i = 0; i < b->nextents; i++)
		if (buf_addf(out, f, "extent %s %" PRIu64 "\n",
		    b->extents[i].file, b->extents[i].size) == -1)
			return -1;
	return buf_adds(out, "end\n", f);
}

static int
manifest_write(const struct objects *o, const char *path,
    const struct object *b, struct fail *f)
{
	struct buf text = BUF_INIT(MANIFEST_MAX);
	char tmp[PATH_SIZE], random[17], *slash;
	int fd = -1, rc = -1;

	if (manifest_print(b, &text, f) == -1 ||
	    random_hex(random, 8, f) == -1)
		goto out;
	snprintf(tmp, sizeof(tmp) - 32, "%s", path);
	slash = strrchr(tmp, '/');
	sprintf(slash + 1, ".tmp-%s", random);
	fd = openat(o->root, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
	    0600);
	if (fd == -1) {
		fail_sys(f, EX_CANTCREAT, "%s", tmp);
		goto out;
	}
	if (buf_write(&text, fd, tmp, f) == -1) {
		;
	} else if (fsync(fd) == -1 ||
	    renameat(o->root, tmp, o->root, path) == -1) {
		fail_sys(f, EX_IOERR, "%s", path);
	} else {
		rc = sync_parent(o, path, f);
	}
	close(fd);
	if (rc == -1)
		unlinkat(o->root, tmp, 0);
out:
	buf_free(&text);
	return rc;
}

/* One "name value" line of a manifest, after its key. */
static int
manifest_line(struct object *b, char *line, size_t *room, struct buf *headers,
    struct fail *f)
{
	struct extent *e;
	char *value = strchr(line, ' ');

	if (value == NULL)
		return fail_set(f, EX_IOERR, "damaged: %.20s", line);
	*value++ = '\0';
	if (strcmp(line, "etag") == 0) {
		snprintf(b->etag, sizeof(b->etag), "%s", value);
	} else if (strcmp(line, "size") == 0) {
		b->size = strtoull(value, NULL, 10);
	} else if (strcmp(line, "modified") == 0) {
		b->modified_ms = strtoll(value, NULL, 10);
	} else if (strcmp(line, "data") == 0 && id_ok(value)) {
		memcpy(b->data, value, sizeof(b->data));
	} else if (strcmp(line, "header") == 0) {
		return buf_addf(headers, f, "%s\n", value);
	} else if (strcmp(line, "extent") == 0) {
		if (b->nextents == *room) {
			*room = *room == 0 ? 1 : *room * 2;
			e = reallocarray(b->extents, *room, sizeof(*e));
			if (e == NULL)
				return fail_set(f, EX_OSERR, "out of memory");
			b->extents = e;
		}
		e = &b->extents[b->nextents];
		memset(e, 0, sizeof(*e));
		if (sscanf(value, "%47[0-9a-f-] %" SCNu64, e->file,
		    &e->size) != 2)
			return fail_set(f, EX_IOERR, "damaged extent");
		e->start = b->nextents == 0 ? 0 : e[-1].start + e[-1].size;
		b->nextents++;
	} else {
		return fail_set(f, EX_IOERR, "damaged: %.20s", line);
	}
	return 0;
}

static int
manifest_parse(struct object *b, struct buf *text, struct fail *f)
{
	struct buf headers = BUF_INIT(MANIFEST_MAX);
	char *p = text->data, *end, *line;
	size_t n, room = 0;

	if (text->len < sizeof(MAGIC) + 4 ||
	    strncmp(p, MAGIC "key ", sizeof(MAGIC) + 3) != 0)
		return fail_set(f, EX_IOERR, "damaged");
	n = strtoul(p + sizeof(MAGIC) + 3, &p, 10);
	end = text->data + text->len;
	if (*p++ != '\n' || n > (size_t)(end - p) || n > OBJECTS_KEY_MAX ||
	    p[n] != '\n')
		return fail_set(f, EX_IOERR, "damaged key");
	if ((b->key = strndup(p, n)) == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	b->key_len = n;
	for (p += n + 1; (line = strsep(&p, "\n")) != NULL; ) {
		if (strcmp(line, "end") == 0) {
			b->headers = headers.data;
			return 0;
		}
		if (manifest_line(b, line, &room, &headers, f) == -1)
			break;
	}
	buf_free(&headers);
	if (line == NULL)
		return fail_set(f, EX_IOERR, "cut short");
	return -1;
}

/* 1 read, 0 there is none, -1. */
static int
manifest_read(const struct objects *o, const char *path, struct object *b,
    struct fail *f)
{
	struct buf text = BUF_INIT(MANIFEST_MAX);
	int fd = openat(o->root, path, O_RDONLY | O_CLOEXEC), rc;

	memset(b, 0, sizeof(*b));
	b->fd = -1;
	if (fd == -1)
		return errno == ENOENT ? 0 :
		    fail_sys(f, EX_IOERR, "%s", path);
	rc = buf_read(&text, fd, path, f);
	close(fd);
	if (rc == 0 && (rc = manifest_parse(b, &text, f)) == -1)
		fail_in(f, path);
	buf_free(&text);
	if (rc == -1) {
		object_clear(b);
		return -1;
	}
	return 1;
}

/* Data folders and who reads them.  All with the mutex held. */

static void
remove_data(const struct objects *o, const char *bucket, const char *id)
{
	char path[PATH_SIZE];
	struct dirent *d;
	DIR *dir;
	int fd;

	data_path(path, bucket, id, "");
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
		remove_data(o, bucket, id);
	free(gone);
}

static void
doom_data(struct objects *o, const char *bucket, const char *id)
{
	struct lease *l = *lease_find(o, bucket, id);

	if (l != NULL)
		l->doomed = true;
	else
		remove_data(o, bucket, id);
}

/* Make an object count, and its forerunner not.  With the mutex held. */
static int
object_install(struct objects *o, const struct object *b, struct fail *f)
{
	char path[PATH_SIZE], dir[PATH_SIZE];
	struct object old;
	int had;

	object_path(path, b->bucket, b->key);
	snprintf(dir, sizeof(dir), "%.*s", (int)(strrchr(path, '/') - path),
	    path);
	if (mkdirat(o->root, dir, 0700) == 0) {
		if (sync_parent(o, dir, f) == -1)
			return -1;
	} else if (errno != EEXIST) {
		return fail_sys(f, EX_CANTCREAT, "%s", dir);
	}
	/* A damaged forerunner is as good as none. */
	had = manifest_read(o, path, &old, f);
	if (manifest_write(o, path, b, f) == -1) {
		if (had == 1)
			object_clear(&old);
		return -1;
	}
	if (had == 1) {
		if (strcmp(old.data, b->data) != 0)
			doom_data(o, b->bucket, old.data);
		object_clear(&old);
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

	object_path(path, bucket, key);
	pthread_mutex_lock(&o->mutex);
	rc = manifest_read(o, path, b, f);
	if (rc == 1) {
		if (lease_take(o, bucket, b->data, f) == -1) {
			object_clear(b);
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
	data_path(path, b->bucket, b->data, b->extents[low].file);
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
	object_clear(b);
}

enum objects_result
objects_delete(struct objects *o, const char *bucket, const char *key,
    struct fail *f)
{
	char path[PATH_SIZE];
	struct object old;
	int rc;

	object_path(path, bucket, key);
	pthread_mutex_lock(&o->mutex);
	rc = manifest_read(o, path, &old, f);
	if (rc != 0) {
		/* A damaged one can be deleted, too. */
		if (unlinkat(o->root, path, 0) == -1)
			rc = fail_sys(f, EX_IOERR, "%s", path);
		else if (sync_parent(o, path, f) == -1)
			rc = -1;
		else if (rc == 1) {
			doom_data(o, bucket, old.data);
			object_clear(&old);
		} else
			rc = 0;
	}
	pthread_mutex_unlock(&o->mutex);
	return rc == -1 ? OBJECTS_FAILED : OBJECTS_OK;
}

/* Uploads: an id is only good together with its bucket and key. */
static enum objects_result
upload_find(struct objects *o, const char *bucket, const char *key,
    const char *id, struct object *b, struct fail *f)
{
	char path[PATH_SIZE];
	int rc;

	if (!id_ok(id))
		return OBJECTS_NO_UPLOAD;
	upload_path(path, bucket, id);
	rc = manifest_read(o, path, b, f);
	if (rc == 1 && strcmp(b->key, key) != 0) {
		object_clear(b);
		rc = 0;
	}
	if (rc == 1)
		snprintf(b->bucket, sizeof(b->bucket), "%s", bucket);
	return rc == 1 ? OBJECTS_OK : rc == 0 ? OBJECTS_NO_UPLOAD :
	    OBJECTS_FAILED;
}

static int
make_data(struct objects *o, const char *bucket, const char *id,
    struct fail *f)
{
	char path[PATH_SIZE];

	data_path(path, bucket, id, "");
	if (mkdirat(o->root, path, 0700) == -1)
		return fail_sys(f, EX_CANTCREAT, "%s", path);
	return sync_parent(o, path, f);
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
	if (random_hex(random, 8, f) == -1)
		return OBJECTS_FAILED;
	snprintf(w->file, sizeof(w->file), ".tmp-%s", random);

	pthread_mutex_lock(&o->mutex);
	if (upload_id == NULL) {
		if (random_hex(w->id, OBJECTS_ID / 2, f) == -1 ||
		    make_data(o, bucket, w->id, f) == -1)
			goto out;
	} else {
		r = upload_find(o, bucket, key, upload_id, &b, f);
		if (r != OBJECTS_OK)
			goto out;
		object_clear(&b);
		memcpy(w->id, upload_id, sizeof(w->id));
	}
	data_path(path, bucket, w->id, w->file);
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

	data_path(from, w->bucket, w->id, w->file);
	/* The file's name has the part's ETag, so a link to it tells all. */
	hex(name, w->md5_digest, sizeof(w->md5_digest));
	snprintf(name + 32, sizeof(name) - 32, "-%.8s", w->file + 5);
	data_path(to, w->bucket, w->id, name);
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
	data_path(path, w->bucket, w->id, w->file);
	unlinkat(w->objects->root, path, 0);
	if (!w->part)
		remove_data(w->objects, w->bucket, w->id);
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
		.modified_ms = now_ms(),
		.extents = &e,
		.nextents = 1,
	};
	char dir[PATH_SIZE];
	int rc = -1;

	data_path(dir, w->bucket, w->id, "");
	memcpy(b.bucket, w->bucket, sizeof(b.bucket));
	memcpy(b.data, w->id, sizeof(b.data));
	if (writer_settle(w, f) == 0 &&
	    sync_dir(w->objects, dir, f) == 0) {
		memcpy(e.file, w->file, sizeof(e.file));
		hex(b.etag, w->md5_digest, sizeof(w->md5_digest));
		pthread_mutex_lock(&w->objects->mutex);
		rc = object_install(w->objects, &b, f);
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
	data_path(path, w->bucket, w->id, name);
	snprintf(file, sizeof(file), ".link-%.8s", w->file + 33);
	data_path(tmp, w->bucket, w->id, file);
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
		data_path(path, w->bucket, w->id, old);
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
	    (r = upload_find(o, w->bucket, key, w->id, &b, f)) ==
	    OBJECTS_OK) {
		object_clear(&b);
		if (writer_settle(w, f) == -1 ||
		    link_part(w, number, f) == -1)
			r = OBJECTS_FAILED;
	}
	if (r != OBJECTS_OK)
		writer_undo(w);
	pthread_mutex_unlock(&o->mutex);
	if (r != OBJECTS_OK)
		return r;
	data_path(dir, w->bucket, w->id, "");
	if (sync_dir(o, dir, f) == -1)
		return OBJECTS_FAILED;
	memset(etag, 0, OBJECTS_ETAG);
	hex(etag, w->md5_digest, sizeof(w->md5_digest));
	return OBJECTS_OK;
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
		.modified_ms = now_ms(),
		.etag = "-",
	};
	char path[PATH_SIZE];
	int rc = -1;

	if (random_hex(id, OBJECTS_ID / 2, f) == -1)
		return OBJECTS_FAILED;
	memcpy(b.data, id, sizeof(b.data));
	upload_path(path, bucket, id);
	pthread_mutex_lock(&o->mutex);
	if (make_data(o, bucket, id, f) == 0 &&
	    (rc = manifest_write(o, path, &b, f)) == -1)
		remove_data(o, bucket, id);
	pthread_mutex_unlock(&o->mutex);
	return rc == -1 ? OBJECTS_FAILED : OBJECTS_OK;
}

/* A part by its link: 1, 0 if there is none, -1. */
static int
part_read(int dir, const char *name, char file[48], struct stat *st,
    struct fail *f)
{
	ssize_t n = readlinkat(dir, name, file, 47);

	if (n == -1)
		return errno == ENOENT ? 0 : fail_sys(f, EX_IOERR, "part");
	file[n] = '\0';
	if (n != 41 || strspn(file, "0123456789abcdef-") != 41)
		return fail_set(f, EX_IOERR, "part %s: damaged", name);
	if (fstatat(dir, file, st, AT_SYMLINK_NOFOLLOW) == -1)
		return fail_sys(f, EX_IOERR, "part %s", name);
	return 1;
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
	char file[48];
	size_t room = 0;

	while ((d = readdir(dir)) != NULL) {
		if (strlen(d->d_name) != 5 ||
		    strspn(d->d_name, "0123456789") != 5)
			continue;
		if (part_read(fd, d->d_name, file, &st, f) != 1)
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

static int
data_open(struct objects *o, const char *bucket, const char *id,
    struct fail *f)
{
	char path[PATH_SIZE];
	int fd;

	data_path(path, bucket, id, "");
	fd = openat(o->root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		return fail_sys(f, EX_IOERR, "%s", path);
	return fd;
}

enum objects_result
objects_upload_parts(struct objects *o, const char *bucket, const char *key,
    const char *id, struct objects_part **parts, size_t *n, struct fail *f)
{
	enum objects_result r;
	struct object b;
	DIR *dir = NULL;
	int fd;

	*parts = NULL;
	*n = 0;
	pthread_mutex_lock(&o->mutex);
	r = upload_find(o, bucket, key, id, &b, f);
	if (r == OBJECTS_OK) {
		object_clear(&b);
		r = OBJECTS_FAILED;
		fd = data_open(o, bucket, id, f);
		if (fd != -1 && (dir = fdopendir(fd)) == NULL) {
			fail_sys(f, EX_OSERR, "fdopendir");
			close(fd);
		} else if (fd != -1) {
			if (parts_scan(fd, dir, parts, n, f) == 0)
				r = OBJECTS_OK;
			closedir(dir);
		}
	}
	pthread_mutex_unlock(&o->mutex);
	if (r != OBJECTS_OK) {
		free(*parts);
		*parts = NULL;
		*n = 0;
	} else if (*n > 0) {
		qsort(*parts, *n, sizeof(**parts), part_order);
	}
	return r;
}

/* The listed parts as extents, and the ETag they make together. */
static enum objects_result
assemble(struct objects *o, int dir, const struct objects_part *parts,
    size_t n, struct object *b, struct fail *f)
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
		rc = part_read(dir, name, e->file, &st, f);
		if (rc == -1)
			return OBJECTS_FAILED;
		if (rc == 0 || strlen(parts[i].etag) != 32 ||
		    strncmp(parts[i].etag, e->file, 32) != 0)
			return OBJECTS_INVALID_PART;
		if ((uint64_t)st.st_size < o->part_min && i + 1 < n)
			return OBJECTS_TOO_SMALL;
		e->size = (uint64_t)st.st_size;
		e->start = b->size;
		b->size += e->size;
		if (unhex(digest, e->file, sizeof(digest)) == -1)
			return OBJECTS_INVALID_PART;
		md5_update(&md5, sizeof(digest), digest);
	}
	b->nextents = n;
	md5_digest(&md5, sizeof(digest), digest);
	hex(b->etag, digest, sizeof(digest));
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
static void
tidy(int fd, struct extent *extents, size_t n)
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
	char path[PATH_SIZE];
	struct object b;
	struct fail f;
	bool same;
	size_t i;

	object_path(path, bucket, key);
	if (manifest_read(o, path, &b, &f) != 1)
		return false;
	same = strcmp(b.data, id) == 0 && b.nextents == n;
	for (i = 0; same && i < n; i++)
		same = strlen(parts[i].etag) == 32 &&
		    strncmp(parts[i].etag, b.extents[i].file, 32) == 0;
	if (same)
		memcpy(etag, b.etag, OBJECTS_ETAG);
	object_clear(&b);
	return same;
}

enum objects_result
objects_upload_complete(struct objects *o, const char *bucket,
    const char *key, const char *id, const struct objects_part *parts,
    size_t n, char etag[OBJECTS_ETAG], struct fail *f)
{
	enum objects_result r;
	char path[PATH_SIZE];
	struct object b;
	int fd = -1;

	if (n == 0 || n > OBJECTS_PARTS_MAX)
		return OBJECTS_INVALID_PART;
	pthread_mutex_lock(&o->mutex);
	r = upload_find(o, bucket, key, id, &b, f);
	if (r != OBJECTS_OK) {
		if (r == OBJECTS_NO_UPLOAD && id_ok(id) &&
		    completed(o, bucket, key, id, parts, n, etag))
			r = OBJECTS_OK;
		goto out;
	}
	r = OBJECTS_FAILED;
	b.modified_ms = now_ms();
	if ((fd = data_open(o, bucket, id, f)) != -1 &&
	    (r = assemble(o, fd, parts, n, &b, f)) == OBJECTS_OK) {
		/* Renaming the object's file is what completes it. */
		if (object_install(o, &b, f) == -1) {
			r = OBJECTS_FAILED;
		} else {
			memcpy(etag, b.etag, OBJECTS_ETAG);
			upload_path(path, bucket, id);
			unlinkat(o->root, path, 0);
			tidy(fd, b.extents, b.nextents);
			fd = -1;
		}
	}
	object_clear(&b);
out:
	pthread_mutex_unlock(&o->mutex);
	if (fd != -1)
		close(fd);
	return r;
}

enum objects_result
objects_upload_abort(struct objects *o, const char *bucket, const char *key,
    const char *id, struct fail *f)
{
	enum objects_result r;
	char path[PATH_SIZE];
	struct object b;

	pthread_mutex_lock(&o->mutex);
	r = upload_find(o, bucket, key, id, &b, f);
	if (r == OBJECTS_OK) {
		object_clear(&b);
		upload_path(path, bucket, id);
		if (unlinkat(o->root, path, 0) == -1 ||
		    sync_parent(o, path, f) == -1) {
			fail_sys(f, EX_IOERR, "%s", path);
			r = OBJECTS_FAILED;
		} else {
			remove_data(o, bucket, id);
		}
	}
	pthread_mutex_unlock(&o->mutex);
	return r;
}

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
		object_clear(b);
		return 0;
	}
	if (w->n == w->room) {
		w->room = w->room == 0 ? 64 : w->room * 2;
		e = reallocarray(w->entries, w->room, sizeof(*e));
		if (e == NULL) {
			object_clear(b);
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
	object_clear(b);
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

	object_path(object, w->bucket, b->key);
	if (manifest_read(w->o, object, &done, f) == 1) {
		if (strcmp(done.data, b->data) == 0) {
			unlinkat(w->o->root, path, 0);
			fd = data_open(w->o, w->bucket, done.data, f);
			if (fd != -1)
				tidy(fd, done.extents, done.nextents);
		}
		object_clear(&done);
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
	struct objects_entry key;

	if (w->n == 0)
		return false;
	memcpy(key.id, id, sizeof(key.id));
	return bsearch(&key, w->entries, w->n, sizeof(key), id_order) != NULL;
}

static int
sweep(struct objects *o, const char *bucket, struct fail *f)
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
			if (id_ok(d->d_name) && !is_known(&w, d->d_name))
				remove_data(o, bucket, d->d_name);
	}
	if (dir != NULL)
		closedir(dir);
	else if (fd != -1)
		close(fd);
	objects_list_free(w.entries, w.n);
	return rc;
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
	return sync_dir(o, bucket, f) == -1 ? -1 : sweep(o, bucket, f);
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
