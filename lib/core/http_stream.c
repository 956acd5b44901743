#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include "core/clock.h"
#include "core/http_impl.h"
#include "core/stop.h"
#include "core/websocket.h"

#define HEAD_MAX	(64UL << 10)
/* For the answer, where the request has no limit of its own. */
#define ANSWER_MS	20000
#define SLICE_MS	200	/* a signal is noticed within so long */

struct http_stream {
	struct transfer	*t;
	int		 fd;
	struct buf	 came;		/* behind the answer's head */
	size_t		 at;
};

int
http_stream_fd(const struct http_stream *s)
{
	return s->fd;
}

static ssize_t
result(CURLcode code, size_t n)
{
	if (code == CURLE_AGAIN)
		return 0;
	return code != CURLE_OK || n == 0 ? -1 : (ssize_t)n;
}

static ssize_t
receive(struct http_stream *s, void *to, size_t max)
{
	size_t n = 0;
	CURLcode code = curl_easy_recv(s->t->easy, to, max, &n);

	return result(code, n);
}

ssize_t
http_stream_recv(struct http_stream *s, void *to, size_t max)
{
	size_t n = s->came.len - s->at;

	if (n == 0)
		return receive(s, to, max);
	if (n > max)
		n = max;
	memcpy(to, s->came.data + s->at, n);
	s->at += n;
	return (ssize_t)n;
}

ssize_t
http_stream_send(struct http_stream *s, const void *from, size_t max)
{
	size_t n = 0;
	CURLcode code = curl_easy_send(s->t->easy, from, max, &n);

	return result(code, n);
}

void
http_stream_close(struct http_stream *s)
{
	if (s == NULL)
		return;
	if (s->t != NULL) {
		curl_easy_cleanup(s->t->easy);
		curl_slist_free_all(s->t->headers);
		free(s->t);
	}
	buf_free(&s->came);
	free(s);
}

/* Until it can go on: 0, or -1 if that is too late. */
static int
await(const struct http_stream *s, short events, int64_t until, struct fail *f)
{
	struct pollfd p = { .fd = s->fd, .events = events };
	int64_t now;

	while ((now = clock_ms()) < until) {
		if (stop_signal != 0)
			return fail_set(f, EX_TEMPFAIL, "%s", stop_reason());
		if (poll(&p, 1, until - now < SLICE_MS ? (int)(until - now) :
		    SLICE_MS) == 1)
			return 0;
	}
	return fail_set(f, EX_TEMPFAIL, "%s: no answer in time", s->t->shown);
}

static int
lost(const struct http_stream *s, struct fail *f)
{
	return fail_set(f, EX_TEMPFAIL, "%s: the connection ended before the "
	    "answer", s->t->shown);
}

/* The connection, TLS and a proxy's tunnel included. */
static int
connect_to(struct http_stream *s, bool local, struct fail *f)
{
	struct http_reply *r = s->t->reply;
	curl_socket_t fd = CURL_SOCKET_BAD;
	CURL *e = s->t->easy;
	CURLcode code;

	if (http_transfer_set(s->t, local) == -1)
		return fail_set(f, EX_OSERR, "out of memory");
	curl_easy_setopt(e, CURLOPT_CONNECT_ONLY, 1L);
	curl_easy_setopt(e, CURLOPT_HTTPPROXYTUNNEL, 1L);
	curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L);
	code = curl_easy_perform(e);
	if (code == CURLE_OK)
		code = curl_easy_getinfo(e, CURLINFO_ACTIVESOCKET, &fd);
	if (code != CURLE_OK || fd == CURL_SOCKET_BAD) {
		http_transfer_end(s->t, code == CURLE_OK ?
		    CURLE_COULDNT_CONNECT : code);
		r->status = 0;
		r->sent = false;
		*f = r->fail;
		return -1;
	}
	s->fd = fd;
	return 0;
}

/* The part of a URL, or NULL. */
static char *
url_part(const char *url, CURLUPart part)
{
	CURLU *u = curl_url();
	char *text = NULL;

	if (u != NULL && curl_url_set(u, CURLUPART_URL, url, CURLU_PATH_AS_IS)
	    == CURLUE_OK && curl_url_get(u, part, &text, 0) != CURLUE_OK)
		text = NULL;
	curl_url_cleanup(u);
	return text;
}

