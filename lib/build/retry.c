#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "build/retry.h"

#define SLICE_MS	100	/* a signal is noticed within so long */

static bool
stopped(const struct retry *again)
{
	return again->stop != NULL && *again->stop != 0;
}

int
retry_exchange(const struct retry *again, struct http *http,
    const struct http_request *request, struct http_reply *reply,
    struct fail *f)
{
	struct http_reply *done;
	int r;

	http_reply_clear(reply);
	if (again->stop == NULL)
		return http_do(http, request, reply, f);
	if (stopped(again))
		return fail_set(f, EX_TEMPFAIL, "interrupted");
	if (http_start(http, request, reply, f) == -1)
		return -1;
	while ((r = http_wait(http, SLICE_MS, &done, f)) == 0)
		if (stopped(again)) {
			http_cancel(http, reply);
			return fail_set(f, EX_TEMPFAIL, "interrupted");
		}
	if (r == -1)
		return -1;
	if (reply->fail.status != 0) {
		*f = reply->fail;
		return -1;
	}
	return 0;
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

/* How long one second of waiting is.  What is no number is not worth failing
 * for: the default is what people want. */
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

static void
wait_ms(const struct retry *again, long ms)
{
	while (ms > 0 && !stopped(again)) {
		long slice = ms < SLICE_MS ? ms : SLICE_MS;
		struct timespec ts = { 0, slice * 1000000 };

		nanosleep(&ts, NULL);
		ms -= slice;
	}
}

bool
retry_again(struct retry *again, int r, const struct http_reply *reply,
    struct fail *f)
{
	char line[sizeof(f->msg) + 80];
	long wait_s;

	if (r == -1 ? f->status != EX_TEMPFAIL ||
	    (reply->sent && again->policy == RETRY_UNSENT) :
	    again->policy == RETRY_UNSENT || !retry_transient(reply))
		return false;
	if (again->tries == RETRY_MAX || stopped(again))
		return false;
	wait_s = 1L << again->tries++;
	if (r == 0 && reply->retry_after_s >= 0) {
		wait_s = reply->retry_after_s;
		if (wait_s > RETRY_AFTER_MAX_S)
			wait_s = RETRY_AFTER_MAX_S;
	}
	if (again->note != NULL) {
		if (r == -1)
			snprintf(line, sizeof(line), "%s; again in %ld s",
			    f->msg, wait_s);
		else
			snprintf(line, sizeof(line),
			    "%s: answered %ld; again in %ld s", again->what,
			    reply->status, wait_s);
		again->note(line);
	}
	wait_ms(again, wait_s * retry_second_ms());
	return !stopped(again);
}
