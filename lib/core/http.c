#include <arpa/inet.h>

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <time.h>

#include "core/clock.h"
#include "core/http.h"

#define CONNECT_MS	10000L
#define REDIRECTS	10L
#define STALL_S		60L
#define STALL_MAX_S	86400L
#define TOKEN_MIN	8
#define POLL_MS		1000	/* how late a stall or deadline is noticed */

struct transfer {
	struct transfer			*next;
	CURL				*easy;
	struct curl_slist		*headers;
	const struct http_request	*req;
	struct http_reply		*reply;
	struct http			*http;
	size_t				 body_at;	/* sent of req->body */
	int64_t				 begun;		/* monotonic, ms */
	int64_t				 moved;		/* last byte, ms */
	curl_off_t			 bytes;		/* both ways, then */
	bool				 finished;	/* not yet reported */
	char				 error[CURL_ERROR_SIZE];
	char				 shown[256];	/* "GET http://..." */
};

struct http {
	CURLM		*multi;
	struct transfer	*list;
	bool		 plain;
	bool		 verbose;
	int64_t		 deadline;	/* 0: none */
	long		 stall_s;
	const char	*ca;
};

static void
global(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* TL_STALL_S; what is no number is not worth failing for. */
static long
stall_limit(void)
{
	const char *s = getenv("TL_STALL_S");
	char *end;
	long n;

	if (s == NULL || *s < '0' || *s > '9')
		return STALL_S;
	n = strtol(s, &end, 10);
	return *end != '\0' || n < 1 || n > STALL_MAX_S ? STALL_S : n;
}

struct http *
http_new(struct fail *f)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct http *h;

	pthread_once(&once, global);
	if ((h = calloc(1, sizeof(*h))) == NULL ||
	    (h->multi = curl_multi_init()) == NULL) {
		free(h);
		fail_set(f, EX_OSERR, "out of memory");
		return NULL;
	}
	h->stall_s = stall_limit();
	return h;
}

/* Take a transfer out of the list and libcurl, and free it. */
static void
drop(struct http *h, struct transfer *t)
{
	struct transfer **p;

	for (p = &h->list; *p != t; p = &(*p)->next)
		;
	*p = t->next;
	curl_multi_remove_handle(h->multi, t->easy);
	curl_easy_cleanup(t->easy);
	curl_slist_free_all(t->headers);
	free(t);
}

void
http_free(struct http *h)
{
	if (h == NULL)
		return;
	while (h->list != NULL)
		drop(h, h->list);
	curl_multi_cleanup(h->multi);
	free(h);
}

void
http_allow_plain(struct http *h)
{
	h->plain = true;
}

void
http_verbose(struct http *h)
{
	h->verbose = true;
}

void
http_stall(struct http *h, long seconds)
{
	h->stall_s = seconds;
}

void
http_ca_bundle(struct http *h, const char *path)
{
	h->ca = path;
}

void
http_deadline(struct http *h, int64_t monotonic_ms)
{
	h->deadline = monotonic_ms;
}

void
http_reply_clear(struct http_reply *r)
{
	buf_clear(&r->body);
	r->status = 0;
	r->type[0] = r->etag[0] = '\0';
	r->retry_after_s = -1;
	r->length = HTTP_LEN_UNKNOWN;
	r->sent = r->bad_type = false;
	r->f = NULL;
	r->fail.status = 0;
	r->fail.msg[0] = '\0';
}

void
http_reply_free(struct http_reply *r)
{
	buf_free(&r->body);
}

/* Whether two URLs have a part in common, the one that none is given for. */
static CURLUcode
same_part(CURLU *a, CURLU *b, CURLUPart part, bool *same)
{
	char *x = NULL, *y = NULL;
	CURLUcode code;

	*same = false;
	if ((code = curl_url_get(a, part, &x, CURLU_DEFAULT_PORT)) ==
	    CURLUE_OK &&
	    (code = curl_url_get(b, part, &y, CURLU_DEFAULT_PORT)) ==
	    CURLUE_OK)
		*same = strcasecmp(x, y) == 0;
	curl_free(x);
	curl_free(y);
	return code;
}

/* A handle's URL leads where the other's does, and as nobody in particular. */
static CURLUcode
same_server(CURLU *a, CURLU *b, bool *same)
{
	static const CURLUPart parts[] = {
		CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT
	};
	CURLUcode code = CURLUE_OK;
	char *user = NULL;
	size_t i;

	*same = true;
	for (i = 0; i < 3 && *same && code == CURLUE_OK; i++)
		code = same_part(a, b, parts[i], same);
	if (code != CURLUE_OK || !*same)
		return code;
	code = curl_url_get(b, CURLUPART_USER, &user, 0);
	*same = code == CURLUE_NO_USER;
	curl_free(user);
	return code == CURLUE_NO_USER ? CURLUE_OK : code;
}

