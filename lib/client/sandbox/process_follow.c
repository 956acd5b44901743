#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "client/sandbox/events.h"
#include "client/sandbox/process_follow.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/stop.h"

#define ATTEMPTS	10	/* tl-wire(7), "Reattach" */
#define SECOND_MS	1000L
#define FIRST_MS	20L	/* a process often ends right behind its eof */
#define SOON_MS		100L
#define ASLEEP_MS	600000L	/* a sandbox that does not run is waited for */
#define STOOD_MS	900	/* one that was answered so long ago did not fail */
#define CODE_TRIES	10	/* tl-wire(7), "Output in one document" */
#define CODE_MS		200L
#define STREAMS		3	/* stdout, stderr, any other word */

/*
 * How it is.
 */

/*
 * Of a process that nobody finds: 1, with the fail filled, if its sandbox
 * lists others and not it.  A daemon that began anew has lost it.
 */
static int
lost(const struct process_link *l, int64_t pid, struct fail *f)
{
	struct http_reply reply = HTTP_REPLY_INIT;
	struct span doc, all;
	struct fail why;
	int r = 0;

	if (process_get(l, "/api/v1/processes", &reply, &doc, &why) == 0 &&
	    json_sub(&doc, "processes", JSON_NEED, '[', &all, &why) == 1 &&
	    !process_listed(&all, pid)) {
		fail_set(f, EX_TEMPFAIL, "process %" PRId64 " is not there any "
		    "more, though its sandbox %s is; how it ended is not known",
		    pid, l->reach->sandbox->id);
		r = 1;
	} else if (process_gone(l))
		*f = why;
	http_reply_free(&reply);
	return r;
}

/* 1 and its end, 0 if it runs, -1; then *over: there is nothing to wait for. */
static int
look(const struct process_link *l, int64_t pid, struct process_end *end,
    bool *over, struct fail *f)
{
	struct http_reply reply = HTTP_REPLY_INIT;
	struct span doc;
	bool vague = false;
	char path[64];
	int i, r;

	snprintf(path, sizeof(path), "/api/v1/processes/%" PRId64, pid);
	for (i = 0;; i++) {
		if ((r = process_get(l, path, &reply, &doc, f)) == 0)
			r = process_ended(&doc, end, &vague, f);
		/* The code may come a little after the status. */
		if (r != 1 || !vague || i == CODE_TRIES)
			break;
		if ((r = process_pause(l, CODE_MS, f)) == -1)
			break;
	}
	if (r == 1 && vague)
		process_note(l, true, "ended without a code or a signal; "
		    "counted as 0", NULL);
	if (r == 1 || r == 0)
		end->pid = pid;
	*over = r == -1 && (process_gone(l) || (reply.status == 404 &&
	    (lost(l, pid, f) == 1 || process_gone(l))));
	http_reply_free(&reply);
	return r;
}

/*
 * Following.
 */

struct follow {
	const struct process_link	*l;
	struct events			 events;
	uint64_t			 shown[STREAMS];
	uint64_t			 seen[STREAMS];	/* of this replay */
	struct buf			 text;
	bool				 news;		/* a line was shown */
	bool				 answered;	/* it began well */
	bool				 halt;		/* line() failed */
};

/* One event: a line if it is an object that has what a line has. */
static int
on_event(void *arg, const char *p, size_t n, struct fail *f)
{
	struct follow *w = arg;
	struct span doc, text, value;
	unsigned stream = PROCESS_STDOUT;
	struct fail ignored;

	/*
	 * Heartbeats and words to come: skipped, as
	 * tl-wire(7), "Following output", has it.
	 */
	if (span_parse(&doc, p, n, &ignored) == -1 || !span_is_object(&doc) ||
	    span_get(&doc, "line", &text, &ignored) != 1 ||
	    !span_is_string(&text) ||
	    span_get(&doc, "timestamp", &value, &ignored) != 1)
		return 0;
	switch (span_get(&doc, "stream", &value, &ignored)) {
	case -1:
		return 0;
	case 1:
		if (!span_is_string(&value))
			return 0;
		if (!span_equals(&value, "stdout"))
			stream = span_equals(&value, "stderr") ?
			    PROCESS_STDERR : 2;
	}
	/*
	 * A replay has all of stdout first, whatever the order was that lines
	 * came in, so each stream is counted on its own.
	 */
	if (w->seen[stream]++ < w->shown[stream])
		return 0;
	w->shown[stream]++;
	w->news = true;
	buf_clear(&w->text);
	if (span_string(&text, &w->text, f) == -1 ||
	    w->l->line(w->l->arg, stream == PROCESS_STDOUT ? PROCESS_STDOUT :
	    PROCESS_STDERR, w->text.len == 0 ? "" : w->text.data, w->text.len,
	    f) == -1) {
		w->halt = true;
		return -1;
	}
	return 0;
}

