#include <stdio.h>
#include <sysexits.h>

#include "client/sandbox/process_link.h"

#define SECOND_MS	1000L
#define GET_MS		20000L	/* small answers */

long
process_scaled(const struct process_link *l, long ms)
{
	return l->second_ms == 0 ? ms : ms * l->second_ms / SECOND_MS;
}

int
process_pause(const struct process_link *l, long ms, struct fail *f)
{
	return exchange_pause(l->reach->x, process_scaled(l, ms), f);
}

void
process_note(const struct process_link *l, bool serious, const char *what,
    const struct fail *f)
{
	char line[600];

	if (l->note == NULL)
		return;
	if (f == NULL)
		l->note(l->arg, serious, what);
	else {
		snprintf(line, sizeof(line), "%s: %s", what, f->msg);
		l->note(l->arg, serious, line);
	}
}

int
process_get(const struct process_link *l, const char *path,
    struct http_reply *reply, struct span *doc, struct fail *f)
{
	struct sandbox_call call;
	int r;

	if (reach_call(l->reach, &call, "GET", path, NULL, f) == -1)
		return -1;
	call.req.timeout_ms = GET_MS;
	r = reach_do(l->reach, &call.req, reply, 0, f);
	sandbox_call_free(&call);
	if (r == -1)
		return -1;
	if (reply->status / 100 != 2)
		return http_refused(reply, path, f);
	if (reply->body.len == 0)
		return fail_set(f, EX_PROTOCOL, "%s: empty answer", path);
	if (span_parse(doc, reply->body.data, reply->body.len, f) == -1) {
		fail_in(f, path);
		f->status = EX_PROTOCOL;
		return -1;
	}
	return 0;
}

bool
process_gone(const struct process_link *l)
{
	return l->reach->told == REACH_GONE;
}
