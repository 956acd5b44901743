#include <sys/stat.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "client/cloud/answer.h"
#include "client/cloud/retry.h"
#include "client/sandbox/files.h"
#include "core/stop.h"

/*
 * /api/v1/files?path=P with P form-encoded: what a browser's form makes of it
 * (WHATWG URL, application/x-www-form-urlencoded), a space being '+'.
 */
static int
target(struct buf *b, const char *path, struct fail *f)
{
	static const char keep[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789*-._";

	if (buf_adds(b, "/api/v1/files?path=", f) == -1)
		return -1;
	for (; *path != '\0'; path++)
		if ((strchr(keep, *path) != NULL ? buf_add(b, path, 1, f) :
		    *path == ' ' ? buf_adds(b, "+", f) :
		    buf_addf(b, f, "%%%02X", (unsigned char)*path)) == -1)
			return -1;
	return 0;
}

static int
call(const struct files *s, struct sandbox_call *c, const char *method,
    const char *path, struct fail *f)
{
	struct buf b = BUF_INIT(BUF_SMALL_MAX);
	int r;

	if (path[0] != '/')
		return fail_set(f, EX_USAGE, "%.200s: not an absolute path",
		    path);
	if ((r = target(&b, path, f)) == 0)
		r = reach_call(s->reach, c, method, b.data, NULL, f);
	buf_free(&b);
	return r;
}

/* What a refusal means here; "no such sandbox" is 404 as well. */
static int
refused(const struct http_reply *reply, const char *path, struct fail *f)
{
	if (reply->status == 404 && (reply->body.len == 0 ||
	    memmem(reply->body.data, reply->body.len, "SANDBOX", 7) == NULL))
		return fail_set(f, EX_UNAVAILABLE, "%.300s: no such file in "
		    "the sandbox", path);
	return http_refused(reply, path, f);
}

/*
 * Sending.
 */

struct source {
	int		 fd;
	struct buf	 held;		/* its first bytes */
	size_t		 at;		/* sent of them */
	off_t		 start;		/* of a regular file */
	bool		 regular;
	bool		 ended;		/* nothing behind what is held */
	uint64_t	 size;		/* of a regular file */
	uint64_t	 sent;
	void		(*progress)(uint64_t, uint64_t);
};

static ssize_t
read_some(int fd, char *p, size_t n, struct fail *f)
{
	ssize_t got;

	do
		got = read(fd, p, n);
	while (got == -1 && errno == EINTR && stop_signal == 0);
	return got == -1 ? fail_sys(f, EX_IOERR, "stdin") : got;
}

static int
source_open(struct source *s, int fd, struct fail *f)
{
	struct stat st;
	ssize_t n;

	*s = (struct source){ .fd = fd, .held = BUF_INIT(FILES_HOLD) };
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    (s->start = lseek(fd, 0, SEEK_CUR)) != -1) {
		s->regular = true;
		s->size = st.st_size > s->start ?
		    (uint64_t)(st.st_size - s->start) : 0;
		return 0;
	}
	while (s->held.len < s->held.max) {
		size_t want = s->held.max - s->held.len;

		if (want > 64 << 10)
			want = 64 << 10;
		if (buf_room(&s->held, want, f) == -1 ||
		    (n = read_some(fd, s->held.data + s->held.len, want,
		    f)) == -1)
			return -1;
		if (n == 0) {
			s->ended = true;
			break;
		}
		s->held.len += (size_t)n;
	}
	return 0;
}

static ssize_t
sent(struct source *s, size_t n)
{
	uint64_t total = s->regular ? s->size : s->ended ? s->held.len :
	    FILES_UNKNOWN;

	s->sent += n;
	/* All of it is said once the server has it. */
	if (s->progress != NULL && s->sent != total)
		s->progress(s->sent, total);
	return (ssize_t)n;
}

static ssize_t
source_read(void *arg, char *p, size_t n, struct fail *f)
{
	struct source *s = arg;
	ssize_t got;

	if (s->at < s->held.len) {
		if (n > s->held.len - s->at)
			n = s->held.len - s->at;
		memcpy(p, s->held.data + s->at, n);
		s->at += n;
		return sent(s, n);
	}
	if (s->ended)
		return 0;
	/* A file that grows meanwhile is sent as long as it was announced. */
	if (s->regular && n > s->size - s->sent)
		n = (size_t)(s->size - s->sent);
	if (n == 0)
		return 0;
	if ((got = read_some(s->fd, p, n, f)) == -1)
		return -1;
	if (got == 0 && s->regular)
		return fail_set(f, EX_IOERR, "stdin: became shorter while it "
		    "was sent");
	return sent(s, (size_t)got);
}