/* The authority as a Host header has it. */
static int
add_host(struct buf *b, const char *url, struct fail *f)
{
	const char *host = strstr(url, "://") + 3;

	return buf_addf(b, f, "Host: %.*s\r\n", (int)strcspn(host, "/?#"),
	    host);
}

/* What the request is; libcurl would have written the same, but for a 101. */
static int
compose(const struct http_stream *s, const char *key, struct buf *b,
    struct fail *f)
{
	const struct http_request *q = s->t->req;
	char *path = url_part(q->url, CURLUPART_PATH);
	char *query = url_part(q->url, CURLUPART_QUERY);
	const struct curl_slist *h;
	int r = -1;

	if (path == NULL) {
		fail_set(f, EX_OSERR, "out of memory");
		goto out;
	}
	if (buf_addf(b, f, "%s %s%s%s HTTP/1.1\r\n", q->method, path,
	    query == NULL ? "" : "?", query == NULL ? "" : query) == -1 ||
	    (q->host == NULL && add_host(b, q->url, f) == -1))
		goto out;
	for (h = s->t->headers; h != NULL; h = h->next)
		/* "Name:" is one that libcurl is not to send. */
		if (h->data[strlen(h->data) - 1] != ':' &&
		    buf_addf(b, f, "%s\r\n", h->data) == -1)
			goto out;
	r = buf_addf(b, f, "Connection: Upgrade\r\nUpgrade: websocket\r\n"
	    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n", key);
out:
	curl_free(path);
	curl_free(query);
	return r;
}

static int
send_all(struct http_stream *s, const struct buf *b, int64_t until,
    struct fail *f)
{
	size_t at = 0;
	ssize_t n;

	while (at < b->len) {
		n = http_stream_send(s, b->data + at, b->len - at);
		if (n == -1)
			return lost(s, f);
		at += (size_t)n;
		if (n == 0 && await(s, POLLOUT, until, f) == -1)
			return -1;
	}
	return 0;
}

/* Some more of what comes: 1, or 0 at the end, or -1. */
static int
more(struct http_stream *s, int64_t until, struct fail *f)
{
	char text[4096];
	ssize_t n;

	while ((n = receive(s, text, sizeof(text))) == 0)
		if (await(s, POLLIN, until, f) == -1)
			return -1;
	if (n == -1)
		return 0;
	return buf_add(&s->came, text, (size_t)n, f) == -1 ? -1 : 1;
}

/* The answer's head, cut off what came: a string, to be freed; or NULL. */
static char *
read_head(struct http_stream *s, int64_t until, struct fail *f)
{
	char *end = NULL, *head;
	size_t n;
	int r = 1;

	while (r == 1 && (s->came.len == 0 || (end = memmem(s->came.data,
	    s->came.len, "\r\n\r\n", 4)) == NULL))
		r = more(s, until, f);
	if (r == 0)
		lost(s, f);
	if (r == -1 && f->status != EX_TEMPFAIL && f->status != EX_OSERR)
		fail_set(f, EX_PROTOCOL, "%s: the answer's headers are too "
		    "long", s->t->shown);
	if (r != 1)
		return NULL;
	n = (size_t)(end - s->came.data) + 2;
	if (strncmp(s->came.data, "HTTP/1.1 ", 9) != 0 || n < 14 ||
	    memchr(s->came.data, '\0', n) != NULL) {
		fail_set(f, EX_PROTOCOL, "%s: the answer is not HTTP/1.1",
		    s->t->shown);
		return NULL;
	}
	if ((head = strndup(s->came.data, n)) == NULL) {
		fail_set(f, EX_OSERR, "out of memory");
		return NULL;
	}
	s->at = n + 2;
	memmove(s->came.data, s->came.data + s->at, s->came.len - s->at);
	s->came.len -= s->at;
	s->at = 0;
	return head;
}

/* A header's value within its line, or NULL. */
static const char *
value_of(const char *head, const char *name, size_t *n)
{
	size_t len = strlen(name);
	const char *p = head;

	while ((p = strstr(p, "\r\n")) != NULL) {
		p += 2;
		if (strncasecmp(p, name, len) != 0 || p[len] != ':')
			continue;
		p += len + 1;
		p += strspn(p, " \t");
		*n = strcspn(p, "\r");
		while (*n > 0 && (p[*n - 1] == ' ' || p[*n - 1] == '\t'))
			(*n)--;
		return p;
	}
	return NULL;
}

static bool
has_value(const char *head, const char *name, const char *value, bool exact)
{
	size_t n;
	const char *p = value_of(head, name, &n);

	return p != NULL && n == strlen(value) && (exact ?
	    strncmp(p, value, n) : strncasecmp(p, value, n)) == 0;
}

/* The words of a server that refuses. */
static int
read_body(struct http_stream *s, const char *head, struct http_reply *r,
    int64_t until)
{
	const char *p;
	size_t n = 0, want;
	struct fail f;

	p = value_of(head, "Content-Length", &n);
	if (p == NULL)
		return 0;
	want = (size_t)strtoul(p, NULL, 10);
	if (want > r->body.max)
		want = r->body.max;
	if (want > HEAD_MAX)
		want = HEAD_MAX;
	while (s->came.len < want && more(s, until, &f) == 1)
		;
	if (s->came.len < want)
		want = s->came.len;
	return want == 0 ? 0 : buf_add(&r->body, s->came.data, want, &f);
}

/* 1 if it has switched; 0 if it has answered; -1. */
static int
answer(struct http_stream *s, const char *accept, int64_t until,
    struct fail *f)
{
	struct http_reply *r = s->t->reply;
	char *head;
	int rc = 0;

