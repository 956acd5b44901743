#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include <microhttpd.h>

#include "core/clock.h"
#include "core/hex.h"
#include "core/utf8.h"
#include "region/serve/fault.h"
#include "region/serve/peer.h"
#include "region/serve/serve.h"

/* Of head and reading together: a target with a signature is a few KB. */
#define MEMORY_MAX	(256UL << 10)
#define MEMORY_STEP	(64UL << 10)
#define STACK_BYTES	(1UL << 20)
#define CONNECTIONS_MAX	1024U
/*
 * Of these, what one other user may hold, and one range of users such as a
 * sandbox has: it must not shut everybody else out.
 */
#define GUEST_MAX	256U
#define GUEST_RANGE_MAX	64U
#define RANGE		65536U
/* A client that neither sends nor takes a byte for so long is gone. */
#define IDLE_S		120U
/*
 * A refused body of up to so many bytes is read and dropped, so that the
 * connection lives on; a longer one ends it.
 */
#define SWALLOW_MAX	(64UL << 10)
/* A body refused midway is read to its end, but not to any end. */
#define OVERRUN_MAX	(1UL << 30)
/* How long a closing connection is still read; see linger(). */
#define LINGER_MS	10000
#define LINGER_IDLE_MS	2000
#define STOP_MS		2000
#define STREAM_BLOCK	(16UL << 10)
#define READ_BLOCK	(128UL << 10)

/* Who else is connected: a user, or a range of them. */
struct guest {
	struct guest	*next;
	uid_t		 id;
	bool		 range;
	unsigned	 n;
};

struct serve {
	char			*name;
	char			*url;
	char			*unix_path;
	dev_t			 unix_dev;
	ino_t			 unix_ino;
	int			 fd;
	const struct serve_ops	*ops;
	void			*arg;
	struct faults		*faults;
	bool			 xml;
	pthread_mutex_t		 door_lock;
	unsigned		 shut;		/* faults that refuse */
	struct MHD_Daemon	*daemon;
	atomic_bool		 stopping;
	atomic_uint		 busy;		/* requests under way */
	pthread_mutex_t		 guest_lock;
	struct guest		*guests;
	unsigned		 full;		/* guests with all they may */
};

struct header {
	struct header	*next;
	char		*name, *value;
};

/* One request, from its first line to its end. */
struct exchange {
	struct serve_request	 req;
	struct serve		*s;
	struct MHD_Connection	*conn;
	char			*target;
	char			*path;
	struct header		*asked, **asked_end;
	struct header		*headers;	/* of the answer to come */
	struct MHD_Response	*response;
	unsigned		 status;
	uint64_t		 seen;		/* bytes of body */
	bool			 begun;
	bool			 queued;
	bool			 early;		/* not taken, the first time */
	bool			 broken;	/* out of memory */
	bool			 malformed;	/* a header */
	bool			 stream;
	bool			 linger;
	bool			 empty;		/* the answer has no body */
	bool			 shut;		/* the door, until it is over */
	struct fault		 fault;
};

static struct exchange *
exchange_of(const struct serve_request *r)
{
	return r->priv;
}

static int
connection_fd(struct MHD_Connection *conn)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(conn,
	    MHD_CONNECTION_INFO_CONNECTION_FD);

	return info == NULL ? -1 : info->connect_fd;
}