/* Of a long pipe only what is held can be sent again. */
static bool
rewindable(const struct source *s)
{
	return s->regular || s->ended || s->sent <= s->held.len;
}

static int
source_rewind(void *arg)
{
	struct source *s = arg;

	if (!rewindable(s) || (s->regular &&
	    lseek(s->fd, s->start, SEEK_SET) == -1))
		return -1;
	s->at = 0;
	s->sent = 0;
	return 0;
}

int
files_put(const struct files *s, const char *path, int fd, bool empty_is_fine,
    uint64_t *size, struct fail *f)
{
	struct http_reply reply = HTTP_REPLY_INIT;
	struct retry again = { .what = path, .note = s->note,
	    .patience = s->reach->patience };
	struct sandbox_call c = { .url = BUF_INIT(0) };
	struct source from;
	bool known;
	int r = -1;

	if (source_open(&from, fd, f) == -1)
		goto out;
	from.progress = s->progress;
	known = from.regular || from.ended;
	if (known && (from.regular ? from.size : from.held.len) == 0 &&
	    !empty_is_fine) {
		fail_set(f, EX_DATAERR, "stdin: empty; --allow-empty if that "
		    "is meant");
		goto out;
	}
	for (;;) {
		if (call(s, &c, "PUT", path, f) == -1)
			goto out;
		c.req.read = source_read;
		c.req.rewind = source_rewind;
		c.req.arg = &from;
		c.req.read_size = !known ? HTTP_LEN_UNKNOWN :
		    from.regular ? from.size : from.held.len;
		r = reach_do(s->reach, &c.req, &reply, 0, f);
		sandbox_call_free(&c);
		if (!rewindable(&from) || !retry_again(&again, r, &reply, f))
			break;
		if (source_rewind(&from) == -1) {
			r = fail_sys(f, EX_IOERR, "stdin");
			goto out;
		}
	}
	if (r == 0 && reply.status / 100 != 2)
		r = refused(&reply, path, f);
	if (r == 0)
		r = answer_check(&reply, path, f);
	if (r == 0 && s->progress != NULL)
		s->progress(from.sent, from.sent);
	*size = from.sent;
out:
	buf_free(&from.held);
	http_reply_free(&reply);
	return r;
}

/*
 * Receiving.
 */

struct target {
	int		 fd;
	struct buf	 held;
	bool		 flowing;	/* too long to be held: written */
	uint64_t	 size;
};

static int
write_all(int fd, const char *p, size_t n, struct fail *f)
{
	const struct buf b = { .data = (char *)(uintptr_t)p, .len = n };

	return buf_write(&b, fd, "output", f);
}

static int
receive(void *arg, const char *p, size_t n, struct fail *f)
{
	struct target *t = arg;

	t->size += n;
	if (!t->flowing && n <= t->held.max - t->held.len)
		return buf_add(&t->held, p, n, f);
	if (!t->flowing && buf_write(&t->held, t->fd, "output", f) == -1)
		return -1;
	t->flowing = true;
	return write_all(t->fd, p, n, f);
}

int
files_get(const struct files *s, const char *path, int fd, uint64_t *size,
    struct fail *f)
{
	struct target to = { .fd = fd, .held = BUF_INIT(FILES_HOLD) };
	struct http_reply reply = HTTP_REPLY_INIT;
	struct retry again = { .what = path, .note = s->note,
	    .patience = s->reach->patience };
	struct sandbox_call c;
	int r;

	do {
		buf_clear(&to.held);
		to.size = 0;
		if ((r = call(s, &c, "GET", path, f)) == -1)
			break;
		c.req.sink = receive;
		c.req.arg = &to;
		r = reach_do(s->reach, &c.req, &reply, 0, f);
		sandbox_call_free(&c);
	} while (!to.flowing && retry_again(&again, r, &reply, f));
	if (r == 0 && reply.status / 100 != 2)
		r = refused(&reply, path, f);
	if (r == 0)
		r = answer_check(&reply, path, f);
	if (r == 0 && !to.flowing)
		r = buf_write(&to.held, fd, "output", f);
	*size = to.size;
	buf_free(&to.held);
	http_reply_free(&reply);
	return r;
}