	do {
		if ((head = read_head(s, until, f)) == NULL)
			return -1;
		r->status = strtol(head + 9, NULL, 10);
		if (r->status == 101 && has_value(head, "Upgrade",
		    "websocket", false) && has_value(head,
		    "Sec-WebSocket-Accept", accept, true))
			rc = 1;
		else if (r->status == 101)
			rc = fail_set(f, EX_PROTOCOL, "%s: the answer is not "
			    "to this request", s->t->shown);
		else if (r->status / 100 != 1)
			rc = read_body(s, head, r, until);
		free(head);
	} while (rc == 0 && r->status / 100 == 1);
	return rc;
}

int
http_websocket(struct http *h, const struct http_request *q,
    struct http_reply *r, struct http_stream **out, struct fail *f)
{
	struct http_stream *s = calloc(1, sizeof(*s));
	char key[WEBSOCKET_KEY], accept[WEBSOCKET_ACCEPT];
	struct buf request = BUF_INIT(HEAD_MAX);
	int64_t until = clock_ms() + (q->timeout_ms > 0 ? q->timeout_ms :
	    ANSWER_MS);
	int rc = -1, local = http_may_go(h, q, f);

	if (h->deadline != 0 && h->deadline < until)
		until = h->deadline;
	if (local == -1)
		goto out;
	if (s == NULL || (s->t = http_transfer_new(h, q, r)) == NULL ||
	    websocket_key(key) == -1 || websocket_accept(key, accept) == -1) {
		fail_set(f, EX_OSERR, "out of memory");
		goto out;
	}
	s->came = (struct buf)BUF_INIT(HEAD_MAX);
	if (h->verbose)
		fprintf(stderr, "> %s\n", s->t->shown);
	if (connect_to(s, local == 1, f) == 0 &&
	    compose(s, key, &request, f) == 0 &&
	    (r->sent = true, send_all(s, &request, until, f)) == 0)
		rc = answer(s, accept, until, f);
	if (h->verbose)
		fprintf(stderr, "< %s: %ld%s%s\n", s->t->shown, r->status,
		    rc == -1 ? " " : "", rc == -1 ? f->msg : "");
out:
	buf_free(&request);
	if (rc == 1)
		*out = s;
	else
		http_stream_close(s);
	return rc;
}