int
http_link(const char *url, const char *link, struct buf *out, struct fail *f)
{
	CURLU *from = curl_url(), *to = curl_url();
	CURLUcode code = CURLUE_OUT_OF_MEMORY;
	char *text = NULL, shown[200];
	bool same = false;
	int r = -1;

	if (from != NULL && to != NULL &&
	    (code = curl_url_set(from, CURLUPART_URL, url, 0)) == CURLUE_OK &&
	    (code = curl_url_set(to, CURLUPART_URL, url, 0)) == CURLUE_OK &&
	    (code = curl_url_set(to, CURLUPART_URL, link, 0)) == CURLUE_OK &&
	    (code = curl_url_set(to, CURLUPART_FRAGMENT, NULL, 0)) ==
	    CURLUE_OK &&
	    (code = same_server(from, to, &same)) == CURLUE_OK && same)
		code = curl_url_get(to, CURLUPART_URL, &text, 0);
	fail_show(shown, sizeof(shown), link, 150);
	if (code == CURLUE_OUT_OF_MEMORY)
		fail_set(f, EX_OSERR, "out of memory");
	else if (code != CURLUE_OK)
		fail_set(f, EX_PROTOCOL, "not a link: %s", shown);
	else if (!same)
		fail_set(f, EX_PROTOCOL, "a link to another server, which "
		    "is not followed: %s", shown);
	else
		r = buf_adds(out, text, f);
	curl_free(text);
	curl_url_cleanup(from);
	curl_url_cleanup(to);
	return r;
}

int
http_is_loopback(const char *url, struct fail *f)
{
	CURLUcode code = CURLUE_OUT_OF_MEMORY;
	CURLU *u = curl_url();
	struct in_addr a;
	char *host = NULL;
	int yes = 0;

	if (u != NULL &&
	    (code = curl_url_set(u, CURLUPART_URL, url, 0)) == CURLUE_OK &&
	    (code = curl_url_get(u, CURLUPART_HOST, &host, 0)) == CURLUE_OK)
		yes = strcasecmp(host, "localhost") == 0 ||
		    strcmp(host, "[::1]") == 0 ||
		    (inet_pton(AF_INET, host, &a) == 1 &&
		    (ntohl(a.s_addr) >> 24) == 127);
	curl_free(host);
	curl_url_cleanup(u);
	/* Not to be taken for a host of another kind. */
	if (code == CURLUE_OUT_OF_MEMORY)
		return fail_set(f, EX_OSERR, "out of memory");
	return yes;
}

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

static size_t
on_header(char *p, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	struct http_reply *r = t->reply;

	n *= size;
	/* A redirect or 100 Continue had headers of its own. */
	if (n > 5 && memcmp(p, "HTTP/", 5) == 0)
		r->type[0] = r->etag[0] = '\0';
	header_value(p, n, "Content-Type", r->type, sizeof(r->type));
	header_value(p, n, "ETag", r->etag, sizeof(r->etag));
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

static int
multi_failed(CURLMcode m, struct fail *f)
{
	return fail_set(f, m == CURLM_OUT_OF_MEMORY ? EX_OSERR : EX_SOFTWARE,
	    "libcurl: %s", curl_multi_strerror(m));
}

/*
 * What libcurl keeps a copy of.  A setting that was lost for want of memory
 * would go unnoticed: a proxy used, another protocol allowed.
 */
static int
set_strings(struct transfer *t, bool local)
{
	const struct http_request *q = t->req;
	const char *ca = t->http->ca;
	CURL *e = t->easy;

	if (ca == NULL)
		ca = getenv("TL_CA_BUNDLE");
	if (ca == NULL || *ca == '\0')
		ca = getenv("SSL_CERT_FILE");
	if (curl_easy_setopt(e, CURLOPT_URL, q->url) != CURLE_OK ||
	    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https") !=
	    CURLE_OK ||
	    curl_easy_setopt(e, CURLOPT_REDIR_PROTOCOLS_STR, "http,https") !=
	    CURLE_OK ||
	    (ca != NULL && *ca != '\0' &&
	    curl_easy_setopt(e, CURLOPT_CAINFO, ca) != CURLE_OK) ||
	    (q->unix_path != NULL && curl_easy_setopt(e,
	    CURLOPT_UNIX_SOCKET_PATH, q->unix_path) != CURLE_OK) ||
	    (local && curl_easy_setopt(e, CURLOPT_PROXY, "") != CURLE_OK) ||
	    (custom(q) && curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST,
	    q->method) != CURLE_OK))
		return -1;
	return 0;
}

