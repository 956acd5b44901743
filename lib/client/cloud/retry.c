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
#define LONGEST		3	/* 8 seconds, as a power of two */
#define FIRST_NOTE_S	5	/* a link that is down for less is no news */
#define NOTE_S		30

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
	if (!stopped(again))
		patience_saw(again->patience, r, reply, f);
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

/*
 * Patience.
 */

/* Not even in part; a 100 may be from something on the way. */
static bool
unanswered(int r, const struct http_reply *reply)
{
	return r == -1 && reply->status < 200;
}

void
patience_init(struct patience *p, void (*say)(const char *))
{
	const char *ledger = getenv("TL_LEDGER");

	*p = (struct patience){ .note = say,
	    .begun = ledger != NULL && *ledger != '\0' };
}

/* For how long there has been no answer, in seconds of retry_second_ms(). */
static long
silence_s(const struct patience *p, int64_t now)
{
	long second = retry_second_ms();

	return (long)(now - p->since_ms) / (second > 0 ? second : 1);
}

void
patience_saw(struct patience *p, int r, const struct http_reply *reply,
    const struct fail *f)
{
	char line[sizeof(f->msg) + 100];
	int64_t now = clock_ms();

	if (p == NULL)
		return;
	if (!unanswered(r, reply)) {
		p->begun = true;
		if (p->noted > 0) {
			snprintf(line, sizeof(line), "answered again, after "
			    "%ld s", silence_s(p, now));
			p->note(line);
		}
	}
	if (!unanswered(r, reply) || f->status != EX_TEMPFAIL) {
		p->failed = p->noted = 0;
		return;
	}
	if (p->failed++ == 0) {
		p->since_ms = now;
		p->note_ms = now + FIRST_NOTE_S * retry_second_ms();
	}
	if (p->note == NULL || now < p->note_ms || !patience_lasts(p))
		return;
	snprintf(line, sizeof(line), "%s; no answer for %ld s, waiting for "
	    "%d s in all", f->msg, silence_s(p, now), PATIENCE_S);
	p->note(line);
	p->noted++;
	p->note_ms = now + NOTE_S * retry_second_ms();
}

bool
patience_lasts(const struct patience *p)
{
	return p != NULL && p->begun && p->failed > 1 &&
	    clock_ms() < p->since_ms + PATIENCE_S * retry_second_ms();
}

bool
patience_over(const struct patience *p, unsigned tries)
{
	return p != NULL && p->failed > tries && !patience_lasts(p);
}

/*
 * Asking again.
 */

/* The wait before the next attempt, in seconds of retry_second_ms(). */
static long
wait_s(const struct retry *again, int r, const struct http_reply *reply)
{
	unsigned n = again->tries;

	if (again->patience != NULL && again->patience->failed > n + 1)
		n = again->patience->failed - 1;
	if (r == -1 || reply->retry_after_s < 0)
		return 1L << (n < LONGEST ? n : LONGEST);
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
	return again->transient != NULL ? again->transient(reply) :
	    retry_transient(reply);
}

bool
retry_again(struct retry *again, int r, const struct http_reply *reply,
    struct fail *f)
{
	bool down = patience_lasts(again->patience);
	int64_t end;
	long seconds;

	again->maybe |= may_be_done(r, reply);
	if (!worth_it(again, r, reply, f) || stopped(again))
		return false;
	if (!down && (again->tries == RETRY_MAX ||
	    patience_over(again->patience, RETRY_MAX)))
		return false;
	seconds = wait_s(again, r, reply);
	end = clock_ms() + seconds * retry_second_ms();
	if (again->deadline_ms != 0 && end >= again->deadline_ms)
		return false;
	again->tries += !down;
	note(again, r, reply, seconds, f);
	while (!stopped(again) && clock_ms() < end) {
		int64_t left = end - clock_ms();

		poll(NULL, 0, left < SLICE_MS ? (int)left : SLICE_MS);
	}
	return !stopped(again);
}
