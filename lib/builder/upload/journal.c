#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <nettle/base16.h>
#include <nettle/sha2.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "builder/upload/journal.h"
#include "core/buf.h"

#define MAGIC		"tl-upload 1 "
#define JOURNAL_LINE	400	/* a number, an MD5 and an ETag fit well */

struct journal {
	int	 fd;
	char	*path;
};

static int
head(struct buf *b, const char *id, uint64_t size, uint64_t part_size,
    struct fail *f)
{
	char hex[BASE16_ENCODE_LENGTH(SHA256_DIGEST_SIZE) + 1] = "";
	uint8_t sum[SHA256_DIGEST_SIZE];
	struct sha256_ctx sha;

	sha256_init(&sha);
	sha256_update(&sha, strlen(id), (const uint8_t *)id);
	sha256_digest(&sha, sizeof(sum), sum);
	base16_encode_update(hex, sizeof(sum), sum);
	return buf_addf(b, f, MAGIC "%s %" PRIu64 " %" PRIu64 "\n", hex, size,
	    part_size);
}

/* One line without its newline; false if it is none of ours. */
static bool
line(char *s, void (*each)(void *, uint64_t, const unsigned char *,
    const char *), void *arg)
{
	unsigned char md5[PARTSUM_LEN];
	struct base16_decode_ctx hex;
	size_t n = sizeof(md5);
	uint64_t number;
	char *end;

	if (*s < '1' || *s > '9')
		return false;
	number = strtoull(s, &end, 10);
	if (*end != ' ' || strlen(end + 1) < 2 * sizeof(md5) + 2 ||
	    end[1 + 2 * sizeof(md5)] != ' ')
		return false;
	base16_decode_init(&hex);
	if (!base16_decode_update(&hex, &n, md5, 2 * sizeof(md5), end + 1) ||
	    n != sizeof(md5) || !base16_decode_final(&hex))
		return false;
	each(arg, number, md5, end + 2 + 2 * sizeof(md5));
	return true;
}

/* Read what is there; how many bytes of it count. */
static size_t
replay(struct buf *b, const struct buf *first, void (*each)(void *, uint64_t,
    const unsigned char *, const char *), void *arg)
{
	size_t at = first->len;
	char *nl;

	if (b->len < first->len || memcmp(b->data, first->data, at) != 0)
		return 0;
	while ((nl = memchr(b->data + at, '\n', b->len - at)) != NULL) {
		*nl = '\0';
		if (!line(b->data + at, each, arg))
			break;
		at = (size_t)(nl + 1 - b->data);
	}
	return at;
}

struct journal *
journal_open(const char *path, const char *upload_id, uint64_t size,
    uint64_t part_size, void (*each)(void *, uint64_t, const unsigned char *,
    const char *), void *arg, struct fail *f)
{
	struct buf b = BUF_INIT(BUF_SMALL_MAX), first = BUF_INIT(JOURNAL_LINE);
	struct journal *j = calloc(1, sizeof(*j));
	struct stat st;
	size_t good;

	if (j == NULL || (j->path = strdup(path)) == NULL) {
		free(j);
		fail_set(f, EX_OSERR, "out of memory");
		return NULL;
	}
	j->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (j->fd == -1 || fstat(j->fd, &st) == -1) {
		fail_sys(f, EX_CANTCREAT, "%s", path);
		goto bad;
	}
	if (!S_ISREG(st.st_mode)) {
		fail_set(f, EX_CANTCREAT, "%s: not a regular file", path);
		goto bad;
	}
	if (flock(j->fd, LOCK_EX | LOCK_NB) == -1) {
		if (errno == EWOULDBLOCK)
			fail_set(f, EX_TEMPFAIL, "%s: another upload uses it",
			    path);
		else
			fail_sys(f, EX_OSERR, "%s", path);
		goto bad;
	}
	if (fchmod(j->fd, 0600) == -1) {
		fail_sys(f, EX_NOPERM, "%s", path);
		goto bad;
	}
	if (buf_read(&b, j->fd, path, f) == -1 ||
	    head(&first, upload_id, size, part_size, f) == -1)
		goto bad;
	/* Whatever else this is, it is not ours to empty. */
	if (b.len != 0 && (b.len < strlen(MAGIC) ||
	    memcmp(b.data, MAGIC, strlen(MAGIC)) != 0)) {
		fail_set(f, EX_DATAERR, "%s: not a journal of tl-upload",
		    path);
		goto bad;
	}
	good = replay(&b, &first, each, arg);
	if (ftruncate(j->fd, (off_t)good) == -1 ||
	    lseek(j->fd, (off_t)good, SEEK_SET) == -1) {
		fail_sys(f, EX_IOERR, "%s", path);
		goto bad;
	}
	if (good == 0 && buf_write(&first, j->fd, path, f) == -1)
		goto bad;
	buf_free(&b);
	buf_free(&first);
	return j;
bad:
	buf_free(&b);
	buf_free(&first);
	journal_close(j, 0);
	return NULL;
}

int
journal_add(struct journal *j, uint64_t number,
    const unsigned char md5[PARTSUM_LEN], const char *etag, struct fail *f)
{
	char hex[BASE16_ENCODE_LENGTH(PARTSUM_LEN) + 1] = "";
	struct buf b = BUF_INIT(JOURNAL_LINE);
	int r;

	base16_encode_update(hex, PARTSUM_LEN, md5);
	r = buf_addf(&b, f, "%" PRIu64 " %s %s\n", number, hex, etag);
	if (r == 0)
		r = buf_write(&b, j->fd, j->path, f);
	if (r == 0 && fdatasync(j->fd) == -1)
		r = fail_sys(f, EX_IOERR, "%s", j->path);
	buf_free(&b);
	return r;
}

void
journal_close(struct journal *j, int over)
{
	if (j == NULL)
		return;
	if (over)
		unlink(j->path);
	if (j->fd != -1)
		close(j->fd);
	free(j->path);
	free(j);
}