void
serve_log(const struct serve *s, const char *fmt, ...)
{
	char line[1024], stamp[32];
	struct timespec now;
	struct tm tm;
	va_list ap;
	int i, n, head;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	head = snprintf(line, sizeof(line), "%s.%03ldZ %.64s: ", stamp,
	    now.tv_nsec / 1000000, s->name);
	va_start(ap, fmt);
	n = vsnprintf(line + head, sizeof(line) - (size_t)head - 1, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	n += head;
	if (n > (int)sizeof(line) - 2)
		n = (int)sizeof(line) - 2;
	for (i = head; i < n; i++) {
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
		/* U+0080 to U+009F: some terminals heed them, too. */
		if ((unsigned char)line[i] == 0xc2 && i + 1 < n &&
		    ((unsigned char)line[i + 1] & 0xe0) == 0x80)
			line[i] = line[i + 1] = '?';
	}
	line[n++] = '\n';
	/* One write, so lines of several threads do not mix. */
	if (write(STDERR_FILENO, line, (size_t)n) == -1)
		return;
}

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

/* The request: what was asked. */

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

/* RFC 9110 5.6.2: what a header's name is made of. */
static bool
is_token(const char *s)
{
	static const char also[] = "!#$%&'*+-.^_`|~";
	size_t n;

	for (n = 0; s[n] != '\0'; n++)
		if (!(s[n] >= '0' && s[n] <= '9') &&
		    !((s[n] | 32) >= 'a' && (s[n] | 32) <= 'z') &&
		    strchr(also, s[n]) == NULL)
			return false;
	return n > 0;
}

/*
 * libmicrohttpd 0.9.75 joins a folded line (RFC 9112 5.2) to the header's
 * name, so what a client folds could turn into any other header.  A name that
 * was not folded lies in front of its value, blanks between them.
 */
static bool
is_folded(const char *name, const char *value)
{
	uintptr_t end = (uintptr_t)(name + strlen(name) + 1);

	if (strncmp(MHD_get_version(), "0.", 2) != 0)
		return false;
	if ((uintptr_t)value < end || (uintptr_t)value - end > MEMORY_MAX)
		return true;
	for (; end < (uintptr_t)value; end++)
		if (*(const char *)end != ' ' && *(const char *)end != '\t')
			return true;
	return false;
}

/* A copy of each header: the library leaves blanks behind a value. */
static enum MHD_Result
take_header(void *arg, enum MHD_ValueKind kind, const char *name,
    const char *value)
{
	struct exchange *x = arg;
	struct header *h = calloc(1, sizeof(*h));
	size_t n;

	(void)kind;
	if (value == NULL)
		value = "";
	n = strlen(value);
	while (n > 0 && (value[n - 1] == ' ' || value[n - 1] == '\t'))
		n--;
	if (h == NULL || (h->name = strdup(name)) == NULL ||
	    (h->value = strndup(value, n)) == NULL)
		x->broken = true;
	else if (!is_token(name) || is_folded(name, value))
		x->malformed = true;
	if (h != NULL) {
		*x->asked_end = h;
		x->asked_end = &h->next;
	}
	return MHD_YES;
}

const char *
serve_header(const struct serve_request *r, const char *name)
{
	const struct header *h;

	for (h = exchange_of(r)->asked; h != NULL; h = h->next)
		if (strcasecmp(h->name, name) == 0)
			return h->value;
	return NULL;
}

unsigned
serve_header_count(const struct serve_request *r, const char *name)
{
	const struct header *h;
	unsigned n = 0;

	for (h = exchange_of(r)->asked; h != NULL; h = h->next)
		n += strcasecmp(h->name, name) == 0;
	return n;
}

void
serve_headers(const struct serve_request *r,
    void (*each)(void *, const char *, const char *), void *arg)
{
	const struct header *h;

	for (h = exchange_of(r)->asked; h != NULL; h = h->next)
		each(arg, h->name, h->value);
}

int
serve_query(const struct serve_request *r, const char *name, struct buf *b,
    struct fail *f)
{
	const char *p = r->query;
	struct buf key = BUF_INIT(MEMORY_MAX);
	size_t len, eq, before = b->len;
	int found = 0;

	while (*p != '\0' && found == 0) {
		len = strcspn(p, "&");
		eq = 0;
		while (eq < len && p[eq] != '=')
			eq++;
		buf_clear(&key);
		if (hex_unescape(&key, p, eq, true, f) == -1)
			found = -1;
		else if (strcmp(key.data, name) == 0) {
			found = 1;
			if (eq < len)
				eq++;
			if (hex_unescape(b, p + eq, len - eq, true, f) == -1)
				found = -1;
		}
		p += len;
		if (*p == '&')
			p++;
	}
	buf_free(&key);
	if (found == -1)
		b->len = before;
	return found;
}

int
serve_match(const struct serve_request *r, const char *pattern,
    char seg[][256], int max)
{
	const char *p = r->path;
	struct buf b = { NULL, 0, 0, 255 };
	struct fail f;
	size_t len;
	int n = 0;

	while (*pattern != '\0') {
		if (pattern[0] != '{' || pattern[1] != '}') {
			if (*pattern++ != *p++)
				goto no;
			continue;
		}
		pattern += 2;
		len = strcspn(p, "/");
		if (len == 0 || len > 3 * 255 || n == max)
			goto no;
		/* Each escape is three bytes for one. */
		b.max = len;
		buf_clear(&b);
		if (hex_unescape(&b, p, len, false, &f) == -1 || b.len > 255)
			goto no;
		memcpy(seg[n++], b.data, b.len + 1);
		p += len;
	}
	if (*p != '\0')
		goto no;
	buf_free(&b);
	return n;
no:
	buf_free(&b);
	return -1;
}

int
serve_peer(const struct serve_request *r, uid_t *uid, pid_t *pid)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (exchange_of(r)->s->unix_path == NULL ||
	    getsockopt(connection_fd(exchange_of(r)->conn), SOL_SOCKET,
	    SO_PEERCRED, &cred, &len) == -1)
		return -1;
	*uid = cred.uid;
	*pid = cred.pid;
	return 0;
}

