#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "client/cloud/answer.h"
#include "client/cloud/retry.h"
#include "client/sandbox/lifecycle.h"
#include "client/sandbox/sandbox.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/stop.h"

#define GRACE_MS	8000L	/* for the answer to create after a signal */
#define DELETE_FIRST_MS	50L
#define REQUEST_MS	60000L	/* a poll without an answer is asked again */
#define DELETE_MS	5000L

void
lifecycle_free(struct lifecycle *s)
{
	free(s->id);
	free(s->ns);
	free(s->status);
	free(s->proxy_url);
	free(s->ingress);
	free(s->route_hint);
	free(s->image);
	free(s->build_id);
	*s = (struct lifecycle)LIFECYCLE_INIT;
}

/*
 * The document.
 */

static int
resources(struct lifecycle *s, const struct span *doc, const char *memory,
    const char *disk, struct fail *f)
{
	struct span sub;
	int r = json_sub(doc, "resources", JSON_MAY, '{', &sub, f);

	if (r != 1)
		return r;
	if (json_double(&sub, "cpus", JSON_MAY, &s->cpus, f) == -1 ||
	    json_u64(&sub, memory, JSON_MAY, &s->memory_mb, f) == -1 ||
	    json_u64(&sub, disk, JSON_MAY, &s->disk_mb, f) == -1)
		return fail_in(f, "resources");
	return 0;
}

static int
check(const struct lifecycle *s, struct fail *f)
{
	/* The id goes into a path, a host name and a header as it is. */
	if (!sandbox_word(s->id, SANDBOX_ID_NOT))
		return fail_set(f, EX_DATAERR, "id: not fit for a URL's path");
	if (s->route_hint != NULL && !sandbox_word(s->route_hint, ""))
		return fail_set(f, EX_DATAERR,
		    "routing hint: not fit for a header");
	if ((s->proxy_url != NULL &&
	    sandbox_check_url(s->proxy_url, "proxy URL", f) == -1) ||
	    (s->ingress != NULL &&
	    sandbox_check_url(s->ingress, "ingress endpoint", f) == -1))
		return -1;
	return 0;
}

int
lifecycle_read(struct lifecycle *s, const struct span *doc, struct fail *f)
{
	*s = (struct lifecycle)LIFECYCLE_INIT;
	if (!span_is_object(doc))
		return fail_set(f, EX_DATAERR, "not an object");
	if (json_string(doc, "id", JSON_NEED, &s->id, f) == -1 ||
	    json_string(doc, "namespace", JSON_MAY, &s->ns, f) == -1 ||
	    json_string(doc, "status", JSON_MAY, &s->status, f) == -1 ||
	    json_string(doc, "proxyUrl", JSON_MAY, &s->proxy_url, f) == -1 ||
	    json_string(doc, "ingressEndpoint", JSON_MAY, &s->ingress,
	    f) == -1 ||
	    json_string(doc, "routingHint", JSON_MAY, &s->route_hint,
	    f) == -1 ||
	    json_string(doc, "image", JSON_MAY, &s->image, f) == -1 ||
	    json_string(doc, "buildId", JSON_MAY, &s->build_id, f) == -1 ||
	    resources(s, doc, "memoryMb", "diskMb", f) == -1 ||
	    check(s, f) == -1) {
		lifecycle_free(s);
		return -1;
	}
	return 0;
}

int
lifecycle_write(const struct lifecycle *s, struct buf *out, struct fail *f)
{
	struct jout j = JOUT_INIT(out);

	jout_object(&j);
	jout_member(&j, "id", s->id);
	jout_member(&j, "namespace", s->ns);
	jout_member(&j, "status", s->status);
	jout_member(&j, "proxyUrl", s->proxy_url);
	jout_member(&j, "ingressEndpoint", s->ingress);
	jout_member(&j, "routingHint", s->route_hint);
	jout_member(&j, "image", s->image);
	if (s->cpus > 0) {
		jout_key(&j, "resources");
		jout_object(&j);
		jout_key(&j, "cpus");
		jout_double(&j, s->cpus);
		jout_key(&j, "memoryMb");
		jout_u64(&j, s->memory_mb);
		jout_key(&j, "diskMb");
		jout_u64(&j, s->disk_mb);
		jout_close(&j);
	}
	jout_member(&j, "buildId", s->build_id);
	jout_close(&j);
	if (jout_end(&j, f) == -1)
		return -1;
	return buf_adds(out, "\n", f);
}

