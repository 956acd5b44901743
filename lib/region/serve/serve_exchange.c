#include <sys/socket.h>

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <microhttpd.h>

#include "core/clock.h"
#include "region/serve/serve_impl.h"

#define MEMORY_STEP	(64UL << 10)
#define STACK_BYTES	(1UL << 20)
#define CONNECTIONS_MAX	1024U
/* A client that neither sends nor takes a byte for so long is gone. */
#define IDLE_S		120U
/*
 * A refused body of up to so many bytes is read and dropped, so that the
 * connection lives on; a longer one ends it.
 */
#define SWALLOW_MAX	(64UL << 10)
/*
 * A body refused midway is read to its end, since only then can the answer be
 * sent; but not to any end.
 */
#define OVERRUN_MAX	(1UL << 40)
/* How long a closing connection is still read; see linger(). */
#define LINGER_MS	10000
#define LINGER_IDLE_MS	2000

/*
 * What libmicrohttpd has to say.  Its arguments may be lines of a request,
 * with a token in them, so only the text around them is logged.
 */
static void __attribute__((format(printf, 2, 0)))
mhd_log(void *arg, const char *fmt, va_list ap)
{
	/* Here the argument is a text of its own: why a connection ended. */
	if (strcmp(fmt, "%s\n") == 0)
		fmt = va_arg(ap, const char *);
	serve_log(arg, "libmicrohttpd: %.*s", (int)strcspn(fmt, "\n"), fmt);
}

static void *
on_target(void *arg, const char *target, struct MHD_Connection *conn)
{
	struct serve *s = arg;
	struct exchange *x = calloc(1, sizeof(*x));
	const char *path = target;
	size_t n;

	if (x == NULL)
		return NULL;
	x->s = s;
	x->conn = conn;
	x->asked_end = &x->asked;
	x->req.serve = s;
	x->req.priv = x;
	atomic_fetch_add(&s->busy, 1);
	/* The absolute form of RFC 9112 3.2.2, as sent through a proxy. */
	if (strncasecmp(path, "http://", 7) == 0 ||
	    strncasecmp(path, "https://", 8) == 0) {
		path = strchr(path, ':') + 3;
		path += strcspn(path, "/?");
	}
	n = strcspn(path, "?");
	x->target = strdup(target);
	x->path = n == 0 ? strdup("/") : strndup(path, n);
	x->broken = x->target == NULL || x->path == NULL;
	if (!x->broken) {
		x->req.target = x->target;
		x->req.path = x->path;
		path = strchr(x->target, '?');
		x->req.query = path == NULL ? "" : path + 1;
	}
	return x;
}

/*
 * It counts a handler's own time as the client's idleness, so the clock is
 * stopped in there; going from 0 to a limit starts it afresh.
 */
static void
clock_set(struct exchange *x, unsigned seconds)
{
	MHD_set_connection_option(x->conn, MHD_CONNECTION_OPTION_TIMEOUT,
	    seconds);
}

static enum MHD_Result
queue(struct exchange *x)
{
	x->queued = MHD_queue_response(x->conn, x->status, x->response) ==
	    MHD_YES;
	return x->queued ? MHD_YES : MHD_NO;
}

/* What RFC 9112 6 has to say on how long the body is; 0 or -1, answered. */
static int
body_length(struct exchange *x)
{
	struct serve_request *r = &x->req;
	unsigned codings = serve_header_count(r, "Transfer-Encoding");
	unsigned lengths = serve_header_count(r, "Content-Length");
	const char *s = serve_header(r, "Content-Length");
	unsigned long long n;
	char *end;

	r->length = UINT64_MAX;
	if (codings > 0) {
		/* Two readers could disagree on where the request ends. */
		if (lengths > 0) {
			serve_error(r, 400, "bad_request",
			    "both Content-Length and Transfer-Encoding");
			return -1;
		}
		if (codings == 1 && strcasecmp(serve_header(r,
		    "Transfer-Encoding"), "chunked") == 0)
			return 0;
		serve_error(r, 501, "not_implemented",
		    "Transfer-Encoding other than chunked");
		return -1;
	}
	if (lengths == 0) {
		r->length = 0;
		return 0;
	}
	errno = 0;
	n = strtoull(s, &end, 10);
	if (lengths > 1 || s[0] < '0' || s[0] > '9' || *end != '\0' ||
	    errno != 0 || n == UINT64_MAX) {
		serve_error(r, 400, "bad_request",
		    "malformed or repeated Content-Length");
		return -1;
	}
	r->length = n;
	return 0;
}

