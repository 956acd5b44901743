#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/http_impl.h"

#define CONNECT_MS	10000L
#define REDIRECTS	10L

/* Headers of all answers to a request, redirects and trailers included. */
#define HEAD_MAX	(256UL << 10)

/* Copy a header's value, white space trimmed, if line is that header. */
static void
header_value(const char *line, size_t n, const char *name, char *dst,
    size_t size)
{
	size_t len = strlen(name);

	if (n <= len || strncasecmp(line, name, len) != 0 || line[len] != ':')
		return;
	line += len + 1;
	n -= len + 1;
	while (n > 0 && (*line == ' ' || *line == '\t')) {
		line++;
		n--;
	}
	while (n > 0 && strchr(" \t\r\n", line[n - 1]) != NULL)
		n--;
	if (n >= size)
		n = size - 1;
	memcpy(dst, line, n);
	dst[n] = '\0';
}

/* Whether a line begins another answer: behind a redirect, or 100. */
static bool
begins_answer(struct transfer *t, const char *p, size_t n)
{
	if (n < 12 || memcmp(p, "HTTP/", 5) != 0 || (t->head_ended &&
	    t->head_code / 100 != 1 && t->head_code / 100 != 3))
		return false;
	t->head_code = atoi(p + strcspn(p, " "));
	t->head_ended = false;
	return true;
}

static size_t
on_header(char *p, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	struct http_reply *r = t->reply;

	n *= size;
	if (n > HEAD_MAX - t->head_bytes) {
		fail_set(&r->fail, EX_PROTOCOL, "%s: the answer's headers "
		    "are too long", t->shown);
		return 0;
	}
	t->head_bytes += n;
	/* A redirect or 100 Continue had headers of its own. */
	if (begins_answer(t, p, n)) {
		r->type[0] = r->etag[0] = r->modified[0] = '\0';
		return n;
	}
	/* Trailers say nothing that headers have not said. */
	if (t->head_ended)
		return n;
	t->head_ended = n <= 2 && (*p == '\r' || *p == '\n');
	header_value(p, n, "Content-Type", r->type, sizeof(r->type));
	header_value(p, n, "ETag", r->etag, sizeof(r->etag));
	header_value(p, n, "Last-Modified", r->modified, sizeof(r->modified));
	return n;
}

static size_t
on_body(char *p, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	struct http_reply *r = t->reply;
	const struct http_request *q = t->req;

	n *= size;
	if (r->status == 0) {
		curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &r->status);
		r->bad_type = q->type != NULL && r->status / 100 == 2 &&
		    strcasestr(r->type, q->type) == NULL;
	}
	if (q->sink != NULL && r->status / 100 == 2 && !r->bad_type) {
		if (q->sink(q->arg, p, n, &r->fail) == -1)
			return 0;
		return n;
	}
	/* An error page longer than the ceiling is cut, an answer is not. */
	if (r->status / 100 != 2 && n > r->body.max - r->body.len) {
		buf_add(&r->body, p, r->body.max - r->body.len, &r->fail);
		return n;
	}
	if (buf_add(&r->body, p, n, &r->fail) == -1) {
		if (r->fail.status != EX_OSERR)
			fail_set(&r->fail, EX_PROTOCOL,
			    "%s: answer of more than the allowed size",
			    t->shown);
		return 0;
	}
	return n;
}

static size_t
on_read(char *p, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	const struct http_request *q = t->req;
	ssize_t got;

	n *= size;
	if (q->read != NULL) {
		got = q->read(q->arg, p, n, &t->reply->fail);
		return got < 0 ? CURL_READFUNC_ABORT : (size_t)got;
	}
	if (n > q->body_len - t->body_at)
		n = q->body_len - t->body_at;
	memcpy(p, (const char *)q->body + t->body_at, n);
	t->body_at += n;
	return n;
}

static int
on_seek(void *arg, curl_off_t at, int origin)
{
	struct transfer *t = arg;

	if (at != 0 || origin != SEEK_SET)
		return CURL_SEEKFUNC_CANTSEEK;
	t->body_at = 0;
	if (t->req->read == NULL)
		return CURL_SEEKFUNC_OK;
	if (t->req->rewind == NULL || t->req->rewind(t->req->arg) == -1)
		return CURL_SEEKFUNC_CANTSEEK;
	return CURL_SEEKFUNC_OK;
}

/* Where a URL's host begins, and how long it is with its port. */
static const char *
authority(const char *url, size_t *n)
{
	const char *at = strstr(url, "://");

	at = at == NULL ? url : at + 3;
	*n = strcspn(at, "/?#");
	return at;
}

/*
 * Whether a URL leads to where another does: the same host and port as they
 * are written, by the same scheme or by https.
 */
