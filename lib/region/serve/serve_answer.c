#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <microhttpd.h>

#include "region/serve/serve_impl.h"

#define STREAM_BLOCK	(16UL << 10)
#define READ_BLOCK	(128UL << 10)

void
serve_add_header(struct serve_request *r, const char *name, const char *value)
{
	struct exchange *x = exchange_of(r);
	struct header *h, **end;

	if (x->response != NULL || (h = calloc(1, sizeof(*h))) == NULL)
		return;
	h->name = strdup(name);
	h->value = strdup(value);
	for (end = &x->headers; *end != NULL; end = &(*end)->next)
		;
	*end = h;
}

void
serve_close_after(struct exchange *x)
{
	MHD_add_response_header(x->response, "Connection", "close");
}

static void
answer(struct exchange *x, unsigned status, const char *type,
    struct MHD_Response *response)
{
	struct header *h;

	if (response == NULL) {
		serve_log(x->s, "no memory for an answer");
		return;
	}
	if (type != NULL)
		MHD_add_response_header(response, "Content-Type", type);
	for (h = x->headers; h != NULL; h = h->next)
		if (h->name != NULL && h->value != NULL &&
		    MHD_add_response_header(response, h->name, h->value) !=
		    MHD_YES)
			serve_log(x->s, "cannot send the header %s", h->name);
	x->response = response;
	x->status = status;
	if (atomic_load(&x->s->stopping))
		serve_close_after(x);
}

/* The half of a body, and no more of it: see reader_next(). */
static ssize_t
half_read(void *arg, uint64_t pos, char *p, size_t max)
{
	const struct buf *b = arg;
	size_t n = b->len - (size_t)pos;

	if (n > max)
		n = max;
	memcpy(p, b->data + pos, n);
	return (ssize_t)n;
}

static void
half_free(void *arg)
{
	buf_free(arg);
	free(arg);
}

static void
reply_half(struct serve_request *r, unsigned status, const char *type,
    const void *p, size_t n)
{
	struct buf *b = calloc(1, sizeof(*b));
	struct fail f;

	if (b == NULL)
		return;
	b->max = n;
	if (buf_add(b, p, n, &f) == -1)
		half_free(b);
	else
		serve_reply_read(r, status, type, n, half_read, half_free, b);
}

void
serve_reply(struct serve_request *r, unsigned status, const char *type,
    const void *p, size_t n)
{
	struct exchange *x = exchange_of(r);

	if (x->response != NULL)
		return;
	x->empty = n == 0;
	if (x->fault.kind == FAULT_CUT && n > 0) {
		reply_half(r, status, type, p, n);
		return;
	}
	if (x->fault.kind == FAULT_LENGTH)
		n /= 2;
	answer(x, status, type, MHD_create_response_from_buffer(n,
	    (void *)(uintptr_t)p, MHD_RESPMEM_MUST_COPY));
}

struct half_file {
	int		 fd;
	uint64_t	 off;
};

static ssize_t
half_file_read(void *arg, uint64_t pos, char *p, size_t max)
{
	const struct half_file *h = arg;

	return pread(h->fd, p, max, (off_t)(h->off + pos));
}

static void
half_file_free(void *arg)
{
	struct half_file *h = arg;

	close(h->fd);
	free(h);
}

static void
reply_half_file(struct serve_request *r, unsigned status, const char *type,
    int fd, uint64_t off, uint64_t len)
{
	struct half_file *h = malloc(sizeof(*h));

	if (h == NULL) {
		close(fd);
		return;
	}
	h->fd = fd;
	h->off = off;
	serve_reply_read(r, status, type, len, half_file_read, half_file_free,
	    h);
}

void
serve_reply_file(struct serve_request *r, unsigned status, const char *type,
    int fd, uint64_t off, uint64_t len)
{
	struct exchange *x = exchange_of(r);
	struct MHD_Response *response;

	if (x->response != NULL) {
		close(fd);
		return;
	}
	if (len == 0) {
		close(fd);
		serve_reply(r, status, type, "", 0);
		return;
	}
	if (x->fault.kind == FAULT_CUT) {
		reply_half_file(r, status, type, fd, off, len);
		return;
	}
	if (x->fault.kind == FAULT_LENGTH)
		len /= 2;
	response = MHD_create_response_from_fd_at_offset64(len, fd, off);
	if (response == NULL)
		close(fd);
	answer(x, status, type, response);
}

