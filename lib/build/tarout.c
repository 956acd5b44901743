#include <sys/stat.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "build/tarout.h"
#include "core/buf.h"

#define BLOCK		512
#define ROOM		(128UL << 10)
#define PAX_MAX		(4UL << 20)	/* records of one entry */

struct tarout {
	int		 fd;
	uint64_t	 left;		/* data of this entry still to come */
	size_t		 pad;		/* and zeros behind it */
	struct buf	 pax;
	size_t		 n;
	char		 buf[ROOM];
};

/* POSIX.1-2001, "ustar Interchange Format". */
struct header {
	char	name[100], mode[8], uid[8], gid[8], size[12], mtime[12],
		sum[8], type, link[100], magic[6], version[2], uname[32],
		gname[32], major[8], minor[8], prefix[155], rest[12];
};

struct tarout *
tarout_new(int fd, struct fail *f)
{
	struct tarout *t = malloc(sizeof(*t));

	if (t == NULL) {
		fail_set(f, EX_OSERR, "out of memory");
		return NULL;
	}
	t->fd = fd;
	t->left = 0;
	t->pad = t->n = 0;
	t->pax = (struct buf)BUF_INIT(PAX_MAX);
	return t;
}

void
tarout_free(struct tarout *t)
{
	if (t != NULL)
		buf_free(&t->pax);
	free(t);
}

static int
put(struct tarout *t, const void *p, size_t n, struct fail *f)
{
	struct buf b = { .data = t->buf };

	if (n > ROOM - t->n) {
		b.len = t->n;
		t->n = 0;
		if (buf_write(&b, t->fd, "stdout", f) == -1)
			return -1;
	}
	if (n > ROOM) {
		b.data = (char *)(uintptr_t)p;
		b.len = n;
		return buf_write(&b, t->fd, "stdout", f);
	}
	memcpy(t->buf + t->n, p, n);
	t->n += n;
	return 0;
}

static int
zeros(struct tarout *t, size_t n, struct fail *f)
{
	static const char zero[BLOCK];

	return put(t, zero, n, f);
}

/* "LENGTH key=value\n", the length counting its own digits. */
static int
record(struct tarout *t, const char *key, const char *more, const void *value,
    size_t n, struct fail *f)
{
	size_t rest = strlen(key) + strlen(more) + n + 3, len = rest + 1;
	char digits[24];

	while (rest + (size_t)snprintf(digits, sizeof(digits), "%zu", len) !=
	    len)
		len = rest + strlen(digits);
	if (buf_addf(&t->pax, f, "%zu %s%s=", len, key, more) == -1 ||
	    buf_add(&t->pax, value, n, f) == -1)
		return -1;
	return buf_add(&t->pax, "\n", 1, f);
}

static int
record_u64(struct tarout *t, const char *key, uint64_t v, struct fail *f)
{
	char s[24];

	return record(t, key, "", s, (size_t)snprintf(s, sizeof(s),
	    "%" PRIu64, v), f);
}

int
tarout_xattr(struct tarout *t, const char *name, const void *value, size_t n,
    struct fail *f)
{
	return record(t, "SCHILY.xattr.", name, value, n, f);
}

/* Octal, NUL behind; a value that does not fit must be in a pax record. */
static void
octal(char *dst, size_t size, uint64_t v)
{
	if (v >> (3 * (size - 1)) != 0)
		v = 0;
	snprintf(dst, size, "%0*" PRIo64, (int)size - 1, v);
}

static void
finish(struct header *h)
{
	const unsigned char *p = (const unsigned char *)h;
	unsigned sum = 0, i;

	memcpy(h->magic, "ustar", 6);
	memcpy(h->version, "00", 2);
	memset(h->sum, ' ', sizeof(h->sum));
	for (i = 0; i < BLOCK; i++)
		sum += p[i];
	snprintf(h->sum, sizeof(h->sum), "%06o", sum);
}

/* As much of a text as fits: the rest is in a pax record. */
static void
text(char *dst, size_t size, const char *s)
{
	size_t n = strlen(s);

	memcpy(dst, s, n < size ? n : size);
}