/* The answer. */

bool
serve_answered(const struct serve_request *r)
{
	return exchange_of(r)->response != NULL;
}

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
	if (atomic_load(&x->s->stopping))
		MHD_add_response_header(response, "Connection", "close");
	x->response = response;
	x->status = status;
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

/* Text as the inside of a JSON string; what it quotes may be anything. */
static void
json_text(char *dst, size_t size, const char *text)
{
	size_t n = 0, left = strlen(text), len;
	const char *s = text;
	uint32_t rune;

	for (; left > 0 && n + 5 < size; s += len, left -= len) {
		len = utf8_rune(s, left, &rune);
		if (len == 0 || rune < 0x20 || (rune >= 0x7f && rune < 0xa0)) {
			dst[n++] = '?';
			if (len == 0)
				len = 1;
			continue;
		}
		if (*s == '"' || *s == '\\')
			dst[n++] = '\\';
		memcpy(dst + n, s, len);
		n += len;
	}
	dst[n] = '\0';
}

void
serve_error(struct serve_request *r, unsigned status, const char *code,
    const char *fmt, ...)
{
	char text[1024], quoted[2048], body[2304];
	va_list ap;
	int n;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	json_text(quoted, sizeof(quoted), text);
	n = snprintf(body, sizeof(body),
	    "{\"error\": \"%s\", \"code\": \"%s\"}\n", quoted, code);
	serve_reply(r, status, "application/json", body, (size_t)n);
}

void
serve_reply_json(struct serve_request *r, unsigned status, struct jout *j)
{
	struct fail f;

	if (jout_end(j, &f) == -1)
		serve_error(r, 500, "INTERNAL_ERROR", "%s", f.msg);
	else
		serve_reply(r, status, "application/json", j->b->data,
		    j->b->len);
	buf_free(j->b);
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
	return peer_left(connection_fd(st->x->conn)) ?
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

/* The exchange with libmicrohttpd. */

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

/* Faults on purpose, as region/serve/fault.h and tl-fault(7) have them. */

/*
 * Refuse connections, by a socket that does not listen any more; Linux lets it
 * listen again later.  A unix socket would not, so that goes out of sight.
 * Meanwhile libmicrohttpd polls in vain.
 */
static void
door(struct serve *s, bool open)
{
	char away[sizeof(((struct sockaddr_un *)0)->sun_path) + 8];

	if (s->unix_path != NULL)
		snprintf(away, sizeof(away), "%s.away", s->unix_path);
	pthread_mutex_lock(&s->door_lock);
	if (!open && s->shut++ == 0) {
		if (s->unix_path == NULL)
			shutdown(s->fd, SHUT_RD);
		else if (rename(s->unix_path, away) == -1)
			serve_log(s, "%s: %s", away, strerror(errno));
	} else if (open && --s->shut == 0) {
		if (s->unix_path == NULL)
			listen(s->fd, SOMAXCONN);
		else if (atomic_load(&s->stopping))
			unlink(away);
		else if (rename(away, s->unix_path) == -1)
			serve_log(s, "%s: %s", away, strerror(errno));
	}
	pthread_mutex_unlock(&s->door_lock);
}

/* So long, or until the end of the server or, if fd is one, the client's. */
static void
hold(const struct serve *s, unsigned ms, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLRDHUP };
	int64_t now = clock_ms(), end = now + ms;

	for (; now < end && !atomic_load(&s->stopping); now = clock_ms())
		if (poll(&p, 1, end - now < 20 ? (int)(end - now) : 20) == 1)
			break;
}

