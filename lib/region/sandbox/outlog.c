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
		.tail = BUF_INIT(OUTLOG_TAIL + 4 * OUTLOG_LINE_MAX),
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
	buf_free(&l->tail);
}

/* A record into the file, or among the last ones, the first of which go. */
static void
keep(struct outlog *l, const struct buf *record)
{
	struct record r;
	struct fail f;
	size_t n = 0;

	if (!l->full && pwrite(l->fd, record->data, record->len,
	    (off_t)l->size) == (ssize_t)record->len) {
		l->size += record->len;
		return;
	}
	l->full = true;
	while (n < l->tail.len &&
	    l->tail.len - n + record->len > OUTLOG_TAIL) {
		memcpy(&r, l->tail.data + n, sizeof(r));
		n += sizeof(r) + r.len;
		l->dropped++;
	}
	memmove(l->tail.data, l->tail.data + n, l->tail.len - n);
	l->tail.len -= n;
	if (buf_add(&l->tail, record->data, record->len, &f) == -1)
		l->dropped++;
}

/* A disk that is full is like a log that is. */
static void
line(struct outlog *l, enum outlog_stream stream, const char *s, size_t n,
    int64_t time_ms)
{
	struct buf b = BUF_INIT(sizeof(struct record) + 4 * OUTLOG_LINE_MAX);
	struct record r = { 0, stream, time_ms };
	struct fail f;

	if (l->size + n > l->max)
		l->full = true;
	if (buf_add(&b, &r, sizeof(r), &f) == 0 &&
	    outlog_utf8(&b, s, n, &f) == 0) {
		r.len = (uint32_t)(b.len - sizeof(r));
		memcpy(b.data, &r, sizeof(r));
		keep(l, &b);
	}
	buf_free(&b);
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
}

/* What is missing, in a line, and then the last ones. */
static void
end_full(struct outlog *l, int64_t time_ms)
{
	struct buf last = l->tail;
	char text[80];

	l->tail = (struct buf)BUF_INIT(OUTLOG_TAIL);
	l->full = false;
	l->max = UINT64_MAX;
	if (l->dropped > 0) {
		snprintf(text, sizeof(text), "[%ju lines over the limit are "
		    "not kept]", (uintmax_t)l->dropped);
		line(l, OUTLOG_ERR, text, strlen(text), time_ms);
	}
	if (last.len > 0 && pwrite(l->fd, last.data, last.len,
	    (off_t)l->size) == (ssize_t)last.len)
		l->size += last.len;
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
	if (l->full)
		end_full(l, time_ms);
}

int
outlog_read(const struct outlog *l, uint64_t *off, uint64_t upto,
    struct outlog_line *out, struct fail *f)
{
	struct record r;

	if (*off >= upto)
		return 0;
	buf_clear(&out->text);
	if (pread(l->fd, &r, sizeof(r), (off_t)*off) != sizeof(r) ||
	    buf_room(&out->text, r.len, f) == -1 ||
	    pread(l->fd, out->text.data, r.len, (off_t)(*off + sizeof(r))) !=
	    (ssize_t)r.len)
		return fail_set(f, EX_IOERR, "a process's log is cut short");
	out->text.len = r.len;
	out->text.data[r.len] = '\0';
	out->stream = r.stream;
	out->time_ms = r.time_ms;
	*off += sizeof(r) + r.len;
	return 1;
}