/*
 * What the server says.
 */

/*
 * A string that is taken over if there is none yet: the answer to create wins
 * over later ones (tl-wire(7), "Proxy address" and "Requests to the proxy").
 * A blank one is none.
 */
static int
adopt(const struct span *doc, const char *name, char **to, struct fail *f)
{
	char *s = NULL, *p;
	size_t n;

	if (json_string(doc, name, JSON_MAY, &s, f) == -1)
		return -1;
	if (s == NULL)
		return 0;
	p = s + strspn(s, " \t\r\n");
	n = strlen(p);
	while (n > 0 && strchr(" \t\r\n", p[n - 1]) != NULL)
		n--;
	if (n == 0 || *to != NULL) {
		free(s);
		return 0;
	}
	memmove(s, p, n);
	s[n] = '\0';
	*to = s;
	return 0;
}

static int
addresses(struct lifecycle *s, const struct span *doc, struct fail *f)
{
	return adopt(doc, "sandbox_url", &s->proxy_url, f) == -1 ||
	    adopt(doc, "ingress_endpoint", &s->ingress, f) == -1 ||
	    adopt(doc, "routing_hint", &s->route_hint, f) == -1 ? -1 : 0;
}

/* The id, under either of its names; ours if there is one already. */
static int
identity(struct lifecycle *s, const struct span *doc, struct fail *f)
{
	char *id = NULL, *other = NULL;
	int r = 0;

	if (json_string(doc, "sandbox_id", JSON_MAY, &id, f) == -1 ||
	    json_string(doc, "id", JSON_MAY, &other, f) == -1)
		r = -1;
	else if (id == NULL && other == NULL)
		r = fail_set(f, EX_PROTOCOL, "no sandbox_id");
	else if (id == NULL) {
		id = other;
		other = NULL;
	}
	if (r == 0 && ((s->id != NULL && strcmp(s->id, id) != 0) ||
	    (other != NULL && strcmp(other, id) != 0)))
		r = fail_set(f, EX_PROTOCOL, "is about another sandbox");
	if (r == 0 && s->id == NULL) {
		s->id = id;
		id = NULL;
	}
	free(id);
	free(other);
	return r;
}

static int
status(struct lifecycle *s, const struct span *doc, struct fail *f)
{
	char *word = NULL;

	if (json_string(doc, "status", JSON_NEED, &word, f) == -1)
		return -1;
	free(s->status);
	s->status = word;
	return 0;
}

/* Parse what came as an object; what is wrong with it is the server's. */
static int
object(const struct http_reply *reply, struct span *doc, struct fail *f)
{
	if (span_parse(doc, reply->body.len == 0 ? "" : reply->body.data,
	    reply->body.len, f) == -1)
		return -1;
	return span_is_object(doc) ? 0 :
	    fail_set(f, EX_PROTOCOL, "not an object");
}

static int
nonsense(const char *what, struct fail *f)
{
	fail_in(f, what);
	f->status = EX_PROTOCOL;
	return -1;
}

int
lifecycle_unbody(struct lifecycle *s, const char *text, struct fail *f)
{
	struct span doc, sub;

	if (span_parse(&doc, text, strlen(text), f) == -1 ||
	    json_string(&doc, "image", JSON_NEED, &s->image, f) == -1 ||
	    json_sub(&doc, "resources", JSON_NEED, '{', &sub, f) == -1 ||
	    json_double(&sub, "cpus", JSON_NEED, &s->cpus, f) == -1 ||
	    json_u64(&sub, "memory_mb", JSON_NEED, &s->memory_mb, f) == -1 ||
	    json_u64(&sub, "disk_mb", JSON_NEED, &s->disk_mb, f) == -1)
		return -1;
	return 0;
}

int
lifecycle_body(const struct lifecycle *s, struct buf *b, struct fail *f)
{
	struct jout j = JOUT_INIT(b);

	jout_object(&j);
	jout_member(&j, "image", s->image);
	jout_key(&j, "resources");
	jout_object(&j);
	jout_key(&j, "cpus");
	jout_double(&j, s->cpus);
	jout_key(&j, "memory_mb");
	jout_u64(&j, s->memory_mb);
	jout_key(&j, "disk_mb");
	jout_u64(&j, s->disk_mb);
	jout_close(&j);
	jout_key(&j, "timeout_secs");
	jout_u64(&j, LIFECYCLE_LEASE_S);
	jout_close(&j);
	return jout_end(&j, f);
}