/* Which fault this is, if any; true if it takes the place of the handling. */
static bool
fault_first(struct exchange *x)
{
	struct serve *s = x->s;
	struct fault_answer a;
	char name[64] = "other", line[512];
	bool picked;

	if (s->faults == NULL)
		return false;
	if (s->ops->name != NULL)
		s->ops->name(&x->req, name, sizeof(name));
	picked = faults_pick(s->faults, name, &x->fault, line, sizeof(line));
	if (line[0] != '\0')
		serve_log(s, "%s", line);
	if (!picked)
		return false;
	switch (x->fault.kind) {
	case FAULT_REFUSED:
		door(s, false);
		fault_reset(connection_fd(x->conn));
		hold(s, x->fault.ms, -1);
		door(s, true);
		return true;
	case FAULT_RESET:
		fault_reset(connection_fd(x->conn));
		return true;
	case FAULT_STATUS:
	case FAULT_ERROR:
	case FAULT_HTML:
		fault_answer(&x->fault, s->xml, &a);
		if (a.status == 401)
			serve_add_header(&x->req, "WWW-Authenticate",
			    "Bearer");
		if (a.status == 429)
			serve_add_header(&x->req, "Retry-After", "1");
		serve_reply(&x->req, a.status, a.type, a.body, strlen(a.body));
		return true;
	default:
		return false;
	}
}

/* What happens to an answer; true if it is not to be sent. */
static bool
fault_last(struct exchange *x)
{
	static const char head[] = "HTTP/1.1 20";
	int fd = connection_fd(x->conn);

	switch (x->fault.kind) {
	case FAULT_REFUSED_AFTER:
		MHD_add_response_header(x->response, "Connection", "close");
		/* Of a stream nobody knows when it ends, see over(). */
		if (!x->stream) {
			x->shut = true;
			door(x->s, false);
		}
		return false;
	case FAULT_RESET_AFTER:
		fault_reset(fd);
		return true;
	case FAULT_NO_ANSWER:
		hold(x->s, x->fault.ms, fd);
		return true;
	case FAULT_SLOW:
		hold(x->s, x->fault.ms, fd);
		return false;
	case FAULT_CUT:
	case FAULT_LENGTH:
		/* Half of an answer that is all head. */
		if (!x->empty && strcmp(x->req.method, "HEAD") != 0)
			return false;
		if (send(fd, head, sizeof(head) - 1, MSG_NOSIGNAL) == -1)
			serve_log(x->s, "%s", strerror(errno));
		shutdown(fd, SHUT_WR);
		return true;
	default:
		return false;
	}
}