static enum MHD_Result
first_call(struct exchange *x, const char *version)
{
	struct serve *s = x->s;
	bool refused;

	serve_take_headers(x, version);
	if (x->broken)
		return MHD_NO;
	if (s->verbose)
		serve_log(s, "%s %s", x->req.method, x->req.path);
	if (serve_fault_first(x)) {
		if (x->response == NULL)
			return MHD_NO;
		refused = body_length(x) == -1;
		goto answered;
	}
	refused = body_length(x) == -1;
	if (x->malformed) {
		refused = true;
		serve_error(&x->req, 400, "bad_request",
		    "a malformed or folded header, or a NUL in one");
	}
	if (!refused) {
		x->begun = true;
		if (s->ops->begin != NULL)
			s->ops->begin(&x->req, s->arg);
		x->req.body.max = x->req.keep_body;
		if (x->response == NULL && x->req.keep_body > 0 &&
		    x->req.length != UINT64_MAX &&
		    x->req.length > x->req.keep_body)
			serve_error(&x->req, 413, "too_large", "the body may "
			    "have at most %zu bytes", x->req.keep_body);
	}
	if (x->response == NULL)
		return MHD_YES;
answered:
	/*
	 * An answer given before the body is read ends the connection, so one
	 * with a short body, or none, has it read first.  Not so where the
	 * client waits for a 100 (Continue): it sends none if refused.
	 */
	if (!refused && (x->req.length == 0 ||
	    (x->req.length <= SWALLOW_MAX &&
	    serve_header(&x->req, "Expect") == NULL)))
		return MHD_YES;
	serve_close_after(x);
	x->linger = true;
	return serve_fault_last(x) ? MHD_NO : queue(x);
}

static enum MHD_Result
some_body(struct exchange *x, const char *p, size_t n)
{
	struct fail f;

	x->seen += n;
	if (x->response != NULL)
		return x->seen < OVERRUN_MAX ? MHD_YES : MHD_NO;
	if (x->req.keep_body == 0) {
		if (x->s->ops->body != NULL)
			x->s->ops->body(&x->req, x->s->arg, p, n);
	} else if (x->seen > x->req.keep_body)
		serve_error(&x->req, 413, "too_large", "the body may have at "
		    "most %zu bytes", x->req.keep_body);
	else if (buf_add(&x->req.body, p, n, &f) == -1)
		serve_error(&x->req, 503, "out_of_memory", "%s", f.msg);
	return MHD_YES;
}

static enum MHD_Result
last_call(struct exchange *x)
{
	if (x->response == NULL && x->s->ops->done != NULL)
		x->s->ops->done(&x->req, x->s->arg);
	if (x->response == NULL)
		serve_error(&x->req, 500, "internal", "no answer was made");
	if (x->response == NULL || (!x->early && serve_fault_last(x)))
		return MHD_NO;
	/*
	 * libmicrohttpd 0.9.75 comes here once too early, and takes no answer
	 * then, where an empty body was announced with a 100-continue and
	 * another request waits behind it.
	 */
	if (queue(x) == MHD_YES || !x->early) {
		x->early = !x->queued;
		return MHD_YES;
	}
	return MHD_NO;
}

