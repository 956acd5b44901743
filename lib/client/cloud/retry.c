#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "client/cloud/exchange.h"
#include "client/cloud/retry.h"
#include "core/clock.h"
#include "core/stop.h"

#define SLICE_MS	100	/* a signal is noticed within so long */

static bool
stopped(const struct retry *again)
{
	return stop_signal != 0 && !again->despite_stop;
}

int
retry_exchange(const struct retry *again, struct http *http,
    const struct http_request *request, struct http_reply *reply,
    struct fail *f)
{
	struct exchange x;
	int r;

	if (again->deadline_ms != 0)
		http_deadline(http, again->deadline_ms);
	if (again->despite_stop)
		r = http_do(http, request, reply, f);
	else {
		exchange_init(&x, http, NULL);
		r = exchange_do(&x, request, reply, again->grace_ms, f);
		exchange_free(&x);
	}
	if (again->deadline_ms != 0)
		http_deadline(http, 0);
	return r;
}

bool
retry_transient(const struct http_reply *reply)
{
	const char *body = reply->body.data;
	size_t len = reply->body.len;

	switch (reply->status) {
	case 429:
	case 502:
	case 503:
	case 504:
		return true;
	}
	if (reply->status < 400 || body == NULL)
		return false;
	if (reply->status == 400 && memmem(body, len, "not running", 11))
		return true;
	return memmem(body, len, "PROXY_ERROR", 11) != NULL ||
	    memmem(body, len, "Failed to proxy request", 23) != NULL;
}

/*
 * How long one second of waiting is.  What is no number is not worth failing
 * for: the default is what people want.
 */
long
retry_second_ms(void)
{
	const char *s = getenv("TL_RETRY_SECOND_MS");
	char *end;
	long n;

	if (s == NULL || *s == '\0')
		return 1000;
	n = strtol(s, &end, 10);
	return *s < '0' || *s > '9' || *end != '\0' || n > 1000 ? 1000 : n;
}

/* The wait before the next attempt, in seconds of retry_second_ms(). */
static long
wait_s(const struct retry *again, int r, const struct http_reply *reply)
{
	if (r == -1 || reply->retry_after_s < 0)
		return 1L << again->tries;
	return reply->retry_after_s < RETRY_AFTER_MAX_S ?
	    reply->retry_after_s : RETRY_AFTER_MAX_S;
}

static void
note(const struct retry *again, int r, const struct http_reply *reply,
    long seconds, const struct fail *f)
{
	char line[sizeof(f->msg) + 80];

	if (again->note == NULL)
		return;
	if (r == -1)
		snprintf(line, sizeof(line), "%s; again in %ld s", f->msg,
		    seconds);
	else
		snprintf(line, sizeof(line), "%s: answered %ld; again in %ld s",
		    again->what, reply->status, seconds);
	again->note(line);
}

/* A 503 has not begun; of a 502 or 504 nobody knows. */
static bool
may_be_done(int r, const struct http_reply *reply)
{
	long status = reply->status;

	if (r == -1)
		return reply->sent && (status < 300 || status >= 500);
	return status >= 500 && status != 501 && status != 503;
}

static bool
worth_it(const struct retry *again, int r, const struct http_reply *reply,
    const struct fail *f)
{
	if (r == -1)
		return f->status == EX_TEMPFAIL;
	/* The attempt whose answer was lost is still being worked on. */
	if (reply->status == 409 && again->maybe)
		return true;
	return retry_transient(reply);
}

bool
retry_again(struct retry *again, int r, const struct http_reply *reply,
    struct fail *f)
{
	int64_t end;
	long seconds;

	again->maybe |= may_be_done(r, reply);
	if (!worth_it(again, r, reply, f) || again->tries == RETRY_MAX ||
	    stopped(again))
		return false;
	seconds = wait_s(again, r, reply);
	end = clock_ms() + seconds * retry_second_ms();
	if (again->deadline_ms != 0 && end >= again->deadline_ms)
		return false;
	again->tries++;
	note(again, r, reply, seconds, f);
	while (!stopped(again) && clock_ms() < end) {
		int64_t left = end - clock_ms();

		poll(NULL, 0, left < SLICE_MS ? (int)left : SLICE_MS);
	}
	return !stopped(again);
}