/* The exchange is over: what there still is to be refused. */
static void
fault_over(struct exchange *x)
{
	if (x->fault.kind != FAULT_REFUSED_AFTER || x->response == NULL)
		return;
	if (!x->shut)
		door(x->s, false);
	hold(x->s, x->fault.ms, -1);
	door(x->s, true);
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
first_call(struct exchange *x)
{
	struct serve *s = x->s;
	bool refused;

	MHD_get_connection_values(x->conn, MHD_HEADER_KIND, take_header, x);
	if (x->broken)
		return MHD_NO;
	if (fault_first(x)) {
		if (x->response == NULL)
			return MHD_NO;
		refused = body_length(x) == -1;
		goto answered;
	}
	refused = body_length(x) == -1;
	if (x->malformed) {
		refused = true;
		serve_error(&x->req, 400, "bad_request",
		    "a malformed or folded header");
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
	MHD_add_response_header(x->response, "Connection", "close");
	x->linger = true;
	return fault_last(x) ? MHD_NO : queue(x);
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
	if (x->response == NULL || (!x->early && fault_last(x)))
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
	(void)version;
	if (x == NULL || x->broken)
		return MHD_NO;
	if (x->queued)
		return MHD_YES;
	clock_set(x, 0);
	if (x->req.method == NULL) {
		x->req.method = method;
		result = first_call(x);
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

static void
headers_free(struct header *h)
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
		linger(s, connection_fd(conn));
	else if (x->stream)
		clock_set(x, IDLE_S);
	fault_over(x);
	if (x->response != NULL)
		MHD_destroy_response(x->response);
	headers_free(x->asked);
	headers_free(x->headers);
	buf_free(&x->req.body);
	free(x->target);
	free(x->path);
	free(x);
	atomic_fetch_sub(&s->busy, 1);
}

/* Who is connected. */

static unsigned
guest_max(const struct guest *g)
{
	return g->range ? GUEST_RANGE_MAX : GUEST_MAX;
}

/* Ourselves and root are no guests. */
static bool
is_guest(const struct sockaddr *them, const struct sockaddr *us,
    struct guest *g)
{
	uid_t uid;

	if (peer_uid(them, us, &uid) == -1 || uid == 0 || uid == geteuid())
		return false;
	g->range = uid >= RANGE;
	g->id = g->range ? uid / RANGE : uid;
	return true;
}

static struct guest *
guest_find(struct serve *s, const struct guest *who)
{
	struct guest *g;

	for (g = s->guests; g != NULL; g = g->next)
		if (g->id == who->id && g->range == who->range)
			break;
	return g;
}

/* Asked first; the question who it is costs, so only where one has it all. */
static enum MHD_Result
on_accept(void *arg, const struct sockaddr *them, socklen_t len)
{
	struct serve *s = arg;
	struct sockaddr_storage us;
	struct guest who = { .n = 0 }, *g;
	bool welcome = true;

	pthread_mutex_lock(&s->guest_lock);
	len = sizeof(us);
	if (s->full > 0 &&
	    getsockname(s->fd, (struct sockaddr *)&us, &len) == 0 &&
	    is_guest(them, (struct sockaddr *)&us, &who)) {
		g = guest_find(s, &who);
		welcome = g == NULL || g->n < guest_max(g);
	}
	pthread_mutex_unlock(&s->guest_lock);
	return welcome ? MHD_YES : MHD_NO;
}

static void
guest_came(struct serve *s, int fd, struct guest **out)
{
	struct sockaddr_storage them, us;
	socklen_t n = sizeof(them), m = sizeof(us);
	struct guest who = { .n = 0 }, *g;

	if (s->unix_path != NULL ||
	    getpeername(fd, (struct sockaddr *)&them, &n) == -1 ||
	    getsockname(fd, (struct sockaddr *)&us, &m) == -1 ||
	    !is_guest((struct sockaddr *)&them, (struct sockaddr *)&us, &who))
		return;
	pthread_mutex_lock(&s->guest_lock);
	if ((g = guest_find(s, &who)) == NULL &&
	    (g = malloc(sizeof(*g))) != NULL) {
		*g = who;
		g->next = s->guests;
		s->guests = g;
	}
	if (g != NULL && ++g->n == guest_max(g)) {
		s->full++;
		serve_log(s, "%s %lu: %u connections, no more are taken",
		    g->range ? "users from" : "user", (unsigned long)g->id *
		    (g->range ? RANGE : 1), g->n);
	}
	pthread_mutex_unlock(&s->guest_lock);
	*out = g;
}

static void
guest_went(struct serve *s, struct guest *g)
{
	struct guest **at;

	pthread_mutex_lock(&s->guest_lock);
	if (g->n-- == guest_max(g))
		s->full--;
	if (g->n == 0) {
		for (at = &s->guests; *at != g; at = &(*at)->next)
			;
		*at = g->next;
		free(g);
	}
	pthread_mutex_unlock(&s->guest_lock);
}

static void
on_connection(void *arg, struct MHD_Connection *conn, void **own,
    enum MHD_ConnectionNotificationCode what)
{
	if (what == MHD_CONNECTION_NOTIFY_STARTED)
		guest_came(arg, connection_fd(conn), (struct guest **)own);
	else if (*own != NULL)
		guest_went(arg, *own);
}

/* Listening. */

static int
listen_unix(struct serve *s, const char *path, struct fail *f)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct stat st;
	mode_t mask;
	int fd, r, saved;

	if (path[0] != '/' || strlen(path) >= sizeof(sa.sun_path))
		return fail_set(f, EX_USAGE, "unix:%.200s: not an absolute "
		    "path of at most %zu bytes", path,
		    sizeof(sa.sun_path) - 1);
	strcpy(sa.sun_path, path);
	if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) == -1)
		return fail_sys(f, EX_OSERR, "socket");
	if (lstat(path, &st) == 0) {
		if (!S_ISSOCK(st.st_mode)) {
			close(fd);
			return fail_set(f, EX_CANTCREAT,
			    "%.200s: in the way, and not a socket", path);
		}
		if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0 ||
		    errno != ECONNREFUSED) {
			close(fd);
			return fail_set(f, EX_UNAVAILABLE,
			    "unix:%.200s: in use", path);
		}
		unlink(path);
	}
	mask = umask(0177);
	r = bind(fd, (struct sockaddr *)&sa, sizeof(sa));
	saved = errno;
	umask(mask);
	errno = saved;
	if (r == -1) {
		close(fd);
		return fail_sys(f, errno == EADDRINUSE ? EX_UNAVAILABLE :
		    EX_CANTCREAT, "unix:%.200s", path);
	}
	if (listen(fd, SOMAXCONN) == -1 || lstat(path, &st) == -1 ||
	    asprintf(&s->url, "unix:%s", path) == -1 ||
	    (s->unix_path = strdup(path)) == NULL) {
		fail_sys(f, EX_OSERR, "unix:%.200s", path);
		unlink(path);
		close(fd);
		return -1;
	}
	s->unix_dev = st.st_dev;
	s->unix_ino = st.st_ino;
	return fd;
}