static enum MHD_Result
on_request(void *arg, struct MHD_Connection *conn, const char *url,
    const char *method, const char *version, const char *upload, size_t *size,
    void **own)
{
	struct exchange *x = *own;
	enum MHD_Result result;

	(void)arg;
	(void)conn;
	(void)url;
	if (x == NULL || x->broken)
		return MHD_NO;
	if (x->queued)
		return MHD_YES;
	clock_set(x, 0);
	if (x->req.method == NULL) {
		x->req.method = method;
		result = first_call(x, version);
	} else if (*size > 0) {
		result = some_body(x, upload, *size);
		*size = 0;
	} else
		result = last_call(x);
	if (!x->queued || !x->stream)
		clock_set(x, IDLE_S);
	return result;
}

/*
 * Closing a socket with bytes unread resets the connection, and a client that
 * is still sending would see that instead of the answer.  So what it sends is
 * read for a while.  The writing side is shut already.
 */
static void
linger(struct serve *s, int fd)
{
	char waste[16384];
	int64_t end = clock_ms() + LINGER_MS;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int64_t idle = clock_ms() + LINGER_IDLE_MS;
	ssize_t n;

	shutdown(fd, SHUT_WR);
	while (!atomic_load(&s->stopping) && clock_ms() < end &&
	    clock_ms() < idle) {
		if (poll(&p, 1, 100) == 0)
			continue;
		n = recv(fd, waste, sizeof(waste), MSG_DONTWAIT);
		if (n == 0 || (n == -1 && errno != EAGAIN && errno != EINTR))
			return;
		idle = clock_ms() + LINGER_IDLE_MS;
	}
}

void
serve_headers_free(struct header *h)
{
	struct header *next;

	for (; h != NULL; h = next) {
		next = h->next;
		free(h->name);
		free(h->value);
		free(h);
	}
}

static void
on_completed(void *arg, struct MHD_Connection *conn, void **own,
    enum MHD_RequestTerminationCode code)
{
	struct serve *s = arg;
	struct exchange *x = *own;

	if (x == NULL)
		return;
	*own = NULL;
	if (x->begun && s->ops->gone != NULL)
		s->ops->gone(&x->req, s->arg);
	if (x->linger && code == MHD_REQUEST_TERMINATED_COMPLETED_OK)
		linger(s, serve_fd(conn));
	else if (x->stream)
		clock_set(x, IDLE_S);
	serve_fault_over(x);
	if (x->response != NULL)
		MHD_destroy_response(x->response);
	free(x->upgraded);
	serve_headers_free(x->asked);
	serve_headers_free(x->headers);
	buf_free(&x->req.body);
	free(x->target);
	free(x->path);
	free(x);
	atomic_fetch_sub(&s->busy, 1);
}

static enum MHD_Result
on_accept(void *arg, const struct sockaddr *them, socklen_t len)
{
	(void)len;
	return serve_guest_welcome(arg, them) ? MHD_YES : MHD_NO;
}

static void
on_connection(void *arg, struct MHD_Connection *conn, void **own,
    enum MHD_ConnectionNotificationCode what)
{
	if (what == MHD_CONNECTION_NOTIFY_STARTED)
		*own = serve_guest_came(arg, serve_fd(conn));
	else if (*own != NULL)
		serve_guest_went(arg, *own);
}

struct MHD_Daemon *
serve_daemon(struct serve *s)
{
	return MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION |
	    MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL |
	    MHD_USE_ITC | MHD_USE_ERROR_LOG | MHD_ALLOW_UPGRADE, 0, on_accept, s, on_request,
	    s, MHD_OPTION_EXTERNAL_LOGGER, mhd_log, s,
	    MHD_OPTION_LISTEN_SOCKET, s->fd,
	    MHD_OPTION_URI_LOG_CALLBACK, on_target, s,
	    MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
	    MHD_OPTION_NOTIFY_CONNECTION, on_connection, s,
	    MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S,
	    MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT, SERVE_MEMORY_MAX,
	    MHD_OPTION_CONNECTION_MEMORY_INCREMENT, MEMORY_STEP,
	    MHD_OPTION_THREAD_STACK_SIZE, STACK_BYTES,
	    MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
}
