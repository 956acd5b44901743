#include <sys/types.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/utf8.h"
#include "region/sandbox/outlog.h"

/* So much is gathered for a write. */
#define FRESH		(64UL << 10)
/* Most lines are read at once. */
#define FIRST		1024U

/* Before each line in the file. */
struct record {
	uint32_t	len;
	uint32_t	stream;
	int64_t		time_ms;
};

int
outlog_utf8(struct buf *b, const char *s, size_t n, struct fail *f)
{
	size_t i = 0, from = 0, len;
	uint32_t rune;

	while (i < n) {
		len = utf8_rune(s + i, n - i, &rune);
		if (len > 0) {
			i += len;
			continue;
		}
		if (buf_add(b, s + from, i - from, f) == -1 ||
		    buf_add(b, "\xef\xbf\xbd", 3, f) == -1)
			return -1;
		from = ++i;
	}
	return buf_add(b, s + from, n - from, f);
}

int
outlog_open(struct outlog *l, const char *folder, uint64_t max,
    struct fail *f)
{
	char path[4096];

	*l = (struct outlog){
		.fd = -1,
		.max = max,
		.fresh = BUF_INIT(FRESH + 4 * OUTLOG_LINE_MAX),
		.tail = BUF_INIT(2 * OUTLOG_TAIL + FRESH +
		    8 * OUTLOG_LINE_MAX),
		.part = {
			BUF_INIT(OUTLOG_LINE_MAX), BUF_INIT(OUTLOG_LINE_MAX),
		},
	};
	snprintf(path, sizeof(path), "%s/log.XXXXXX", folder);
	l->fd = mkostemp(path, O_CLOEXEC);
	if (l->fd == -1)
		return fail_sys(f, EX_IOERR, "%s", path);
	unlink(path);
	return 0;
}

void
outlog_close(struct outlog *l)
{
	if (l->fd != -1)
		close(l->fd);
	l->fd = -1;
	buf_free(&l->part[0]);
	buf_free(&l->part[1]);
	buf_free(&l->fresh);
	buf_free(&l->tail);
}

/* Of the last ones as many go as are too many. */
static void
trim(struct outlog *l)
{
	struct record r;

	while (l->tail.len - l->from > OUTLOG_TAIL) {
		memcpy(&r, l->tail.data + l->from, sizeof(r));
		l->from += sizeof(r) + r.len;
		l->dropped++;
	}
	/* Moved now and then, not for each line. */
	if (l->from < OUTLOG_TAIL)
		return;
	memmove(l->tail.data, l->tail.data + l->from, l->tail.len - l->from);
	l->tail.len -= l->from;
	l->from = 0;
}

/*
 * What is fresh goes into the file.  A disk that is full is like a log that is:
 * then it is the first of the last ones.
 */
static void
flush(struct outlog *l)
{
	struct fail f;

	if (l->fresh.len == 0)
		return;
	if (pwrite(l->fd, l->fresh.data, l->fresh.len, (off_t)l->size) ==
	    (ssize_t)l->fresh.len)
		l->size += l->fresh.len;
	else {
		l->full = true;
		if (buf_add(&l->tail, l->fresh.data, l->fresh.len, &f) == -1)
			l->dropped++;
		trim(l);
	}
	buf_clear(&l->fresh);
}

static void
line(struct outlog *l, enum outlog_stream stream, const char *s, size_t n,
    int64_t time_ms)
{
	struct record r = { 0, stream, time_ms };
	struct buf *b;
	struct fail f;
	size_t at;

	if (!l->full && l->size + l->fresh.len + n > l->max) {
		flush(l);
		l->full = true;
	}
	if (!l->full && l->fresh.len >= FRESH)
		flush(l);
	b = l->full ? &l->tail : &l->fresh;
	at = b->len;
	if (buf_add(b, &r, sizeof(r), &f) == -1 ||
	    outlog_utf8(b, s, n, &f) == -1) {
		b->len = at;
		l->dropped++;
		return;
	}
	r.len = (uint32_t)(b->len - at - sizeof(r));
	memcpy(b->data + at, &r, sizeof(r));
	if (l->full)
		trim(l);
}