static bool
is_loopback(const struct sockaddr *sa)
{
	const struct sockaddr_in *in = (const void *)sa;
	const struct sockaddr_in6 *in6 = (const void *)sa;

	if (sa->sa_family == AF_INET)
		return ntohl(in->sin_addr.s_addr) >> 24 == 127;
	return sa->sa_family == AF_INET6 &&
	    IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
}

static int
bound(const struct sockaddr *sa, socklen_t sa_len,
    struct sockaddr_storage *ss, socklen_t *len)
{
	int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1, saved;

	if (fd != -1 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one,
	    sizeof(one)) == 0 && bind(fd, sa, sa_len) == 0) {
		*len = sizeof(*ss);
		if (getsockname(fd, (struct sockaddr *)ss, len) == 0)
			return fd;
	}
	saved = errno;
	if (fd != -1)
		close(fd);
	errno = saved;
	return -1;
}

static int
listen_tcp(struct serve *s, const struct serve_options *o, struct fail *f)
{
	struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
	}, *ai = NULL;
	char host[64], port[16];
	const char *at = o->listen, *colon = strrchr(at, ':');
	struct sockaddr_storage ss;
	socklen_t len = 0;
	size_t n;
	int fd = -1, first;

	if (colon == NULL || colon == at)
		goto malformed;
	n = (size_t)(colon - at);
	if (at[0] == '[' && colon[-1] == ']') {
		at++;
		n -= 2;
	}
	if (n == 0 || n >= sizeof(host) || colon[1] == '\0' ||
	    strspn(colon + 1, "0123456789") != strlen(colon + 1) ||
	    strlen(colon + 1) > 5 || atoi(colon + 1) > 65535)
		goto malformed;
	memcpy(host, at, n);
	host[n] = '\0';
	if (strcmp(host, "localhost") == 0)
		strcpy(host, "127.0.0.1");
	if (getaddrinfo(host, colon + 1, &hints, &ai) != 0)
		goto malformed;
	if (!o->any_host && !is_loopback(ai->ai_addr)) {
		freeaddrinfo(ai);
		return fail_set(f, EX_USAGE, "%.200s: not a loopback address",
		    o->listen);
	}
	fd = bound(ai->ai_addr, ai->ai_addrlen, &ss, &len);
	/*
	 * Linux lets go of a port that it chose when the socket stops to
	 * listen, as it does in door(); not so of one that it was told.
	 */
	if (fd != -1 && o->faults != NULL) {
		first = fd;
		fd = bound((struct sockaddr *)&ss, len, &ss, &len);
		close(first);
	}
	if (fd == -1 || listen(fd, SOMAXCONN) == -1) {
		fail_sys(f, EX_UNAVAILABLE, "%.200s", o->listen);
		goto fail;
	}
	if (getnameinfo((struct sockaddr *)&ss, len, host, sizeof(host), port,
	    sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0 ||
	    asprintf(&s->url, ss.ss_family == AF_INET6 ? "http://[%s]:%s" :
	    "http://%s:%s", host, port) == -1) {
		s->url = NULL;
		fail_set(f, EX_OSERR, "%.200s: out of memory", o->listen);
		goto fail;
	}
	freeaddrinfo(ai);
	return fd;
fail:
	freeaddrinfo(ai);
	if (fd != -1)
		close(fd);
	return -1;
malformed:
	return fail_set(f, EX_USAGE, "%.200s: not HOST:PORT with a numeric "
	    "host, nor unix:/PATH", o->listen);
}

