#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "client/sandbox/process_follow.h"
#include "client/sandbox/process_run.h"
#include "client/sandbox/process_start.h"
#include "core/stop.h"

#define KILL_MS		5000L

int
process_kill(const struct process_link *l, int64_t pid, struct fail *f)
{
	struct http_reply reply = HTTP_REPLY_INIT;
	struct sandbox_call call;
	char path[64];
	int r;

	snprintf(path, sizeof(path), "/api/v1/processes/%" PRId64, pid);
	if (reach_call(l->reach, &call, "DELETE", path, NULL, f) == -1)
		return -1;
	call.req.timeout_ms = KILL_MS;
	r = exchange_do(l->reach->x, &call.req, &reply, KILL_MS, f);
	/*
	 * Without its sandbox no process goes on
	 * (tl-wire(7), "Error documents").
	 */
	if (r == 0 && reply.status / 100 != 2 && reply.status != 404 &&
	    (reply.body.len == 0 ||
	    strstr(reply.body.data, "SANDBOX_NOT_RUNNING") == NULL))
		r = http_refused(&reply, "kill", f);
	sandbox_call_free(&call);
	http_reply_free(&reply);
	return r;
}

int
process_run(const struct process_link *l, const struct process *p,
    struct process_end *end, struct fail *f)
{
	struct fail why;
	int r;

	*end = (struct process_end){ 0, 0, false };
	if (process_start(l, p, &end->pid, f) == -1)
		return -1;
	r = l->feed != NULL ? l->feed(l->arg, end->pid, f) : 0;
	if (r == 0 && (r = process_follow(l, end->pid, end, f)) == 0)
		return 0;
	/*
	 * Without its sandbox no process goes on; a deadline ends the wait for
	 * it, and no more.
	 */
	if (process_gone(l) || (stop_signal == SIGALRM &&
	    f->status == EX_TEMPFAIL))
		return r;
	/* Nobody is there to see what it does, so it is not to go on. */
	if (process_kill(l, end->pid, &why) == -1)
		process_note(l, true, "it may go on running", &why);
	return r;
}
