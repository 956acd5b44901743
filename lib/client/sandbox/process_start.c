#include <string.h>
#include <sysexits.h>

#include "client/cloud/retry.h"
#include "client/sandbox/process_body.h"
#include "client/sandbox/process_start.h"
#include "core/json.h"
#include "core/stop.h"

#define PROCESSES	"/api/v1/processes"
#define STARTS		3	/* tl-wire(7), "Lost start" */
#define LISTS		17	/* over about ten seconds */
#define LIST_FIRST_MS	50L
#define SECOND_MS	1000L
#define GRACE_MS	3000L	/* for a start's answer after a signal */

static int
start_body(const struct process *p, struct buf *b, struct fail *f)
{
	struct jout j = JOUT_INIT(b);

	jout_object(&j);
	if (process_body(&j, p, f) == -1)
		return -1;
	if (p->input)
		jout_member(&j, "stdin_mode", "pipe");
	jout_close(&j);
	return jout_end(&j, f);
}

/*
 * What became of a start.  An answer that cannot be read leaves it open as a
 * lost one does.
 */
enum fate { STARTED, REFUSED, NOT_STARTED, OPEN };

static enum fate
start_once(const struct process_link *l, const struct buf *body, int64_t *pid,
    struct fail *f)
{
	struct http_reply reply = HTTP_REPLY_INIT;
	struct sandbox_call call;
	struct span doc;
	enum fate fate;

	if (reach_call(l->reach, &call, "POST", PROCESSES, NULL, f) == -1)
		return REFUSED;
	call.req.json = body->data;
	call.req.fresh = true;
	if (reach_do(l->reach, &call.req, &reply, GRACE_MS, f) == -1) {
		fate = process_gone(l) ? REFUSED : reply.sent ? OPEN :
		    f->status == EX_TEMPFAIL ? NOT_STARTED : REFUSED;
	} else if (reply.status / 100 == 2) {
		fate = OPEN;
		if (span_parse(&doc, reply.body.len == 0 ? "" :
		    reply.body.data, reply.body.len, f) == 0 &&
		    json_i64(&doc, "pid", JSON_NEED, pid, f) == 1)
			fate = STARTED;
		else {
			fail_in(f, "start's answer");
			f->status = EX_PROTOCOL;
		}
	} else {
		http_refused(&reply, "start", f);
		/*
		 * 429 and 503 say that it was not even tried, another 5xx or
		 * a timeout on the way says nothing.
		 */
		if (reply.status == 503 || reply.status == 429)
			fate = NOT_STARTED;
		else if (reply.status >= 500 || reply.status == 408)
			fate = OPEN;
		else
			fate = retry_transient(&reply) ? NOT_STARTED : REFUSED;
		if (fate != REFUSED)
			f->status = EX_TEMPFAIL;
	}
	sandbox_call_free(&call);
	http_reply_free(&reply);
	return fate;
}

int
process_start_once(const struct process_link *l, const struct process *p,
    int64_t *pid, struct fail *f)
{
	struct buf body = BUF_INIT(BUF_SMALL_MAX);
	enum fate fate = REFUSED;

	if (start_body(p, &body, f) == 0)
		fate = start_once(l, &body, pid, f);
	buf_free(&body);
	return fate == STARTED ? 0 : -1;
}

/*
 * Whether a start whose answer was lost has happened: 1 and the pid, 0 if the
 * process is seen not to be there, -1 if nobody can tell.  before is the list
 * from before the start: with the pids in it nobody, another run of the same
 * command least of all, is taken for ours.
 */
static int
recover(const struct process_link *l, const struct process *p,
    const struct span *before, int lists, int64_t *pid, struct fail *f)
{
	struct http_reply reply = HTTP_REPLY_INIT;
	struct span doc;
	long ms = LIST_FIRST_MS;
	bool seen = false;
	bool first = true;
	int i, r = 0;

	for (i = 0; i < lists; first = false) {
		if (!first && (r = process_pause(l, ms, f)) == -1)
			break;
		if (!first && (ms += ms / 2) > SECOND_MS)
			ms = SECOND_MS;
		if ((r = process_get(l, PROCESSES, &reply, &doc, f)) == -1) {
			if (stop_signal != 0 || process_gone(l))
				break;
			process_note(l, false, "list", f);
			seen = false;
			if (patience_over(l->reach->patience, (unsigned)lists))
				i = lists;
			i += !patience_lasts(l->reach->patience);
			continue;
		}
		seen = true;
		if ((r = process_find(&doc, before, p, pid, f)) != 0)
			break;
		i++;
	}
	http_reply_free(&reply);
	/* If the last one failed, nobody has seen that it is not there. */
	return r == 1 ? 1 : r == -1 && i < lists ? -1 : seen ? 0 : -1;
}

int
process_start(const struct process_link *l, const struct process *p,
    int64_t *pid, struct fail *f)
{
	struct http_reply list = HTTP_REPLY_INIT;
	struct buf body = BUF_INIT(BUF_SMALL_MAX);
	struct span before;
	struct retry again = { .what = "list",
	    .patience = l->reach->patience };
	bool known = false, down;
	struct fail why;
	enum fate fate;
	unsigned busy = 0, lost = 0;
	int r = -1;

	if (start_body(p, &body, f) == -1)
		return -1;
	/*
	 * One request more than upstream sends, for what it is worth when an
	 * answer is lost: upstream takes the newest process with the same
	 * command and arguments, which may be an older one that has ended.
	 * Another client that starts the same command in the same sandbox at
	 * the same moment, and whose process is the only one to be seen, could
	 * still be mistaken for us; a builder's sandbox has one client.
	 */
	do
		known = process_get(l, PROCESSES, &list, &before, f) == 0;
	while (!known && retry_again(&again, -1, &list, f));
	if (!known && stop_signal != 0)
		fail_set(f, EX_TEMPFAIL, "%s", stop_reason());
	if (!known && (stop_signal != 0 || process_gone(l)))
		goto out;
	for (;;) {
		fate = start_once(l, &body, pid, f);
		if (fate == STARTED) {
			r = 0;
			goto out;
		}
		if (fate == REFUSED || (stop_signal != 0 &&
		    fate == NOT_STARTED))
			goto out;
		why = *f;
		process_note(l, false, "start", &why);
		/* A proxy that is started anew takes some seconds. */
		if (fate == NOT_STARTED) {
			down = patience_lasts(l->reach->patience);
			if (!down && (busy == RETRY_MAX ||
			    patience_over(l->reach->patience, RETRY_MAX)))
				break;
			if (process_pause(l, down ? SECOND_MS :
			    SECOND_MS << busy, f) == -1)
				goto out;
			busy += !down;
			*f = why;
			continue;
		}
		if (!known) {
			fail_set(f, EX_TEMPFAIL, "%s: the answer to the start "
			    "was lost, it may be running: %.300s", p->command,
			    why.msg);
			goto out;
		}
		r = recover(l, p, &before, LISTS, pid, f);
		if (r == 1) {
			process_note(l, false, "it was started all the same",
			    NULL);
			r = 0;
			goto out;
		}
		if (r == -1 && process_gone(l))
			goto out;
		if (r == -1) {
			why = *f;
			fail_set(f, EX_TEMPFAIL, "%s: the answer to the start "
			    "was lost, it may be running: %.300s", p->command,
			    why.msg);
			goto out;
		}
		r = -1;
		*f = why;
		if (++lost == STARTS)
			break;
		if (process_pause(l, SECOND_MS, f) == -1)
			goto out;
	}
	*f = why;
	fail_in(f, p->command);
out:
	buf_free(&body);
	http_reply_free(&list);
	return r;
}
