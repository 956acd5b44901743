#include <sys/random.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/hex.h"
#include "region/store/objects_impl.h"

#define MAGIC		"tl-object 1\n"
/* 10,000 extents of 60 bytes, a key and headers. */
#define MANIFEST_MAX	(2UL << 20)
#define MODIFIED_MAX	253402300799999	/* the year 9999 */

int
objects_random(char *out, size_t bytes, struct fail *f)
{
	uint8_t raw[OBJECTS_ID / 2];

	if (getrandom(raw, bytes, 0) != (ssize_t)bytes)
		return fail_sys(f, EX_OSERR, "getrandom");
	hex_encode(out, raw, bytes);
	return 0;
}

bool
objects_id_ok(const char *id)
{
	return strlen(id) == OBJECTS_ID &&
	    strspn(id, "0123456789abcdef") == OBJECTS_ID;
}

/* Where things are, below the root.  Buckets have at most 63 bytes. */

void
objects_object_path(char path[PATH_SIZE], const char *bucket, const char *key)
{
	uint8_t digest[SHA256_DIGEST_SIZE];
	char name[2 * SHA256_DIGEST_SIZE + 1];
	struct sha256_ctx c;

	sha256_init(&c);
	sha256_update(&c, strlen(key), (const uint8_t *)key);
	sha256_digest(&c, sizeof(digest), digest);
	hex_encode(name, digest, sizeof(digest));
	snprintf(path, PATH_SIZE, "%s/objects/%.2s/%s", bucket, name, name);
}

void
objects_upload_path(char path[PATH_SIZE], const char *bucket, const char *id)
{
	snprintf(path, PATH_SIZE, "%s/uploads/%s", bucket, id);
}

void
objects_data_path(char path[PATH_SIZE], const char *bucket, const char *id,
    const char *file)
{
	snprintf(path, PATH_SIZE, "%s/data/%s%s%s", bucket, id,
	    *file == '\0' ? "" : "/", file);
}