/* A split must not cut a character in two: leave its first bytes behind. */
static size_t
whole(const char *s, size_t n)
{
	size_t back;

	for (back = 1; back <= 3 && back < n; back++) {
		unsigned char c = (unsigned char)s[n - back];

		if (c < 0x80)
			break;
		if (c >= 0xc0)
			return (c >= 0xf0 && back < 4) || (c >= 0xe0 &&
			    c < 0xf0 && back < 3) || (c < 0xe0 && back < 2) ?
			    n - back : n;
	}
	return n;
}

static void
finish(struct outlog *l, enum outlog_stream stream, size_t n, int64_t time_ms)
{
	struct buf *part = &l->part[stream];

	line(l, stream, part->len == 0 ? "" : part->data, n, time_ms);
	memmove(part->data, part->data + n, part->len - n);
	part->len -= n;
}

void
outlog_feed(struct outlog *l, enum outlog_stream stream, const char *s,
    size_t n, int64_t time_ms)
{
	struct buf *part = &l->part[stream];
	const char *lf;
	struct fail f;
	size_t take;

	while (n > 0) {
		lf = memchr(s, '\n', n);
		take = lf == NULL ? n : (size_t)(lf - s);
		if (take > OUTLOG_LINE_MAX - part->len) {
			take = OUTLOG_LINE_MAX - part->len;
			lf = NULL;
		}
		if (buf_add(part, s, take, &f) == -1)
			return;
		s += take;
		n -= take;
		if (lf != NULL) {
			s++;
			n--;
			if (part->len > 0 &&
			    part->data[part->len - 1] == '\r')
				part->len--;
			line(l, stream, part->len == 0 ? "" : part->data,
			    part->len, time_ms);
			buf_clear(part);
		} else if (part->len == OUTLOG_LINE_MAX)
			finish(l, stream, whole(part->data, part->len),
			    time_ms);
	}
	flush(l);
}

/* What is missing, in a line, and then the last ones. */
static void
end_full(struct outlog *l, int64_t time_ms)
{
	struct buf last = l->tail;
	size_t from = l->from;
	char text[80];

	l->tail = (struct buf)BUF_INIT(OUTLOG_TAIL);
	l->from = 0;
	l->full = false;
	l->max = UINT64_MAX;
	if (l->dropped > 0) {
		snprintf(text, sizeof(text), "[%ju lines over the limit are "
		    "not kept]", (uintmax_t)l->dropped);
		line(l, OUTLOG_ERR, text, strlen(text), time_ms);
		flush(l);
	}
	if (last.len > from && pwrite(l->fd, last.data + from,
	    last.len - from, (off_t)l->size) == (ssize_t)(last.len - from))
		l->size += last.len - from;
	buf_free(&last);
	l->full = true;
}

void
outlog_end(struct outlog *l, int64_t time_ms)
{
	int i;

	for (i = OUTLOG_OUT; i <= OUTLOG_ERR; i++)
		if (l->part[i].len > 0)
			finish(l, i, l->part[i].len, time_ms);
	flush(l);
	if (l->full)
		end_full(l, time_ms);
}

int
outlog_read(const struct outlog *l, uint64_t *off, uint64_t upto,
    struct outlog_line *out, struct fail *f)
{
	struct record r;
	ssize_t n;

	if (*off >= upto)
		return 0;
	buf_clear(&out->text);
	if (buf_room(&out->text, FIRST, f) == -1)
		return -1;
	n = pread(l->fd, out->text.data, FIRST, (off_t)*off);
	if (n < (ssize_t)sizeof(r))
		return fail_set(f, EX_IOERR, "a process's log is cut short");
	memcpy(&r, out->text.data, sizeof(r));
	if (buf_room(&out->text, r.len, f) == -1)
		return -1;
	n -= (ssize_t)sizeof(r);
	memmove(out->text.data, out->text.data + sizeof(r), (size_t)n);
	if (n < (ssize_t)r.len && pread(l->fd, out->text.data + n,
	    r.len - (size_t)n, (off_t)*off + (off_t)sizeof(r) + n) !=
	    (ssize_t)(r.len - (size_t)n))
		return fail_set(f, EX_IOERR, "a process's log is cut short");
	out->text.len = r.len;
	out->text.data[r.len] = '\0';
	out->stream = r.stream;
	out->time_ms = r.time_ms;
	*off += sizeof(r) + r.len;
	return 1;
}
