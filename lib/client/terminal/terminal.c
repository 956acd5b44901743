#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "client/sandbox/process_body.h"
#include "client/terminal/terminal.h"
#include "core/json.h"
#include "core/stop.h"

#define GRACE_MS	3000L	/* for an answer after a signal */
#define CONNECT_MS	15000L

static int
none(long status, struct fail *f)
{
	return fail_set(f, EX_UNAVAILABLE, "-t: this server gives no terminals "
	    "(%ld); a command without -t needs none", status);
}

static int
body(const struct process *p, struct terminal_size size, struct buf *b,
    struct fail *f)
{
	struct jout j = JOUT_INIT(b);

	jout_object(&j);
	if (process_body(&j, p, f) == -1)
		return -1;
	jout_key(&j, "rows");
	jout_u64(&j, size.rows);
	jout_key(&j, "cols");
	jout_u64(&j, size.cols);
	jout_close(&j);
	return jout_end(&j, f);
}

static int
read_answer(const struct http_reply *reply, struct terminal *t,
    struct fail *f)
{
	struct span doc;

	if (span_parse(&doc, reply->body.len == 0 ? "" : reply->body.data,
	    reply->body.len, f) == 0 &&
	    json_string(&doc, "session_id", JSON_NEED, &t->id, f) == 1 &&
	    json_string(&doc, "token", JSON_NEED, &t->token, f) == 1 &&
	    sandbox_word(t->id, SANDBOX_ID_NOT) && sandbox_word(t->token, "&"))
		return 0;
	return fail_set(f, EX_PROTOCOL, "terminal: the answer is not valid");
}

int
terminal_open(struct reach *reach, const struct process *p,
    struct terminal_size size, struct terminal *t, struct fail *f)
{
	struct http_reply reply = HTTP_REPLY_INIT;
	struct buf text = BUF_INIT(BUF_SMALL_MAX);
	struct sandbox_call call;
	int r;

	if (body(p, size, &text, f) == -1 ||
	    reach_call(reach, &call, "POST", "/api/v1/pty", NULL, f) == -1) {
		buf_free(&text);
		return -1;
	}
	call.req.json = text.data;
	call.req.fresh = true;
	r = reach_do(reach, &call.req, &reply, GRACE_MS, f);
	if (r == 0 && reply.status / 100 == 2)
		r = read_answer(&reply, t, f);
	else if (r == 0 && (reply.status == 404 || reply.status == 405))
		r = none(reply.status, f);
	else if (r == 0)
		r = http_refused(&reply, "terminal", f);
	sandbox_call_free(&call);
	http_reply_free(&reply);
	buf_free(&text);
	return r;
}

int
terminal_end(struct reach *reach, const struct terminal *t, struct fail *f)
{
	struct http_reply reply = HTTP_REPLY_INIT;
	struct sandbox_call call;
	char path[300];
	int r;

	snprintf(path, sizeof(path), "/api/v1/pty/%s", t->id);
	if (reach_call(reach, &call, "DELETE", path, NULL, f) == -1)
		return -1;
	call.req.timeout_ms = GRACE_MS;
	r = reach_do(reach, &call.req, &reply, GRACE_MS, f);
	if (r == 0 && reply.status / 100 != 2 && reply.status != 404)
		r = http_refused(&reply, "terminal", f);
	sandbox_call_free(&call);
	http_reply_free(&reply);
	return r;
}

void
terminal_free(struct terminal *t)
{
	free(t->id);
	if (t->token != NULL)
		explicit_bzero(t->token, strlen(t->token));
	free(t->token);
	*t = (struct terminal)TERMINAL_INIT;
}

static int
connect_once(struct reach *reach, const struct terminal *t, bool query,
    struct http_reply *reply, struct http_stream **out, struct fail *f)
{
	char path[600], token[300];
	const char *extra[] = { token, NULL };
	struct sandbox_call call;
	int r;

	snprintf(token, sizeof(token), "X-PTY-Token: %s", t->token);
	snprintf(path, sizeof(path), "/api/v1/pty/%s/ws%s%s", t->id,
	    query ? "?token=" : "", query ? t->token : "");
	if (reach_call(reach, &call, "GET", path, extra, f) == -1)
		return -1;
	call.req.timeout_ms = CONNECT_MS;
	r = http_websocket(reach->x->http, &call.req, reply, out, f);
	sandbox_call_free(&call);
	explicit_bzero(token, sizeof(token));
	explicit_bzero(path, sizeof(path));
	return r;
}

int
terminal_connect(struct reach *reach, const struct terminal *t,
    struct http_stream **out, struct fail *f)
{
	struct http_reply reply = HTTP_REPLY_INIT;
	int r = connect_once(reach, t, false, &reply, out, f);

	/*
	 * A query is easily logged on its way; but there are servers that know
	 * no such header, and proxies that drop it.
	 */
	if (r == 0 && (reply.status == 400 || reply.status == 403) &&
	    stop_signal == 0)
		r = connect_once(reach, t, true, &reply, out, f);
	if (r == 0)
		http_refused(&reply, "terminal", f);
	http_reply_free(&reply);
	return r == 1 ? 0 : -1;
}