/* A request to the lifecycle server. */
struct call {
	struct buf		url;
	struct cloud_headers	head;
	struct http_request	req;
};

static int
call_init(struct call *c, const struct cloud *cloud, const char *method,
    const char *id, const char *const *extra, struct fail *f)
{
	char rest[300];

	memset(c, 0, sizeof(*c));
	c->url = (struct buf)BUF_INIT(4096);
	snprintf(rest, sizeof(rest), "%s%s", id == NULL ? "" : "/",
	    id == NULL ? "" : id);
	if (cloud_lifecycle_url(cloud, &c->url, rest, f) == -1 ||
	    cloud_headers(cloud, &c->head, extra, f) == -1) {
		buf_free(&c->url);
		return -1;
	}
	c->req.method = method;
	c->req.url = c->url.data;
	c->req.bearer = cloud->token;
	c->req.headers = c->head.list;
	return 0;
}

static void
call_free(struct call *c)
{
	buf_free(&c->url);
	cloud_headers_free(&c->head);
}

/* A 504 with a document is a slow sandbox: tl-wire(7), "Create". */
static bool
slow(int made, const struct http_reply *reply)
{
	struct span doc, id;
	struct fail f;

	return made == 0 && reply->status == 504 && object(reply, &doc, &f) == 0 &&
	    (span_get(&doc, "sandbox_id", &id, &f) == 1 ||
	    span_get(&doc, "id", &id, &f) == 1);
}

int
lifecycle_create(struct exchange *x, struct lifecycle *s, const char *key,
    struct fail *f)
{
	struct http_reply reply = HTTP_REPLY_INIT;
	struct buf body = BUF_INIT(BUF_SMALL_MAX);
	char line[320];
	const char *extra[] = { line, NULL };
	struct fail why;
	struct span doc;
	struct retry again = { .what = "create sandbox" };
	struct call c;
	int made, r = -1;

	snprintf(line, sizeof(line), "Idempotency-Key: %s", key);
	if (lifecycle_body(s, &body, f) == -1 ||
	    call_init(&c, x->cloud, "POST", NULL, extra, f) == -1) {
		buf_free(&body);
		return -1;
	}
	c.req.json = body.data;
	c.req.fresh = true;
	do
		made = exchange_do(x, &c.req, &reply, GRACE_MS, f);
	while (!slow(made, &reply) && retry_again(&again, made, &reply, f));
	if (made == -1 || (reply.status / 100 != 2 && !slow(made, &reply))) {
		if (made == 0)
			http_refused(&reply, "create sandbox", f);
		if ((s->maybe = again.maybe)) {
			why = *f;
			fail_set(f, why.status, "%.300s; if a sandbox was "
			    "created all the same, it ends by itself in %d s",
			    why.msg, LIFECYCLE_LEASE_S);
		}
	} else if (object(&reply, &doc, f) == -1 ||
	    identity(s, &doc, f) == -1 || status(s, &doc, f) == -1 ||
	    addresses(s, &doc, f) == -1 || check(s, f) == -1) {
		s->maybe = true;
		nonsense("create sandbox", f);
	} else
		r = 0;
	/* What remains of a failure is an id fit to delete it by, or none. */
	if (r == -1 && s->id != NULL && !sandbox_word(s->id, SANDBOX_ID_NOT)) {
		free(s->id);
		s->id = NULL;
	}
	call_free(&c);
	buf_free(&body);
	http_reply_free(&reply);
	return r;
}

/* Why it ended, if the server says so. */
static void
reason(const struct span *doc, char *to, size_t size)
{
	static const char *const name[] = {
		"termination_reason", "pending_reason", "outcome", "reason",
		"error_details"
	};
	struct buf text = BUF_INIT(BUF_SMALL_MAX);
	struct span value;
	struct fail f;
	size_t i;

	to[0] = '\0';
	for (i = 0; i < sizeof(name) / sizeof(name[0]) && to[0] == '\0'; i++) {
		if (span_get(doc, name[i], &value, &f) != 1 ||
		    !span_is_string(&value))
			continue;
		buf_clear(&text);
		if (span_string(&value, &text, &f) == 0 && text.len > 0) {
			to[0] = ':';
			to[1] = ' ';
			fail_show(to + 2, size - 2, text.data, size - 6);
		}
	}
	buf_free(&text);
}