struct stream {
	struct exchange	*x;
	ssize_t		(*next)(void *, char *, size_t);
	void		(*free_arg)(void *);
	void		*arg;
	bool		 over;		/* half of it is sent, a fault */
};

/*
 * Nothing to send for now: wait a moment, so a source that does not block
 * costs no processor, and see whether anyone is still listening.
 */
static bool
peer_left(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLRDHUP };

	return poll(&p, 1, 2) == 1 &&
	    (p.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

static ssize_t
stream_next(void *arg, uint64_t pos, char *p, size_t max)
{
	struct stream *st = arg;
	enum fault_kind fault = st->x->fault.kind;
	ssize_t n;

	(void)pos;
	if (st->over)
		return fault == FAULT_CUT ? MHD_CONTENT_READER_END_WITH_ERROR :
		    MHD_CONTENT_READER_END_OF_STREAM;
	n = st->next(st->arg, p, max);
	if (n > 0 && (fault == FAULT_CUT || fault == FAULT_LENGTH)) {
		/* Nobody knows how long it is: half of what is there. */
		st->over = true;
		return (n + 1) / 2;
	}
	if (n > 0)
		return n;
	if (n == -1)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (n == SERVE_CUT)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	return peer_left(serve_fd(st->x->conn)) ?
	    MHD_CONTENT_READER_END_WITH_ERROR : 0;
}

static void
stream_free(void *arg)
{
	struct stream *st = arg;

	if (st->free_arg != NULL)
		st->free_arg(st->arg);
	free(st);
}

void
serve_reply_stream(struct serve_request *r, unsigned status, const char *type,
    ssize_t (*next)(void *, char *, size_t), void (*free_arg)(void *),
    void *arg)
{
	struct exchange *x = exchange_of(r);
	struct MHD_Response *response = NULL;
	struct stream *st = NULL;

	if (x->response == NULL && (st = malloc(sizeof(*st))) != NULL) {
		st->x = x;
		st->next = next;
		st->free_arg = free_arg;
		st->arg = arg;
		st->over = false;
		response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN,
		    STREAM_BLOCK, stream_next, st, stream_free);
	}
	if (response == NULL) {
		free(st);
		if (free_arg != NULL)
			free_arg(arg);
		return;
	}
	x->stream = true;
	answer(x, status, type, response);
}

struct reader {
	ssize_t		(*read)(void *, uint64_t, char *, size_t);
	void		(*free_arg)(void *);
	void		*arg;
	uint64_t	 end;		/* of what is sent */
};

static ssize_t
reader_next(void *arg, uint64_t pos, char *p, size_t max)
{
	struct reader *rd = arg;
	ssize_t n;

	if (max > rd->end - pos)
		max = (size_t)(rd->end - pos);
	n = max == 0 ? 0 : rd->read(rd->arg, pos, p, max);
	/* Its length is announced, so there is no early end but a broken one. */
	return n > 0 ? n : MHD_CONTENT_READER_END_WITH_ERROR;
}

static void
reader_free(void *arg)
{
	struct reader *rd = arg;

	if (rd->free_arg != NULL)
		rd->free_arg(rd->arg);
	free(rd);
}

void
serve_reply_read(struct serve_request *r, unsigned status, const char *type,
    uint64_t len, ssize_t (*read)(void *, uint64_t, char *, size_t),
    void (*free_arg)(void *), void *arg)
{
	struct exchange *x = exchange_of(r);
	struct MHD_Response *response = NULL;
	struct reader *rd = NULL;

	if (x->response == NULL && (rd = malloc(sizeof(*rd))) != NULL) {
		rd->read = read;
		rd->free_arg = free_arg;
		rd->arg = arg;
		rd->end = x->fault.kind == FAULT_CUT ? len / 2 : len;
		if (x->fault.kind == FAULT_LENGTH)
			len /= 2;
		response = MHD_create_response_from_callback(len, READ_BLOCK,
		    reader_next, rd, reader_free);
	}
	if (response == NULL) {
		free(rd);
		if (free_arg != NULL)
			free_arg(arg);
		return;
	}
	answer(x, status, type, response);
}
