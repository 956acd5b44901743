#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "client/sandbox/lifecycle.h"
#include "client/sandbox/reach.h"
#include "core/clock.h"
#include "core/stop.h"

#define ASK_MS		5000L	/* for the answer of the lifecycle */
#define UNKNOWN_S	5	/* one that did not answer has a rest */
#define PING_MS		10000L

_Static_assert(PATIENCE_S == LIFECYCLE_LEASE_S, "as long as a sandbox lives");

void
reach_init(struct reach *r, struct exchange *x, const struct sandbox *s)
{
	memset(r, 0, sizeof(*r));
	r->x = x;
	r->sandbox = s;
}

static const struct http_request *
ping(void *arg)
{
	struct reach *r = arg;
	struct fail f;

	if (reach_call(r, &r->ping, "GET", "/api/v1/health", NULL, &f) == -1)
		return NULL;
	r->ping.req.timeout_ms = PING_MS;
	return &r->ping.req;
}

static void
ping_end(void *arg)
{
	struct reach *r = arg;

	sandbox_call_free(&r->ping);
}

void
reach_keepalive(struct reach *r, unsigned every_s)
{
	struct exchange_beat beat = { ping, ping_end, r };

	exchange_beat(r->x, &beat, every_s);
}

int
reach_call(const struct reach *r, struct sandbox_call *call,
    const char *method, const char *path, const char *const *extra,
    struct fail *f)
{
	return sandbox_call(call, r->sandbox, r->x->cloud, method, path, extra,
	    f);
}

/* Whether what came of an exchange may be the sandbox's end. */
static bool
suspicious(int r, const struct http_reply *reply, const struct fail *f)
{
	if (r == -1)
		return f->status == EX_TEMPFAIL;
	if (retry_transient(reply))
		return true;
	/* A process or a file that is not there is a 404, too. */
	return reply->status == 404 && reply->body.len > 0 &&
	    strcasestr(reply->body.data, "sandbox") != NULL;
}

static int
gone(const struct lifecycle *life, struct fail *f)
{
	struct fail why = *f;

	return fail_set(f, EX_UNAVAILABLE, "%.300s; nothing of it is left: "
	    "create another, or tl-build --resume the build%s", why.msg,
	    life->status == NULL ? " (is it of this server and namespace?)" :
	    "");
}

static enum reach_told
ask(struct exchange *x, const struct sandbox *s, struct fail *f)
{
	struct lifecycle life = LIFECYCLE_INIT;
	enum reach_told told = REACH_UNTOLD;

	if ((life.id = strdup(s->id)) == NULL)
		return told;
	if (lifecycle_ask(x, &life, ASK_MS, f) == 0)
		told = strcmp(life.status, "running") == 0 ? REACH_RUNS :
		    REACH_SLEEPS;
	else if (life.gone) {
		told = REACH_GONE;
		gone(&life, f);
	}
	lifecycle_free(&life);
	return told;
}

int
reach_do(struct reach *r, const struct http_request *req,
    struct http_reply *reply, long grace_ms, struct fail *f)
{
	int rc = exchange_do(r->x, req, reply, grace_ms, f);
	struct fail why;

	if (stop_signal != 0)
		return rc;
	patience_saw(r->patience, rc, reply, f);
	/* The link is back: who could not be asked can be now. */
	if (rc == 0 && r->failed)
		r->ask_ms = 0;
	r->failed = rc == -1;
	if (!suspicious(rc, reply, f)) {
		r->told = REACH_UNTOLD;
		return rc;
	}
	if (r->x->cloud == NULL || clock_ms() < r->ask_ms)
		return rc;
	r->told = ask(r->x, r->sandbox, &why);
	r->ask_ms = clock_ms() + retry_second_ms() *
	    (r->told == REACH_UNTOLD ? UNKNOWN_S : 1);
	if (r->told != REACH_GONE)
		return rc;
	*f = why;
	return -1;
}
