#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "region/serve/forward.h"

/* What the other server has to know of a request. */
static const char *const passed[] = {
	"Accept", "Authorization", "Content-Type", "Idempotency-Key",
	"User-Agent", "X-Forwarded-Organization-Id", "X-Forwarded-Project-Id",
	"traceparent", "tracestate",
};

#define PASSED_MAX	32

struct lines {
	char	*list[PASSED_MAX + 1];
	size_t	 n;
	bool	 failed;
};

static void
pass(void *arg, const char *name, const char *value)
{
	struct lines *l = arg;
	size_t i;

	for (i = 0; i < sizeof(passed) / sizeof(passed[0]); i++)
		if (strcasecmp(name, passed[i]) == 0)
			break;
	/* Repeats go too: which one counts is the other server's business. */
	if (i == sizeof(passed) / sizeof(passed[0]) || l->failed)
		return;
	/* libcurl takes "Name;" for a header without a value. */
	if (l->n == PASSED_MAX || asprintf(&l->list[l->n],
	    *value == '\0' ? "%s;" : "%s: %s", name, value) == -1)
		l->failed = true;
	else
		l->n++;
}

void
forward_request(struct pool *pool, const char *base, struct serve_request *r)
{
	struct http_reply reply = HTTP_REPLY_INIT;
	struct http_request q = { .method = r->method, .stall_s = -1,
	    .no_redirect = true };
	struct buf url = BUF_INIT(64UL << 10);
	struct lines l = { .n = 0 };
	struct http *h = NULL;
	struct fail f;
	char seconds[24];

	serve_headers(r, pass, &l);
	if (l.failed) {
		serve_error(r, 400, "bad_request", "too many headers");
		goto out;
	}
	/* The path, not the target: that may be in absolute form. */
	if (buf_adds(&url, base, &f) == -1 ||
	    buf_adds(&url, r->path, &f) == -1 || (*r->query != '\0' &&
	    (buf_adds(&url, "?", &f) == -1 ||
	    buf_adds(&url, r->query, &f) == -1))) {
		serve_error(r, 414, "bad_request", "the address is too long");
		goto out;
	}
	q.url = url.data;
	q.headers = (const char *const *)l.list;
	q.body = r->body.len > 0 ? r->body.data : NULL;
	q.body_len = r->body.len;
	if ((h = pool_take(pool, &f)) == NULL ||
	    http_do(h, &q, &reply, &f) == -1) {
		serve_log(r->serve, "forward: %s", f.msg);
		serve_error(r, 502, "bad_gateway",
		    "the sandbox lifecycle does not answer");
		goto out;
	}
	if (reply.retry_after_s >= 0) {
		snprintf(seconds, sizeof(seconds), "%ld", reply.retry_after_s);
		serve_add_header(r, "Retry-After", seconds);
	}
	if (reply.status == 401)
		serve_add_header(r, "WWW-Authenticate", "Bearer");
	serve_reply(r, (unsigned)reply.status,
	    reply.type[0] == '\0' ? NULL : reply.type,
	    reply.body.len == 0 ? "" : reply.body.data, reply.body.len);
out:
	pool_give(pool, h);
	while (l.n > 0)
		free(l.list[--l.n]);
	http_reply_free(&reply);
	buf_free(&url);
}