static bool
same_place(const char *from, const char *to)
{
	const char *a, *b;
	size_t n, m;

	a = authority(from, &n);
	b = authority(to, &m);
	if (n != m || strncasecmp(a, b, n) != 0)
		return false;
	return (a - from == b - to && strncasecmp(from, to,
	    (size_t)(a - from)) == 0) || strncasecmp(to, "https:", 6) == 0;
}

/*
 * Called before each request goes out, a redirected one too.  A body is meant
 * for the server that was asked: a spec with its keys, or a context, is for no
 * other that this one names.
 */
static int
on_request(void *arg, char *ip, char *local, int port, int local_port)
{
	struct transfer *t = arg;
	char *url = NULL, *method = NULL, shown[160];

	(void)ip;
	(void)local;
	(void)port;
	(void)local_port;
	if (t->req->body == NULL && t->req->json == NULL &&
	    t->req->read == NULL)
		return CURL_PREREQFUNC_OK;
	curl_easy_getinfo(t->easy, CURLINFO_EFFECTIVE_URL, &url);
	curl_easy_getinfo(t->easy, CURLINFO_EFFECTIVE_METHOD, &method);
	/* After a 303 it is a GET: the body stays here. */
	if (url == NULL || same_place(t->req->url, url) || (method != NULL &&
	    strcmp(method, t->req->method) != 0 && strcmp(method, "GET") == 0))
		return CURL_PREREQFUNC_OK;
	fail_set(&t->reply->fail, EX_PROTOCOL, "%s: redirected to another "
	    "server, which must not have what is sent: %s", t->shown,
	    fail_show(shown, sizeof(shown), url, 150));
	return CURL_PREREQFUNC_ABORT;
}

/*
 * Called about once a second and whenever something moved.  libcurl's own
 * low-speed limit is an average, under which a quiet stream with a heartbeat
 * now and then would count as stalled.
 */
static int
on_progress(void *arg, curl_off_t dltotal, curl_off_t dlnow,
    curl_off_t ultotal, curl_off_t ulnow)
{
	struct transfer *t = arg;
	long stall = t->req->stall_s == 0 ? t->http->stall_s :
	    t->req->stall_s;
	int64_t now = clock_ms();

	(void)dltotal;
	(void)ultotal;
	if (dlnow + ulnow != t->bytes) {
		t->bytes = dlnow + ulnow;
		t->moved = now;
	}
	if (t->http->deadline != 0 && now >= t->http->deadline) {
		fail_set(&t->reply->fail, EX_TEMPFAIL,
		    "%s: the deadline has passed", t->shown);
		return 1;
	}
	if (stall > 0 && now - t->moved >= stall * 1000) {
		fail_set(&t->reply->fail, EX_TEMPFAIL,
		    "%s: no byte for %ld s", t->shown, stall);
		return 1;
	}
	return 0;
}

static int
add_header(struct transfer *t, const char *line)
{
	struct curl_slist *l = curl_slist_append(t->headers, line);

	if (l == NULL)
		return -1;
	t->headers = l;
	return 0;
}

static int
set_headers(struct transfer *t)
{
	const struct http_request *q = t->req;
	char *line;
	size_t i;
	int r;

	/* No 100-continue: every server here takes the body at once. */
	if (add_header(t, "Expect:") == -1 ||
	    add_header(t, q->json != NULL ? "Content-Type: application/json" :
	    "Content-Type:") == -1)
		return -1;
	if (q->bearer != NULL) {
		if (asprintf(&line, "Authorization: Bearer %s",
		    q->bearer) == -1)
			return -1;
		r = add_header(t, line);
		explicit_bzero(line, strlen(line));
		free(line);
		if (r == -1)
			return -1;
	}
	if (q->host != NULL) {
		if (asprintf(&line, "Host: %s", q->host) == -1)
			return -1;
		r = add_header(t, line);
		free(line);
		if (r == -1)
			return -1;
	}
	if (q->no_expect_len && add_header(t, "Content-Length:") == -1)
		return -1;
	for (i = 0; q->headers != NULL && q->headers[i] != NULL; i++)
		if (add_header(t, q->headers[i]) == -1)
			return -1;
	curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers);
	return 0;
}