int
http_start(struct http *h, const struct http_request *q, struct http_reply *r,
    struct fail *f)
{
	int local = q->unix_path != NULL ? 1 : http_is_loopback(q->url, f);
	struct transfer *t;
	char url[200];
	CURLMcode m;
	CURL *e;

	http_reply_clear(r);
	if (r->body.max == 0)
		r->body.max = q->reply_max != 0 ? q->reply_max : BUF_SMALL_MAX;
	if (local == -1)
		return -1;
	fail_show(url, sizeof(url), q->url, sizeof(url));
	if (strncasecmp(q->url, "http://", 7) != 0 &&
	    strncasecmp(q->url, "https://", 8) != 0)
		return fail_set(f, EX_CONFIG, "%s: not an http(s) address",
		    url);
	if (q->bearer != NULL && !local && !h->plain &&
	    strncasecmp(q->url, "https://", 8) != 0)
		return fail_set(f, EX_CONFIG, "%s: a token would go over plain "
		    "http; use https, or --insecure-http", url);
	if ((t = calloc(1, sizeof(*t))) == NULL ||
	    (e = t->easy = curl_easy_init()) == NULL) {
		free(t);
		return fail_set(f, EX_OSERR, "out of memory");
	}
	t->http = h;
	t->req = q;
	t->reply = r;
	t->begun = t->moved = clock_ms();
	snprintf(t->shown, sizeof(t->shown), "%s %s", q->method, url);
	t->next = h->list;
	h->list = t;

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
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(e, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(e, CURLOPT_XFERINFODATA, t);
	curl_easy_setopt(e, CURLOPT_NOPROGRESS, 0L);
	set_body(t);
	if (set_strings(t, local == 1) == -1 || set_headers(t) == -1) {
		drop(h, t);
		return fail_set(f, EX_OSERR, "out of memory");
	}
	if ((m = curl_multi_add_handle(h->multi, e)) != CURLM_OK) {
		drop(h, t);
		return multi_failed(m, f);
	}
	if (h->verbose)
		fprintf(stderr, "> %s\n", t->shown);
	return 0;
}

/*
 * A server that refuses may say whom: its words end up in messages and logs,
 * so the token is struck out of them.  A short one could be any word.
 */
static void
strike(struct buf *b, const char *token)
{
	size_t n = strlen(token), left = b->len;
	char *p = b->data;

	if (n < TOKEN_MIN || p == NULL)
		return;
	while ((p = memmem(p, left, token, n)) != NULL) {
		memset(p, '*', n);
		p += n;
		left = (size_t)(b->data + b->len - p);
	}
}

/*
 * libcurl quotes a proxy that it cannot make out, password included.  The
 * variable that it took it from, in its order, or NULL: it is another fault.
 */
static const char *
bad_proxy(const struct transfer *t)
{
	static const char *const names[] = { "https_proxy", "HTTPS_PROXY",
	    "http_proxy", "all_proxy", "ALL_PROXY" };
	bool tls = strncasecmp(t->req->url, "https:", 6) == 0;
	const char *value;
	size_t i;

	if (strcasestr(t->error, "proxy") == NULL ||
	    strchr(t->error, '\'') == NULL)
		return NULL;
	for (i = tls ? 0 : 2; i < sizeof(names) / sizeof(names[0]); i++) {
		value = getenv(names[i]);
		if (value != NULL && *value != '\0' && !(tls && i == 2))
			return names[i];
	}
	return "the proxy's variable";
}

/* Turn libcurl's result into the reply's. */
static void
finish(struct transfer *t, CURLcode code)
{
	struct http_reply *r = t->reply;
	curl_off_t wait = 0, sent = 0, length = -1;
	const char *proxy;
	long status = 0;
	char why[160];

	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &wait);
	curl_easy_getinfo(t->easy, CURLINFO_PRETRANSFER_TIME_T, &sent);
	curl_easy_getinfo(t->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
	r->status = status;
	r->length = length < 0 ? HTTP_LEN_UNKNOWN : (uint64_t)length;
	r->sent = status != 0 || sent > 0;
	if (wait > 0)
		r->retry_after_s = (long)wait;
	if (code == CURLE_OK) {
		r->fail.status = 0;
		if (t->req->type != NULL && status / 100 == 2 &&
		    strcasestr(r->type, t->req->type) == NULL)
			r->bad_type = true;
	} else if (r->fail.status == 0 && (proxy = bad_proxy(t)) != NULL) {
		fail_set(&r->fail, EX_CONFIG, "%s: not well-formed as the "
		    "address of a proxy; write %%2F for a '/' in its "
		    "password, %%40 for an '@'", proxy);
	} else if (r->fail.status == 0) {
		fail_show(why, sizeof(why), t->error[0] != '\0' ? t->error :
		    curl_easy_strerror(code), sizeof(why));
		switch (code) {
		case CURLE_UNSUPPORTED_PROTOCOL:
		case CURLE_WEIRD_SERVER_REPLY:
		case CURLE_TOO_MANY_REDIRECTS:
		case CURLE_BAD_CONTENT_ENCODING:
			fail_set(&r->fail, EX_PROTOCOL, "%s: %s", t->shown,
			    why);
			break;
		case CURLE_URL_MALFORMAT:
		case CURLE_SSL_CACERT_BADFILE:
		case CURLE_PEER_FAILED_VERIFICATION:
			fail_set(&r->fail, EX_CONFIG, "%s: %s", t->shown, why);
			break;
		case CURLE_OUT_OF_MEMORY:
			fail_set(&r->fail, EX_OSERR, "out of memory");
			break;
		default:
			fail_set(&r->fail, EX_TEMPFAIL, "%s: %s", t->shown,
			    why);
		}
	}
	if (status / 100 != 2 && t->req->bearer != NULL)
		strike(&r->body, t->req->bearer);
	if (t->http->verbose)
		fprintf(stderr, "< %s: %ld%s%s (%lld ms)\n", t->shown, status,
		    code == CURLE_OK ? "" : " ",
		    code == CURLE_OK ? "" : r->fail.msg,
		    (long long)(clock_ms() - t->begun));
	t->finished = true;
}

/* The reply of a finished transfer, if there is one. */
static struct http_reply *
reap(struct http *h)
{
	struct http_reply *r;
	struct transfer *t;

	for (t = h->list; t != NULL; t = t->next)
		if (t->finished) {
			r = t->reply;
			drop(h, t);
			return r;
		}
	return NULL;
}

int
http_wait(struct http *h, int timeout_ms, struct http_reply **out,
    struct fail *f)
{
	int64_t end = clock_ms() + timeout_ms;
	int left, ms;
	CURLMcode m;
	CURLMsg *msg;

