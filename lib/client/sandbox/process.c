#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "client/cloud/retry.h"
#include "client/sandbox/events.h"
#include "client/sandbox/process.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/stop.h"

#define STARTS		3	/* WIRE.md 9.6 */
#define LISTS		17	/* over about ten seconds */
#define LIST_FIRST_MS	50L
#define ATTEMPTS	10	/* WIRE.md 9.7 */
#define SECOND_MS	1000L
#define FIRST_MS	20L	/* a process often ends right behind its eof */
#define SOON_MS		100L
#define GET_MS		20000L	/* small answers */
#define ASLEEP_MS	600000L	/* a sandbox that does not run is waited for */
#define STOOD_MS	900	/* one that was answered so long ago did not fail */
#define GRACE_MS	3000L	/* for a start's answer after a signal */
#define KILL_MS		5000L
#define CODE_TRIES	10	/* WIRE.md 9.3 */
#define CODE_MS		200L
#define STREAMS		3	/* stdout, stderr, any other word */

static long
scaled(const struct process_link *l, long ms)
{
	return l->second_ms == 0 ? ms : ms * l->second_ms / SECOND_MS;
}

static int
pause_ms(const struct process_link *l, long ms, struct fail *f)
{
	return exchange_pause(l->reach->x, scaled(l, ms), f);
}

