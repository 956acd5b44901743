#include <poll.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "client/exchange.h"
#include "core/clock.h"
#include "core/stop.h"

#define SLICE_MS	200	/* a signal is noticed within so long */
#define PING_MS		10000L

void
exchange_init(struct exchange *x, struct http *http, const struct cloud *cloud)
{
	memset(x, 0, sizeof(*x));
	x->http = http;
	x->cloud = cloud;
	x->pong = (struct http_reply)HTTP_REPLY_INIT;
}

static void
ping_end(struct exchange *x)
{
	if (x->pinging)
		sandbox_call_free(&x->ping);
	x->pinging = false;
}

void
exchange_free(struct exchange *x)
{
	if (x->pinging)
		http_cancel(x->http, &x->pong);
	ping_end(x);
	http_reply_free(&x->pong);
}

void
exchange_keepalive(struct exchange *x, const struct sandbox *s,
    unsigned every_s)
{
	x->sandbox = s;
	x->every_ms = (long)every_s * 1000;
	x->next_ms = clock_ms() + x->every_ms;
}

/* A ping that cannot be sent is like one without an answer: the next helps. */
static void
ping(struct exchange *x, int64_t now)
{
	struct fail f;

	if (x->sandbox == NULL || x->pinging || now < x->next_ms)
		return;
	x->next_ms = now + x->every_ms;
	if (sandbox_call(&x->ping, x->sandbox, x->cloud, "GET",
	    "/api/v1/health", NULL, &f) == -1)
		return;
	x->ping.req.timeout_ms = PING_MS;
	x->pinging = true;
	if (http_start(x->http, &x->ping.req, &x->pong, &f) == -1)
		ping_end(x);
}

/* Let what is under way go on for so long: 1 and a reply, 0, or -1. */
static int
slice(struct exchange *x, int64_t until, struct http_reply **done,
    struct fail *f)
{
	int64_t now = clock_ms();
	int ms, r;

	ping(x, now);
	ms = until - now < SLICE_MS ? (int)(until - now) : SLICE_MS;
	if (ms < 0)
		ms = 0;
	if ((r = http_wait(x->http, ms, done, f)) == 1 && *done == &x->pong) {
		ping_end(x);
		return 0;
	}
	return r;
}

int
exchange_do(struct exchange *x, const struct http_request *req,
    struct http_reply *reply, long grace_ms, struct fail *f)
{
	int64_t end = 0, now = clock_ms();
	struct http_reply *done;
	int r;

	http_reply_clear(reply);
	if (stop_signal != 0 && grace_ms == 0)
		return fail_set(f, EX_TEMPFAIL, "%s", stop_reason());
	if (http_start(x->http, req, reply, f) == -1)
		return -1;
	while ((r = slice(x, now + SLICE_MS, &done, f)) == 0) {
		now = clock_ms();
		if (stop_signal == 0)
			continue;
		if (end == 0)
			end = now + grace_ms;
		if (now >= end) {
			http_cancel(x->http, reply);
			/* It may have been: nobody knows what came of it. */
			reply->sent = true;
			return fail_set(f, EX_TEMPFAIL, "%s", stop_reason());
		}
	}
	if (r == -1) {
		http_cancel(x->http, reply);
		return -1;
	}
	if (reply->fail.status == 0)
		return 0;
	*f = reply->fail;
	return -1;
}

int
exchange_pause(struct exchange *x, long ms, struct fail *f)
{
	int64_t now, end = clock_ms() + ms;
	struct http_reply *done;

	while (stop_signal == 0 && (now = clock_ms()) < end) {
		ping(x, now);
		if (x->pinging) {
			if (slice(x, end, &done, f) == -1)
				return -1;
		} else
			poll(NULL, 0, end - now < SLICE_MS ? (int)(end - now) :
			    SLICE_MS);
	}
	if (stop_signal != 0)
		return fail_set(f, EX_TEMPFAIL, "%s", stop_reason());
	return 0;
}