	if (h->list == NULL)
		return fail_set(f, EX_SOFTWARE, "no request under way");
	for (;;) {
		if ((m = curl_multi_perform(h->multi, &left)) != CURLM_OK)
			return multi_failed(m, f);
		while ((msg = curl_multi_info_read(h->multi, &left)) != NULL) {
			struct transfer *t;

			if (msg->msg != CURLMSG_DONE)
				continue;
			curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE,
			    &t);
			finish(t, msg->data.result);
		}
		if ((*out = reap(h)) != NULL)
			return 1;
		ms = POLL_MS;
		if (timeout_ms >= 0 && end - clock_ms() < ms)
			ms = (int)(end - clock_ms());
		if (ms <= 0)
			return 0;
		m = curl_multi_poll(h->multi, NULL, 0, ms, NULL);
		if (m != CURLM_OK)
			return multi_failed(m, f);
	}
}

void
http_cancel(struct http *h, struct http_reply *r)
{
	struct transfer *t;

	for (t = h->list; t != NULL; t = t->next)
		if (t->reply == r) {
			drop(h, t);
			return;
		}
}

int
http_do(struct http *h, const struct http_request *q, struct http_reply *r,
    struct fail *f)
{
	struct http_reply *done;

	if (http_start(h, q, r, f) == -1)
		return -1;
	do {
		if (http_wait(h, -1, &done, f) == -1) {
			http_cancel(h, r);
			return -1;
		}
	} while (done != r);
	if (r->fail.status == 0)
		return 0;
	*f = r->fail;
	return -1;
}

int
http_refused(const struct http_reply *r, const char *what, struct fail *f)
{
	char text[300], words[300];
	int status;
	size_t n;

	switch (r->status) {
	case 401:
	case 403:
		status = EX_NOPERM;
		break;
	case 408:
	case 429:
	case 502:
	case 503:
	case 504:
		status = EX_TEMPFAIL;
		break;
	default:
		status = r->status < 400 ? EX_PROTOCOL : EX_UNAVAILABLE;
	}
	/* A page's last newline would be shown masked, too. */
	snprintf(text, sizeof(text), "%s",
	    r->body.data != NULL ? r->body.data : "");
	for (n = strlen(text); n > 0 && strchr(" \t\r\n", text[n - 1]); n--)
		text[n - 1] = '\0';
	fail_show(words, sizeof(words), text, 240);
	return fail_set(f, status, "%s: refused (%ld)%s%s%s", what, r->status,
	    words[0] != '\0' ? ": " : "", words,
	    r->status == 401 ? " (is the key right?)" : "");
}