static void
note(const struct process_link *l, bool serious, const char *what,
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

/*
 * What a process object says.
 */

/* A member that may be absent or null, and is a number otherwise. */
static int
number(const struct span *obj, const char *name, bool *has, int64_t *out,
    struct fail *f)
{
	int r = json_i64(obj, name, JSON_MAY, out, f);

	if (r != -1)
		*has = r == 1;
	return r == -1 ? -1 : 0;
}

static int
flag(const struct span *obj, const char *name, bool *out, struct fail *f)
{
	return json_bool(obj, name, JSON_MAY, out, f) == -1 ? -1 : 0;
}

static int
ended(const struct span *s, struct process_end *end, bool *vague,
    struct fail *f)
{
	struct span managed, last;
	bool has_code, has_signal, oom = false, last_oom = false;
	int64_t code = 0, sig = 0;
	char *status = NULL;
	int r = -1;

	if (json_i64(s, "pid", JSON_NEED, &end->pid, f) == -1 ||
	    json_string(s, "status", JSON_NEED, &status, f) == -1 ||
	    number(s, "exit_code", &has_code, &code, f) == -1 ||
	    number(s, "signal", &has_signal, &sig, f) == -1 ||
	    flag(s, "oom_killed", &oom, f) == -1)
		goto out;
	r = json_sub(s, "managed", JSON_MAY, '{', &managed, f);
	if (r == 1)
		r = json_sub(&managed, "last_exit", JSON_MAY, '{', &last, f);
	if (r == 1)
		r = flag(&last, "oom_killed", &last_oom, f);
	if (r == -1)
		goto out;
	/* The order of WIRE.md 9.5; a code is a code, whatever the status. */
	r = 1;
	end->oom = oom || last_oom || strcmp(status, "oom_killed") == 0;
	if (end->oom)
		end->code = has_signal ? -sig : has_code ? code : -9;
	else if (has_code)
		end->code = code;
	else if (has_signal)
		end->code = -sig;
	else if (strcmp(status, "running") != 0) {
		end->code = 0;
		*vague = true;
	} else
		r = 0;
out:
	free(status);
	return r;
}

int
process_ended(const struct span *s, struct process_end *end, bool *vague,
    struct fail *f)
{
	int r;

	*vague = false;
	*end = (struct process_end){ 0, 0, false };
	if (!span_is_object(s))
		return fail_set(f, EX_PROTOCOL, "process: not an object");
	if ((r = ended(s, end, vague, f)) == -1) {
		fail_in(f, "process");
		f->status = EX_PROTOCOL;
	}
	return r;
}

int
process_status(const struct process_end *end)
{
	if (end->code < 0)
		return end->code < -127 ? 255 : (int)(128 - end->code);
	/* OOM and yet 0: what ran has not done what it was to do. */
	if (end->code == 0)
		return end->oom ? 128 + SIGKILL : 0;
	return end->code > 255 ? 255 : (int)end->code;
}

/*
 * Finding it again.
 */

static bool
same_command(const struct span *s, const struct process *p)
{
	struct span value, arg;
	const char *pos = NULL;
	struct fail f;
	size_t i = 0;

	if (span_get(s, "command", &value, &f) != 1 ||
	    !span_is_string(&value) || !span_equals(&value, p->command))
		return false;
	if (span_get(s, "args", &value, &f) != 1 || !span_is_array(&value))
		return p->args == NULL || p->args[0] == NULL;
	while (span_next(&value, &pos, NULL, &arg) == 1) {
		if (p->args == NULL || p->args[i] == NULL ||
		    !span_is_string(&arg) || !span_equals(&arg, p->args[i]))
			return false;
		i++;
	}
	return p->args == NULL || p->args[i] == NULL;
}

static bool
listed(const struct span *all, int64_t pid)
{
	const char *pos = NULL;
	struct span one;
	struct fail f;
	int64_t n;

	while (span_next(all, &pos, NULL, &one) == 1)
		if (json_i64(&one, "pid", JSON_MAY, &n, &f) == 1 && n == pid)
			return true;
	return false;
}

int
process_find(const struct span *list, const struct span *before,
    const struct process *p, int64_t *pid, struct fail *f)
{
	struct span all, old = { NULL, 0 }, one;
	const char *pos = NULL;
	bool found = false;
	int64_t n;

	if (json_sub(list, "processes", JSON_NEED, '[', &all, f) == -1 ||
	    (before != NULL && json_sub(before, "processes", JSON_NEED, '[',
	    &old, f) == -1)) {
		fail_in(f, "process list");
		f->status = EX_PROTOCOL;
		return -1;
	}
	while (span_next(&all, &pos, NULL, &one) == 1) {
		if (!same_command(&one, p) ||
		    json_i64(&one, "pid", JSON_MAY, &n, f) != 1 ||
		    (before != NULL && listed(&old, n)))
			continue;
		if (found)
			return fail_set(f, EX_TEMPFAIL,
			    "more than one process could be ours");
		*pid = n;
		found = true;
	}
	return found;
}

/*
 * Requests.
 */

/* A request without a body whose answer is a JSON object. */
static int
get(const struct process_link *l, const char *path, struct http_reply *reply,
    struct span *doc, struct fail *f)
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

static bool
gone(const struct process_link *l)
{
	return l->reach->told == REACH_GONE;
}

static bool	listed(const struct span *, int64_t);

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

	if (get(l, "/api/v1/processes", &reply, &doc, &why) == 0 &&
	    json_sub(&doc, "processes", JSON_NEED, '[', &all, &why) == 1 &&
	    !listed(&all, pid)) {
		fail_set(f, EX_TEMPFAIL, "process %" PRId64 " is not there any "
		    "more, though its sandbox %s is; how it ended is not known",
		    pid, l->reach->sandbox->id);
		r = 1;
	} else if (gone(l))
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
		if ((r = get(l, path, &reply, &doc, f)) == 0)
			r = process_ended(&doc, end, &vague, f);
		/* The code may come a little after the status. */
		if (r != 1 || !vague || i == CODE_TRIES)
			break;
		if ((r = pause_ms(l, CODE_MS, f)) == -1)
			break;
	}
	if (r == 1 && vague)
		note(l, true, "ended with neither a code nor a signal; "
		    "taken for 0", NULL);
	if (r == 1 || r == 0)
		end->pid = pid;
	*over = r == -1 && (gone(l) || (reply.status == 404 &&
	    (lost(l, pid, f) == 1 || gone(l))));
	http_reply_free(&reply);
	return r;
}

