#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "client/sandbox/ready.h"
#include "client/sandbox/process_follow.h"
#include "client/sandbox/process_start.h"
#include "core/clock.h"
#include "core/stop.h"

#define SECOND_MS	1000L
#define RUNNING_FIRST_MS 30L
#define ANSWERING_FIRST_MS 50L

static long
scaled(const struct ready *w, long ms)
{
	return w->second_ms == 0 ? ms : ms * w->second_ms / SECOND_MS;
}

/* Say what is waited for whenever that changes. */
static void
news(const struct ready *w, char *last, const struct fail *f)
{
	if (w->note == NULL || strcmp(last, f->msg) == 0)
		return;
	memcpy(last, f->msg, sizeof(f->msg));
	w->note(f->msg);
}

/* Once it runs: the address, by tl-wire(7), "Proxy address". */
static int
settle(struct lifecycle *s, const struct cloud *cloud, struct fail *f)
{
	const char *env = getenv("TENSORLAKE_SANDBOX_PROXY_URL");

	if (s->proxy_url == NULL) {
		s->proxy_url = s->ingress;
		s->ingress = NULL;
	}
	free(s->ingress);
	s->ingress = NULL;
	if (s->proxy_url != NULL)
		return 0;
	if (env == NULL || env[strspn(env, " \t")] == '\0')
		return fail_set(f, EX_CONFIG, "sandbox %s: the server names "
		    "no sandbox_url; set TENSORLAKE_SANDBOX_PROXY_URL", s->id);
	/* What one place says is not sent where another says: cloud.h. */
	if (cloud->own_file)
		return fail_set(f, EX_CONFIG, "TENSORLAKE_SANDBOX_PROXY_URL: "
		    "out of the environment, and the credential of the user's "
		    "file is not sent there");
	env += strspn(env, " \t");
	if ((s->proxy_url = strdup(env)) == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	s->proxy_url[strcspn(s->proxy_url, " \t")] = '\0';
	if (sandbox_check_url(s->proxy_url, "TENSORLAKE_SANDBOX_PROXY_URL",
	    f) == -1) {
		f->status = EX_CONFIG;
		return -1;
	}
	return 0;
}

int
ready_running(struct exchange *x, struct lifecycle *s,
    const struct ready *w, struct fail *f)
{
	int64_t end = clock_ms() + (int64_t)w->timeout_s * 1000;
	char line[sizeof(f->msg) + 80], last[sizeof(f->msg)] = "";
	long ms = RUNNING_FIRST_MS;

	for (;;) {
		if (lifecycle_get(x, s, f) == 0) {
			if (strcmp(s->status, "running") == 0)
				return settle(s, x->cloud, f);
			snprintf(f->msg, sizeof(f->msg), "sandbox %s: %.100s",
			    s->id, s->status);
			f->status = EX_TEMPFAIL;
		} else if (f->status != EX_TEMPFAIL || stop_signal != 0)
			return -1;
		news(w, last, f);
		if (clock_ms() + scaled(w, ms) >= end) {
			snprintf(line, sizeof(line), "%s (after %u s)", f->msg,
			    w->timeout_s);
			return fail_set(f, EX_TEMPFAIL, "%s", line);
		}
		if (exchange_pause_grow(x, &ms, w->second_ms, f) == -1)
			return -1;
	}
}

static int
no_line(void *arg, enum process_stream stream, const char *p, size_t n,
    struct fail *f)
{
	(void)arg;
	(void)stream;
	(void)p;
	(void)n;
	(void)f;
	return 0;
}

int
ready_answering(struct exchange *x, const struct lifecycle *s,
    const struct ready *w, struct fail *f)
{
	static const struct process nothing = { .command = "/bin/true" };
	int64_t end = clock_ms() + (int64_t)w->timeout_s * 1000;
	struct sandbox sandbox = { s->id, s->proxy_url, s->route_hint };
	struct reach reach;
	struct process_link link = {
		.reach = &reach, .line = no_line, .second_ms = w->second_ms
	};
	char line[sizeof(f->msg) + 80], last[sizeof(f->msg)] = "";
	struct process_end how;
	long ms = ANSWERING_FIRST_MS;
	int r;

	reach_init(&reach, x, &sandbox);
	for (;;) {
		/*
		 * Started anew each time, no list between:
		 * tl-wire(7), "Readiness".
		 */
		r = process_start_once(&link, &nothing, &how.pid, f);
		if (r == 0)
			r = process_follow(&link, how.pid, &how, f);
		if (r == 0 && process_status(&how) == 0)
			return 0;
		if (r == 0)
			return fail_set(f, EX_UNAVAILABLE, "sandbox %s: "
			    "/bin/true ended with %d", s->id,
			    process_status(&how));
		/* An image may be without: that is the sandbox's own answer. */
		if (strstr(f->msg, "/bin/true: No such file") != NULL)
			return 0;
		if (f->status != EX_TEMPFAIL || stop_signal != 0)
			return -1;
		news(w, last, f);
		if (clock_ms() + scaled(w, ms) >= end) {
			snprintf(line, sizeof(line), "%s (after %u s)", f->msg,
			    w->timeout_s);
			return fail_set(f, EX_TEMPFAIL, "%s", line);
		}
		if (exchange_pause_grow(x, &ms, w->second_ms, f) == -1)
			return -1;
	}
}