int
lifecycle_get(struct exchange *x, struct lifecycle *s, struct fail *f)
{
	return lifecycle_ask(x, s, REQUEST_MS, f);
}

int
lifecycle_ask(struct exchange *x, struct lifecycle *s, long timeout_ms,
    struct fail *f)
{
	struct http_reply reply = HTTP_REPLY_INIT;
	char what[300], why[200];
	struct span doc;
	struct call c;
	int r;

	if (call_init(&c, x->cloud, "GET", s->id, NULL, f) == -1)
		return -1;
	c.req.timeout_ms = timeout_ms;
	snprintf(what, sizeof(what), "sandbox %s", s->id);
	if ((r = exchange_do(x, &c.req, &reply, 0, f)) == -1)
		goto out;
	if (reply.status / 100 != 2) {
		r = http_refused(&reply, what, f);
		if (retry_transient(&reply))
			f->status = EX_TEMPFAIL;
		s->gone = reply.status == 404 || reply.status == 410;
		goto out;
	}
	if ((r = object(&reply, &doc, f)) == -1 ||
	    (r = identity(s, &doc, f)) == -1 ||
	    (r = status(s, &doc, f)) == -1 ||
	    (r = addresses(s, &doc, f)) == -1 ||
	    (r = adopt(&doc, "image", &s->image, f)) == -1 ||
	    (r = adopt(&doc, "namespace", &s->ns, f)) == -1 ||
	    (r = resources(s, &doc, "memory_mb", "ephemeral_disk_mb",
	    f)) == -1 || (r = check(s, f)) == -1) {
		nonsense(what, f);
		goto out;
	}
	if (strcmp(s->status, "terminated") == 0) {
		reason(&doc, why, sizeof(why));
		s->gone = true;
		r = fail_set(f, EX_UNAVAILABLE, "%s: terminated%s", what, why);
	}
out:
	call_free(&c);
	http_reply_free(&reply);
	return r;
}

/*
 * Whether a sandbox that cannot be deleted, since nobody knows it, runs all
 * the same: what is on the way to a server may say 404, too.
 */
static bool
alive(struct exchange *x, const char *id)
{
	struct lifecycle life = LIFECYCLE_INIT;
	struct fail f;
	bool yes;

	if ((life.id = strdup(id)) == NULL)
		return false;
	yes = lifecycle_ask(x, &life, DELETE_MS, &f) == 0;
	lifecycle_free(&life);
	return yes;
}

int
lifecycle_delete(struct exchange *x, const char *id, unsigned timeout_s,
    struct fail *f)
{
	int64_t end = clock_ms() + (int64_t)timeout_s * 1000;
	struct http_reply reply = HTTP_REPLY_INIT;
	long ms = DELETE_FIRST_MS;
	char what[300];
	struct call c;
	int r;

	snprintf(what, sizeof(what), "delete sandbox %s", id);
	for (;;) {
		if (call_init(&c, x->cloud, "DELETE", id, NULL, f) == -1)
			return -1;
		c.req.timeout_ms = DELETE_MS;
		r = exchange_do(x, &c.req, &reply, DELETE_MS, f);
		call_free(&c);
		if (r == 0 && reply.status / 100 != 2 && reply.status != 404) {
			r = http_refused(&reply, what, f);
			if (reply.status >= 500 || retry_transient(&reply))
				f->status = EX_TEMPFAIL;
		}
		/* Asked again, it costs nothing; believed, a sandbox. */
		if (r == 0 && reply.status == 404 && alive(x, id)) {
			http_refused(&reply, what, f);
			f->status = EX_TEMPFAIL;
			r = -1;
		}
		if (r == 0 && (r = answer_check(&reply, what, f)) == -1)
			f->status = EX_TEMPFAIL;
		if (r == 0 || f->status != EX_TEMPFAIL ||
		    clock_ms() + ms >= end ||
		    exchange_pause_grow(x, &ms, 0, f) == -1)
			break;
	}
	if (r == 0 && reply.status == 404)
		r = 1;
	http_reply_free(&reply);
	return r;
}