int
serve_faults(struct serve_options *o, const char *file, struct fail *f)
{
	const char *spec = getenv("TL_FAULT");

	if (spec != NULL && *spec == '\0')
		spec = NULL;
	if (spec == NULL && file == NULL)
		return 0;
	o->faults = faults_open(spec, file, f);
	return o->faults == NULL ? -1 : 0;
}

struct serve *
serve_start(const struct serve_options *o, struct fail *f)
{
	struct serve *s = calloc(1, sizeof(*s));

	if (s == NULL || (s->name = strdup(o->name)) == NULL) {
		free(s);
		fail_set(f, EX_OSERR, "out of memory");
		return NULL;
	}
	s->ops = o->ops;
	s->arg = o->arg;
	s->faults = o->faults;
	s->xml = o->xml;
	pthread_mutex_init(&s->door_lock, NULL);
	atomic_init(&s->stopping, false);
	atomic_init(&s->busy, 0);
	pthread_mutex_init(&s->guest_lock, NULL);
	s->fd = strncmp(o->listen, "unix:", 5) == 0 ?
	    listen_unix(s, o->listen + 5, f) : listen_tcp(s, o, f);
	if (s->fd != -1) {
		s->daemon = MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION |
		    MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL |
		    MHD_USE_ITC | MHD_USE_ERROR_LOG, 0, on_accept, s, on_request,
		    s, MHD_OPTION_EXTERNAL_LOGGER, mhd_log, s,
		    MHD_OPTION_LISTEN_SOCKET, s->fd,
		    MHD_OPTION_URI_LOG_CALLBACK, on_target, s,
		    MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
		    MHD_OPTION_NOTIFY_CONNECTION, on_connection, s,
		    MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S,
		    MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
		    MHD_OPTION_CONNECTION_MEMORY_LIMIT, MEMORY_MAX,
		    MHD_OPTION_CONNECTION_MEMORY_INCREMENT, MEMORY_STEP,
		    MHD_OPTION_THREAD_STACK_SIZE, STACK_BYTES,
		    MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
		if (s->daemon != NULL)
			return s;
		fail_set(f, EX_OSERR, "%.200s: libmicrohttpd cannot start",
		    o->listen);
	}
	serve_stop(s);
	return NULL;
}

const char *
serve_url(const struct serve *s)
{
	return s->url;
}

bool
serve_stopping(const struct serve *s)
{
	return atomic_load(&s->stopping);
}

static void
stop_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
}

void
serve_block_signals(void)
{
	sigset_t set;

	stop_signals(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	/* A client that goes away is an EPIPE. */
	signal(SIGPIPE, SIG_IGN);
}

int
serve_run(struct serve *s, const char *ready, struct fail *f)
{
	struct buf line = BUF_INIT(4096);
	sigset_t set;
	int r = 0, sig;

	if (ready != NULL) {
		r = buf_addf(&line, f, "%s\n", s->url);
		if (r == 0)
			r = buf_save(&line, ready, f);
		buf_free(&line);
		if (r == -1)
			return -1;
	}
	stop_signals(&set);
	while ((r = sigwait(&set, &sig)) == EINTR)
		;
	if (ready != NULL)
		unlink(ready);
	if (r != 0)
		return fail_set(f, EX_OSERR, "sigwait: %s", strerror(r));
	return 0;
}

static void
forget_socket(const struct serve *s)
{
	struct stat st;

	/* Another server may have put its own there. */
	if (s->unix_path != NULL && lstat(s->unix_path, &st) == 0 &&
	    st.st_dev == s->unix_dev && st.st_ino == s->unix_ino)
		unlink(s->unix_path);
}

void
serve_stop(struct serve *s)
{
	const struct timespec moment = { .tv_nsec = 5000000 };
	int64_t end = clock_ms() + STOP_MS;

	if (s == NULL)
		return;
	atomic_store(&s->stopping, true);
	if (s->daemon != NULL) {
		MHD_quiesce_daemon(s->daemon);
		forget_socket(s);
		while (atomic_load(&s->busy) > 0 && clock_ms() < end)
			nanosleep(&moment, NULL);
		MHD_stop_daemon(s->daemon);
	}
	if (s->fd != -1)
		close(s->fd);
	faults_free(s->faults);
	pthread_mutex_destroy(&s->door_lock);
	pthread_mutex_destroy(&s->guest_lock);
	free(s->unix_path);
	free(s->url);
	free(s->name);
	free(s);
}