static int
on_bytes(void *arg, const char *p, size_t n, struct fail *f)
{
	struct follow *w = arg;

	if (events_feed(&w->events, p, n, f) == -1)
		return -1;
	if (w->l->flush != NULL && w->l->flush(w->l->arg, f) == -1) {
		w->halt = true;
		return -1;
	}
	return 0;
}

static int
follow_once(struct follow *w, int64_t pid, struct fail *f)
{
	static const char *const accept[] = {
		"Accept: text/event-stream", NULL
	};
	struct http_reply reply = HTTP_REPLY_INIT;
	struct sandbox_call call;
	char path[80];
	int r;

	snprintf(path, sizeof(path),
	    "/api/v1/processes/%" PRId64 "/output/follow", pid);
	if (reach_call(w->l->reach, &call, "GET", path, accept, f) == -1)
		return -1;
	call.req.sink = on_bytes;
	call.req.arg = w;
	call.req.type = "text/event-stream";
	events_reset(&w->events);
	memset(w->seen, 0, sizeof(w->seen));
	w->news = w->answered = false;
	r = reach_do(w->l->reach, &call.req, &reply, 0, f);
	w->answered = reply.status / 100 == 2 && !reply.bad_type;
	if (r == 0 && reply.status / 100 != 2)
		r = http_refused(&reply, path, f);
	else if (r == 0 && reply.bad_type)
		r = fail_set(f, EX_PROTOCOL, "%s: not an event stream", path);
	sandbox_call_free(&call);
	http_reply_free(&reply);
	return r;
}

/*
 * How much a failure counts.  While the sandbox does not run, or the link to
 * it is down, not at all, for so long.
 */
static unsigned
counts(const struct process_link *l, int64_t *until)
{
	if (l->reach->told != REACH_SLEEPS) {
		*until = 0;
		return patience_lasts(l->reach->patience) ? 0 :
		    patience_over(l->reach->patience, ATTEMPTS) ? ATTEMPTS : 1;
	}
	if (*until == 0) {
		*until = clock_ms() + process_scaled(l, ASLEEP_MS);
		process_note(l, true, "the sandbox does not run for now; "
		    "waiting", NULL);
	}
	return clock_ms() < *until ? 0 : 1;
}

int
process_follow(const struct process_link *l, int64_t pid,
    struct process_end *end, struct fail *f)
{
	struct follow w = { .l = l, .text = BUF_INIT(EVENTS_MAX) };
	long idle = FIRST_MS;
	unsigned attempts = 0;
	struct fail why;
	int64_t begun, wake = 0;
	bool over = false, soon = true;
	int r, looked;

	*end = (struct process_end){ pid, 0, false };
	events_init(&w.events, on_event, &w);
	for (;;) {
		begun = clock_ms();
		r = follow_once(&w, pid, f);
		if (w.halt || stop_signal != 0) {
			r = w.halt ? -1 : fail_set(f, EX_TEMPFAIL,
			    "%s", stop_reason());
			break;
		}
		if (r == 0 || w.news || (w.answered &&
		    clock_ms() - begun > STOOD_MS)) {
			attempts = 0;
			soon = true;
		}
		if (r == -1 && process_gone(l))
			break;
		if (r == -1) {
			attempts += counts(l, &wake);
			why = *f;
			process_note(l, false, "output", &why);
		}
		while ((looked = look(l, pid, end, &over, f)) == -1 && !over &&
		    stop_signal == 0 &&
		    (attempts += counts(l, &wake)) < ATTEMPTS) {
			process_note(l, false, "process", f);
			if (process_pause(l, SECOND_MS, f) == -1)
				break;
		}
		if (looked == -1) {
			r = -1;
			break;
		}
		/* Ended, and all that it said was seen. */
		if (looked == 1 && r == 0)
			break;
		if (r == -1 && attempts >= ATTEMPTS) {
			/*
			 * How it ended is known, not all that it said: the
			 * first is what counts.
			 */
			if (looked == 1) {
				process_note(l, true,
				    "the end of its output may be missing",
				    &why);
				r = 0;
			} else
				*f = why;
			break;
		}
		if (r == -1)
			idle = FIRST_MS;
		else if (w.news)
			idle = FIRST_MS;
		else if ((idle *= 2) > SECOND_MS)
			idle = SECOND_MS;
		/* The first time, most likely a connection that was cut. */
		if (process_pause(l, r == 0 ? idle : soon ? SOON_MS :
		    SECOND_MS, f) == -1) {
			r = -1;
			break;
		}
		soon &= r == 0;
	}
	if (w.events.dropped > 0)
		process_note(l, true, "lines of more than 4 MB were left out",
		    NULL);
	events_free(&w.events);
	buf_free(&w.text);
	return r;
}