static int
start_body(const struct process *p, struct buf *b, struct fail *f)
{
	struct jout j = JOUT_INIT(b);
	const char *const *s;
	const char *eq;
	struct buf name = BUF_INIT(BUF_SMALL_MAX);

	jout_object(&j);
	jout_key(&j, "command");
	jout_string(&j, p->command);
	jout_key(&j, "args");
	jout_array(&j);
	for (s = p->args; s != NULL && *s != NULL; s++)
		jout_string(&j, *s);
	jout_close(&j);
	if (p->env != NULL && p->env[0] != NULL) {
		jout_key(&j, "env");
		jout_object(&j);
		for (s = p->env; *s != NULL; s++) {
			if ((eq = strchr(*s, '=')) == NULL)
				continue;
			buf_clear(&name);
			if (buf_add(&name, *s, (size_t)(eq - *s), f) == -1) {
				buf_free(&name);
				return -1;
			}
			jout_key(&j, name.data);
			jout_string(&j, eq + 1);
		}
		jout_close(&j);
	}
	jout_member(&j, "working_dir", p->cwd);
	jout_member(&j, "user", p->user);
	jout_close(&j);
	buf_free(&name);
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

	if (reach_call(l->reach, &call, "POST", "/api/v1/processes", NULL,
	    f) == -1)
		return REFUSED;
	call.req.json = body->data;
	call.req.fresh = true;
	if (reach_do(l->reach, &call.req, &reply, GRACE_MS, f) == -1) {
		fate = gone(l) ? REFUSED : reply.sent ? OPEN :
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
	int i, r = 0;

	for (i = 0; i < lists; i++) {
		if (i > 0 && (r = pause_ms(l, ms, f)) == -1)
			break;
		if (i > 0 && (ms += ms / 2) > SECOND_MS)
			ms = SECOND_MS;
		if ((r = get(l, "/api/v1/processes", &reply, &doc, f)) == -1) {
			if (stop_signal != 0 || gone(l))
				break;
			note(l, false, "list", f);
			seen = false;
			continue;
		}
		seen = true;
		if ((r = process_find(&doc, before, p, pid, f)) != 0)
			break;
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
	struct retry again = { .policy = RETRY_BUSY, .what = "list" };
	bool known = false;
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
		known = get(l, "/api/v1/processes", &list, &before, f) == 0;
	while (!known && retry_again(&again, -1, &list, f));
	if (!known && (stop_signal != 0 || gone(l)))
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
		note(l, false, "start", &why);
		/* A proxy that is started anew takes some seconds. */
		if (fate == NOT_STARTED) {
			if (busy == RETRY_MAX)
				break;
			if (pause_ms(l, SECOND_MS << busy++, f) == -1)
				goto out;
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
			note(l, false, "it was started all the same", NULL);
			r = 0;
			goto out;
		}
		if (r == -1 && gone(l))
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
		if (pause_ms(l, SECOND_MS, f) == -1)
			goto out;
	}
	*f = why;
	fail_in(f, p->command);
out:
	buf_free(&body);
	http_reply_free(&list);
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

	/* Heartbeats and words to come: skipped, as WIRE.md 9.4 has it. */
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
 * Whether the sandbox does not run for now: what fails meanwhile is not held
 * against it, for so long.
 */
static bool
asleep(const struct process_link *l, int64_t *until)
{
	if (l->reach->told != REACH_SLEEPS) {
		*until = 0;
		return false;
	}
	if (*until == 0) {
		*until = clock_ms() + scaled(l, ASLEEP_MS);
		note(l, true, "the sandbox does not run for now; waiting",
		    NULL);
	}
	return clock_ms() < *until;
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
	bool over = false;
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
		    clock_ms() - begun > STOOD_MS))
			attempts = 0;
		if (r == -1 && gone(l))
			break;
		if (r == -1) {
			attempts += !asleep(l, &wake);
			why = *f;
			note(l, false, "output", &why);
		}
		while ((looked = look(l, pid, end, &over, f)) == -1 && !over &&
		    stop_signal == 0 &&
		    (attempts += !asleep(l, &wake)) < ATTEMPTS) {
			note(l, false, "process", f);
			if (pause_ms(l, SECOND_MS, f) == -1)
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
				note(l, true,
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
		if (pause_ms(l, r == 0 ? idle : attempts == 1 ? SOON_MS :
		    SECOND_MS, f) == -1) {
			r = -1;
			break;
		}
	}
	if (w.events.dropped > 0)
		note(l, true, "lines of more than 4 MB were left out", NULL);
	events_free(&w.events);
	buf_free(&w.text);
	return r;
}

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
	/* Without its sandbox no process goes on (WIRE.md 10.1). */
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
	if ((r = process_follow(l, end->pid, end, f)) == 0)
		return 0;
	/*
	 * Without its sandbox no process goes on; a deadline ends the wait for
	 * it, and no more.
	 */
	if (gone(l) || (stop_signal == SIGALRM && f->status == EX_TEMPFAIL))
		return r;
	/* Nobody is there to see what it does, so it is not to go on. */
	if (process_kill(l, end->pid, &why) == -1)
		note(l, true, "it may go on running", &why);
	return r;
}
