#include <poll.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "client/cloud/exchange.h"
#include "core/clock.h"
#include "core/stop.h"

#define SLICE_MS	200	/* a signal is noticed within so long */
#define SECOND_MS	1000L

void
exchange_init(struct exchange *x, struct http *http, const struct cloud *cloud)
{
	memset(x, 0, sizeof(*x));
	x->http = http;
	x->cloud = cloud;
	x->unread = (struct http_reply)HTTP_REPLY_INIT;
}

static void
beat_end(struct exchange *x)
{
	if (x->beating)
		x->beat.end(x->beat.arg);
	x->beating = false;
}

void
exchange_free(struct exchange *x)
{
	if (x->beating)
		http_cancel(x->http, &x->unread);
	beat_end(x);
	http_reply_free(&x->unread);
}

void
exchange_beat(struct exchange *x, const struct exchange_beat *beat,
    unsigned every_s)
{
	x->beat = *beat;
	x->every_ms = (long)every_s * 1000;
	x->next_ms = clock_ms() + x->every_ms;
}

/* One that cannot be sent is like one without an answer: the next helps. */
static void
beat(struct exchange *x, int64_t now)
{
	const struct http_request *req;
	struct fail f;

	if (x->every_ms == 0 || x->beating || now < x->next_ms)
		return;
	x->next_ms = now + x->every_ms;
	if ((req = x->beat.begin(x->beat.arg)) == NULL)
		return;
	x->beating = true;
	if (http_start(x->http, req, &x->unread, &f) == -1)
		beat_end(x);
}

/* Let what is under way go on for so long: 1 and a reply, 0, or -1. */
static int
slice(struct exchange *x, int64_t until, struct http_reply **done,
    struct fail *f)
{
	int64_t now = clock_ms();
	int ms, r;

	beat(x, now);
	ms = until - now < SLICE_MS ? (int)(until - now) : SLICE_MS;
	if (ms < 0)
		ms = 0;
	r = http_wait(x->http, ms, done, f);
	if (r == 1 && *done == &x->unread) {
		beat_end(x);
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
		beat(x, now);
		if (x->beating) {
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

int
exchange_pause_grow(struct exchange *x, long *ms, long second_ms,
    struct fail *f)
{
	long pause = second_ms == 0 ? *ms : *ms * second_ms / SECOND_MS;

	if (exchange_pause(x, pause, f) == -1)
		return -1;
	if ((*ms += *ms / 2) > SECOND_MS)
		*ms = SECOND_MS;
	return 0;
}