static int
pax_header(struct tarout *t, struct fail *f)
{
	struct header h = { .type = 'x' };

	text(h.name, sizeof(h.name), "pax");
	octal(h.mode, sizeof(h.mode), 0644);
	octal(h.uid, sizeof(h.uid), 0);
	octal(h.gid, sizeof(h.gid), 0);
	octal(h.size, sizeof(h.size), t->pax.len);
	octal(h.mtime, sizeof(h.mtime), 0);
	finish(&h);
	if (put(t, &h, sizeof(h), f) == -1 ||
	    put(t, t->pax.data, t->pax.len, f) == -1 ||
	    zeros(t, (BLOCK - t->pax.len % BLOCK) % BLOCK, f) == -1)
		return -1;
	buf_clear(&t->pax);
	return 0;
}

static char
type(const struct tarout_entry *e)
{
	return e->hard ? '1' : S_ISLNK(e->mode) ? '2' :
	    S_ISCHR(e->mode) ? '3' : S_ISBLK(e->mode) ? '4' :
	    S_ISDIR(e->mode) ? '5' : S_ISFIFO(e->mode) ? '6' : '0';
}

/* What ustar's fields cannot say. */
static int
extend(struct tarout *t, const struct tarout_entry *e, const char *name,
    struct fail *f)
{
	char s[24];

	if (strlen(name) > 100 &&
	    record(t, "path", "", name, strlen(name), f) == -1)
		return -1;
	if (e->link != NULL && strlen(e->link) > 100 && record(t, "linkpath",
	    "", e->link, strlen(e->link), f) == -1)
		return -1;
	if (e->size >> 33 != 0 && record_u64(t, "size", e->size, f) == -1)
		return -1;
	if (e->uid >> 21 != 0 && record_u64(t, "uid", e->uid, f) == -1)
		return -1;
	if (e->gid >> 21 != 0 && record_u64(t, "gid", e->gid, f) == -1)
		return -1;
	if ((e->mtime < 0 || e->mtime >> 33 != 0) && record(t, "mtime", "", s,
	    (size_t)snprintf(s, sizeof(s), "%" PRId64, e->mtime), f) == -1)
		return -1;
	return 0;
}

int
tarout_begin(struct tarout *t, const struct tarout_entry *e, struct fail *f)
{
	struct header h = { .type = type(e) };
	char *slash = NULL;
	const char *name = e->name;
	int r = -1;

	if (t->left != 0)
		return fail_set(f, EX_SOFTWARE, "tar: data is missing");
	if (t->pad != 0 && zeros(t, t->pad, f) == -1)
		return -1;
	t->pad = 0;
	if (h.type == '5') {
		if (asprintf(&slash, "%s/", name) == -1)
			return fail_set(f, EX_OSERR, "out of memory");
		name = slash;
	}
	if (extend(t, e, name, f) == -1 ||
	    (t->pax.len != 0 && pax_header(t, f) == -1))
		goto out;
	text(h.name, sizeof(h.name), name);
	octal(h.mode, sizeof(h.mode), e->mode & 07777);
	octal(h.uid, sizeof(h.uid), e->uid);
	octal(h.gid, sizeof(h.gid), e->gid);
	octal(h.size, sizeof(h.size), e->size);
	octal(h.mtime, sizeof(h.mtime), e->mtime < 0 ? 0 :
	    (uint64_t)e->mtime);
	octal(h.major, sizeof(h.major), e->major);
	octal(h.minor, sizeof(h.minor), e->minor);
	if (e->link != NULL)
		text(h.link, sizeof(h.link), e->link);
	finish(&h);
	if (put(t, &h, sizeof(h), f) == -1)
		goto out;
	t->left = e->size;
	t->pad = (BLOCK - e->size % BLOCK) % BLOCK;
	r = 0;
out:
	free(slash);
	return r;
}

int
tarout_data(struct tarout *t, const void *p, size_t n, struct fail *f)
{
	if (n > t->left)
		return fail_set(f, EX_SOFTWARE, "tar: more data than said");
	t->left -= n;
	return put(t, p, n, f);
}

int
tarout_end(struct tarout *t, struct fail *f)
{
	struct buf b = { .data = t->buf };

	if (t->left != 0)
		return fail_set(f, EX_SOFTWARE, "tar: data is missing");
	if (zeros(t, t->pad, f) == -1 || zeros(t, BLOCK, f) == -1 ||
	    zeros(t, BLOCK, f) == -1)
		return -1;
	b.len = t->n;
	t->n = 0;
	return buf_write(&b, t->fd, "stdout", f);
}