static void
set_body(struct transfer *t)
{
	const struct http_request *q = t->req;
	CURL *e = t->easy;
	bool post = strcmp(q->method, "POST") == 0;

	if (q->json != NULL || (q->body != NULL && post)) {
		curl_easy_setopt(e, CURLOPT_POST, 1L);
		curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE,
		    (curl_off_t)(q->json != NULL ? strlen(q->json) :
		    q->body_len));
		curl_easy_setopt(e, CURLOPT_POSTFIELDS,
		    q->json != NULL ? q->json : q->body);
	} else if (q->body != NULL || q->read != NULL) {
		curl_easy_setopt(e, CURLOPT_UPLOAD, 1L);
		if (q->read == NULL)
			curl_easy_setopt(e, CURLOPT_INFILESIZE_LARGE,
			    (curl_off_t)q->body_len);
		else if (q->read_size != HTTP_LEN_UNKNOWN)
			curl_easy_setopt(e, CURLOPT_INFILESIZE_LARGE,
			    (curl_off_t)q->read_size);
		curl_easy_setopt(e, CURLOPT_READFUNCTION, on_read);
		curl_easy_setopt(e, CURLOPT_READDATA, t);
		curl_easy_setopt(e, CURLOPT_SEEKFUNCTION, on_seek);
		curl_easy_setopt(e, CURLOPT_SEEKDATA, t);
		curl_easy_setopt(e, CURLOPT_UPLOAD_BUFFERSIZE, 64L << 10);
	} else if (post) {
		curl_easy_setopt(e, CURLOPT_POST, 1L);
		curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE, 0L);
		curl_easy_setopt(e, CURLOPT_POSTFIELDS, "");
	} else if (strcmp(q->method, "HEAD") == 0)
		curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
}

/*
 * Whether libcurl has no word of its own for a method: a custom one would
 * survive a 303.
 */
static bool
custom(const struct http_request *q)
{
	bool post = strcmp(q->method, "POST") == 0;
	bool put = strcmp(q->method, "PUT") == 0;

	return (q->json != NULL && !post) || (q->read != NULL && post) ||
	    (put && q->body == NULL && q->read == NULL) ||
	    (!post && !put && strcmp(q->method, "GET") != 0 &&
	    strcmp(q->method, "HEAD") != 0);
}

/* An empty one is none. */
static const char *
set_variable(const char *name)
{
	const char *value = getenv(name);

	return value == NULL || *value == '\0' ? NULL : value;
}

/*
 * What libcurl keeps a copy of.  A setting that was lost for want of memory
 * would go unnoticed: a proxy used, another protocol allowed.
 */
static int
set_strings(struct transfer *t, bool local)
{
	const struct http_request *q = t->req;
	const char *ca = t->http->ca, *dir = NULL;
	CURL *e = t->easy;

	if (ca == NULL)
		ca = getenv("TL_CA_BUNDLE");
	/* As OpenSSL reads them: certificates in a file, or each in its own. */
	if (ca == NULL || *ca == '\0') {
		ca = set_variable("SSL_CERT_FILE");
		dir = set_variable("SSL_CERT_DIR");
	}
	if (curl_easy_setopt(e, CURLOPT_URL, q->url) != CURLE_OK ||
	    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https") !=
	    CURLE_OK ||
	    curl_easy_setopt(e, CURLOPT_REDIR_PROTOCOLS_STR,
	    strncasecmp(q->url, "https:", 6) == 0 ? "https" : "http,https") !=
	    CURLE_OK ||
	    /* Where one of them is given, the system's other one is not. */
	    ((ca != NULL || dir != NULL) &&
	    (curl_easy_setopt(e, CURLOPT_CAINFO, ca) != CURLE_OK ||
	    curl_easy_setopt(e, CURLOPT_CAPATH, dir) != CURLE_OK)) ||
	    (q->unix_path != NULL && curl_easy_setopt(e,
	    CURLOPT_UNIX_SOCKET_PATH, q->unix_path) != CURLE_OK) ||
	    (local && curl_easy_setopt(e, CURLOPT_PROXY, "") != CURLE_OK) ||
	    (custom(q) && curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST,
	    q->method) != CURLE_OK))
		return -1;
	return 0;
}

int
http_transfer_set(struct transfer *t, bool local)
{
	const struct http_request *q = t->req;
	CURL *e = t->easy;

	curl_easy_setopt(e, CURLOPT_PRIVATE, t);
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->error);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, q->timeout_ms);
	curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(e, CURLOPT_TCP_NODELAY, 1L);
	curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, q->fresh ? 1L : 0L);
	curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, on_request);
	curl_easy_setopt(e, CURLOPT_PREREQDATA, t);
	if (!q->no_redirect) {
		curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 1L);
		curl_easy_setopt(e, CURLOPT_MAXREDIRS, REDIRECTS);
	}
	curl_easy_setopt(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(e, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(e, CURLOPT_XFERINFODATA, t);
	curl_easy_setopt(e, CURLOPT_NOPROGRESS, 0L);
	set_body(t);
	return set_strings(t, local) == -1 ? -1 : set_headers(t);
}