/* A rename or a new file in a folder lasts once that was synced. */
int
objects_sync_dir(const struct objects *o, const char *path, struct fail *f)
{
	int fd = openat(o->root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = 0;

	if (fd == -1 || fsync(fd) == -1)
		rc = fail_sys(f, EX_IOERR, "%s", path);
	if (fd != -1)
		close(fd);
	return rc;
}

/* The folder a path is in, synced so that a rename there lasts. */
int
objects_sync_parent(const struct objects *o, const char *path, struct fail *f)
{
	char dir[PATH_SIZE];
	char *slash;

	snprintf(dir, sizeof(dir), "%s", path);
	if ((slash = strrchr(dir, '/')) != NULL)
		*slash = '\0';
	return objects_sync_dir(o, dir, f);
}

/* Manifests: the file of an object or of an upload. */

void
manifest_clear(struct object *b)
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

int
manifest_write(const struct objects *o, const char *path,
    const struct object *b, char tmp[PATH_SIZE], struct fail *f)
{
	struct buf text = BUF_INIT(MANIFEST_MAX);
	char random[17], *slash;
	int fd = -1, rc = -1;

	if (manifest_print(b, &text, f) == -1 ||
	    objects_random(random, 8, f) == -1)
		goto out;
	snprintf(tmp, PATH_SIZE - 32, "%s", path);
	slash = strrchr(tmp, '/');
	sprintf(slash + 1, ".tmp-%s", random);
	fd = openat(o->root, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
	    0600);
	if (fd == -1) {
		fail_sys(f, EX_CANTCREAT, "%s", tmp);
		goto out;
	}
	if ((rc = buf_write(&text, fd, tmp, f)) == 0 && fsync(fd) == -1)
		rc = fail_sys(f, EX_IOERR, "%s", path);
	close(fd);
	if (rc == -1)
		unlinkat(o->root, tmp, 0);
out:
	buf_free(&text);
	return rc;
}

/* Digits and nothing else. */
static int
number(const char *s, uint64_t max, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(s, &end, 10);
	return *s < '0' || *s > '9' || *end != '\0' || errno != 0 ||
	    *out > max ? -1 : 0;
}

static bool
is_etag(const char *s)
{
	size_t n = strspn(s, "0123456789abcdef");

	return strcmp(s, "-") == 0 || (n == 32 && (s[n] == '\0' ||
	    (s[n] == '-' && strspn(s + n + 1, "0123456789") ==
	    strlen(s + n + 1) && strlen(s) < OBJECTS_ETAG)));
}

static int
damaged(struct fail *f, const char *what)
{
	return fail_set(f, EX_IOERR, "damaged: %.20s", what);
}

bool
objects_file_ok(const char *s, size_t n)
{
	return n >= OBJECTS_FILE_MIN && n < OBJECTS_FILE &&
	    strspn(s, "0123456789abcdef-") >= n;
}

static int
extent_add(struct object *b, char *value, size_t *room, struct fail *f)
{
	char *size = strchr(value, ' ');
	struct extent *e;

	if (b->nextents == *room) {
		*room = *room == 0 ? 1 : *room * 2;
		e = reallocarray(b->extents, *room, sizeof(*e));
		if (e == NULL)
			return fail_set(f, EX_OSERR, "out of memory");
		b->extents = e;
	}
	e = &b->extents[b->nextents];
	memset(e, 0, sizeof(*e));
	if (size == NULL || !objects_file_ok(value, (size_t)(size - value)) ||
	    number(size + 1, INT64_MAX, &e->size) == -1)
		return damaged(f, "extent");
	memcpy(e->file, value, (size_t)(size - value));
	e->start = b->nextents == 0 ? 0 : e[-1].start + e[-1].size;
	if (e->start > INT64_MAX)
		return damaged(f, "extent");
	b->nextents++;
	return 0;
}

/* One "name value" line of a manifest, after its key. */
static int
manifest_line(struct object *b, char *line, size_t *room, struct buf *headers,
    struct fail *f)
{
	char *value = strchr(line, ' ');
	uint64_t n;

	if (value == NULL)
		return damaged(f, line);
	*value++ = '\0';
	if (strcmp(line, "etag") == 0 && is_etag(value)) {
		snprintf(b->etag, sizeof(b->etag), "%s", value);
	} else if (strcmp(line, "size") == 0 &&
	    number(value, INT64_MAX, &n) == 0) {
		b->size = n;
	} else if (strcmp(line, "modified") == 0 &&
	    number(value, MODIFIED_MAX, &n) == 0) {
		b->modified_ms = (int64_t)n;
	} else if (strcmp(line, "data") == 0 && objects_id_ok(value)) {
		memcpy(b->data, value, sizeof(b->data));
	} else if (strcmp(line, "header") == 0 &&
	    strstr(value, ": ") != NULL) {
		return buf_addf(headers, f, "%s\n", value);
	} else if (strcmp(line, "extent") == 0) {
		return extent_add(b, value, room, f);
	} else {
		return damaged(f, line);
	}
	return 0;
}

/* Whether all of it is there, and fits together. */
static int
manifest_whole(const struct object *b, const char *rest, struct fail *f)
{
	uint64_t size = 0;

	if (b->nextents > 0)
		size = b->extents[b->nextents - 1].start +
		    b->extents[b->nextents - 1].size;
	if (*rest != '\0')
		return damaged(f, "more behind its end");
	if (b->etag[0] == '\0' || b->data[0] == '\0')
		return damaged(f, "no ETag, or no data");
	return b->size == size ? 0 : damaged(f, "size");
}

static int
manifest_parse(struct object *b, struct buf *text, struct fail *f)
{
	struct buf headers = BUF_INIT(MANIFEST_MAX);
	char *p = text->data, *end, *line;
	size_t n, room = 0;
	int rc = -1;

	if (text->len < sizeof(MAGIC) + 4 || strlen(p) != text->len ||
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
			rc = manifest_whole(b, p == NULL ? "" : p, f);
			break;
		}
		if (manifest_line(b, line, &room, &headers, f) == -1)
			break;
	}
	if (line == NULL)
		fail_set(f, EX_IOERR, "cut short");
	if (rc == 0)
		b->headers = headers.data;
	else
		buf_free(&headers);
	return rc;
}

/* 1 read, 0 there is none, -1. */
int
manifest_read(const struct objects *o, const char *path, struct object *b,
    struct fail *f)
{
	struct buf text = BUF_INIT(MANIFEST_MAX);
	struct stat st;
	int fd, rc;

	/* What else may lie there, a pipe say, keeps nobody waiting. */
	fd = openat(o->root, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK |
	    O_NOFOLLOW);
	memset(b, 0, sizeof(*b));
	b->fd = -1;
	if (fd == -1)
		return errno == ENOENT ? 0 :
		    fail_sys(f, EX_IOERR, "%s", path);
	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode))
		rc = fail_set(f, EX_IOERR, "%s: damaged: not a file", path);
	else
		rc = buf_read(&text, fd, path, f);
	close(fd);
	if (rc == 0 && (rc = manifest_parse(b, &text, f)) == -1)
		fail_in(f, path);
	buf_free(&text);
	if (rc == -1) {
		manifest_clear(b);
		return -1;
	}
	return 1;
}

/* The same; that of another key is as good as damaged. */
int
objects_manifest(const struct objects *o, const char *bucket, const char *key,
    struct object *b, struct fail *f)
{
	char path[PATH_SIZE];
	int rc;

	objects_object_path(path, bucket, key);
	rc = manifest_read(o, path, b, f);
	if (rc != 1 || strcmp(b->key, key) == 0)
		return rc;
	manifest_clear(b);
	return fail_set(f, EX_IOERR, "%s: damaged: another key", path);
}
