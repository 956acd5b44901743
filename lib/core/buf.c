#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/stop.h"

#define READ_MIN	(64UL << 10)

int
buf_room(struct buf *b, size_t n, struct fail *f)
{
	size_t cap;
	char *p;

	if (n > b->max || b->len > b->max - n)
		return fail_set(f, EX_DATAERR, "more than %zu bytes", b->max);
	if (b->data != NULL && n < b->cap - b->len)
		return 0;
	cap = b->len + n + 1;
	if (cap < b->cap * 2)
		cap = b->cap * 2 <= b->max ? b->cap * 2 : b->max + 1;
	if ((p = realloc(b->data, cap)) == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	b->data = p;
	b->cap = cap;
	return 0;
}

int
buf_add(struct buf *b, const void *p, size_t n, struct fail *f)
{
	if (buf_room(b, n, f) == -1)
		return -1;
	if (n > 0)
		memcpy(b->data + b->len, p, n);
	b->len += n;
	b->data[b->len] = '\0';
	return 0;
}

int
buf_adds(struct buf *b, const char *s, struct fail *f)
{
	return buf_add(b, s, strlen(s), f);
}

int
buf_addf(struct buf *b, struct fail *f, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return fail_sys(f, EX_SOFTWARE, "vsnprintf");
	if (buf_room(b, (size_t)n, f) == -1)
		return -1;
	va_start(ap, fmt);
	vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
	return 0;
}

int
buf_read(struct buf *b, int fd, const char *name, struct fail *f)
{
	struct stat st;
	size_t want = READ_MIN;
	ssize_t n;

	/* A regular file tells its size: one allocation, no growing. */
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 &&
	    (size_t)st.st_size < b->max)
		want = (size_t)st.st_size + 1;
	for (;;) {
		if (b->len == b->max) {
			char c;

			if ((n = read(fd, &c, 1)) == 0)
				break;
			if (n > 0)
				return fail_set(f, EX_DATAERR,
				    "%s: more than %zu bytes", name, b->max);
		} else {
			size_t left = b->max - b->len;

			if (b->data == NULL || b->cap - b->len < 2) {
				if (buf_room(b, want < left ? want : left,
				    f) == -1)
					return fail_in(f, name);
				want = READ_MIN;
			}
			n = read(fd, b->data + b->len, b->cap - b->len - 1);
			if (n == 0)
				break;
			if (n > 0) {
				b->len += (size_t)n;
				continue;
			}
		}
		if (errno != EINTR)
			return fail_sys(f, EX_IOERR, "%s", name);
		if (stop_signal != 0)
			return fail_set(f, stop_status(), "%s", stop_reason());
	}
	if (b->data != NULL)
		b->data[b->len] = '\0';
	return 0;
}

int
buf_load(struct buf *b, const char *path, struct fail *f)
{
	int fd, r;

	if (strcmp(path, "-") == 0)
		return buf_read(b, STDIN_FILENO, "stdin", f);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return fail_sys(f, EX_NOINPUT, "%s", path);
	r = buf_read(b, fd, path, f);
	close(fd);
	return r;
}

int
buf_write(const struct buf *b, int fd, const char *name, struct fail *f)
{
	size_t done = 0;
	ssize_t n;

	while (done < b->len) {
		n = write(fd, b->data + done, b->len - done);
		if (n >= 0)
			done += (size_t)n;
		else if (errno != EINTR)
			return fail_sys(f, EX_IOERR, "%s", name);
	}
	return 0;
}

int
buf_save(const struct buf *b, const char *path, struct fail *f)
{
	char *tmp;
	int fd = -1, r = -1;

	if (asprintf(&tmp, "%s.XXXXXX", path) == -1)
		return fail_set(f, EX_OSERR, "out of memory");
	if ((fd = mkostemp(tmp, O_CLOEXEC)) == -1) {
		fail_sys(f, EX_CANTCREAT, "%s", path);
		free(tmp);
		return -1;
	}
	if (buf_write(b, fd, path, f) == -1)
		goto out;
	if (fsync(fd) == -1) {
		fail_sys(f, EX_IOERR, "%s", path);
		goto out;
	}
	r = close(fd);
	fd = -1;
	if (r == -1 || rename(tmp, path) == -1)
		r = fail_sys(f, EX_IOERR, "%s", path);
out:
	if (fd != -1)
		close(fd);
	if (r == -1)
		unlink(tmp);
	free(tmp);
	return r;
}

void
buf_clear(struct buf *b)
{
	b->len = 0;
	if (b->data != NULL)
		b->data[0] = '\0';
}

void
buf_free(struct buf *b)
{
	if (b->data != NULL)
		explicit_bzero(b->data, b->cap);
	free(b->data);
	b->data = NULL;
	b->len = b->cap = 0;
}
