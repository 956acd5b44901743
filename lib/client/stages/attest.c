#include <stdio.h>
#include <sysexits.h>

#include "client/cloud/answer.h"
#include "client/sandbox/reach.h"
#include "client/stages/attest.h"
#include "core/json.h"

static const char what[] = "attest";

int
attest_body(struct buf *b, const char *rel_path, const char *uri,
    struct fail *f)
{
	struct jout j = JOUT_INIT(b);

	jout_object(&j);
	jout_member(&j, "rel_path", rel_path);
	jout_member(&j, "uri", uri);
	jout_close(&j);
	return jout_end(&j, f);
}

/* 1 and an answer that is not "busy"; 0 where the sandbox is gone; -1. */
static int
ask(const struct attest *a, const char *body, struct http_reply *reply,
    struct fail *f)
{
	struct retry again = { .what = what, .note = a->note,
	    .patience = a->patience };
	struct sandbox_call call;
	struct exchange x;
	struct reach reach;
	int r;

	exchange_init(&x, a->http, a->cloud);
	reach_init(&reach, &x, a->sandbox);
	reach.patience = a->patience;
	do {
		/* A fresh trace id each time. */
		if ((r = reach_call(&reach, &call, "POST", ATTEST_PATH, NULL,
		    f)) == -1)
			break;
		call.req.json = body;
		r = reach_do(&reach, &call.req, reply, 0, f);
		sandbox_call_free(&call);
	} while (retry_again(&again, r, reply, f));
	exchange_free(&x);
	if (r == -1)
		return reach.told == REACH_GONE ? 0 : -1;
	return 1;
}

static int
take(const struct http_reply *reply, struct buf *out, struct fail *f)
{
	struct span block;

	if (reply->body.len == 0)
		return fail_set(f, EX_PROTOCOL, "the answer is empty");
	if (span_parse(&block, reply->body.data, reply->body.len, f) == -1) {
		f->status = EX_PROTOCOL;
		return fail_in(f, "the answer is not JSON");
	}
	if (!span_is_object(&block))
		return fail_set(f, EX_PROTOCOL, "the answer is not an object");
	if (answer_check(reply, "the answer", f) == -1)
		return -1;
	/* It stands one level deeper in what completes the build. */
	if (span_depth(&block) >= SPAN_DEPTH)
		return fail_set(f, EX_PROTOCOL,
		    "the answer is nested too deep");
	if (buf_adds(out, "{\"attestation\":", f) == -1 ||
	    buf_add(out, block.at, block.len, f) == -1)
		return -1;
	return buf_adds(out, "}\n", f);
}

static int
none(void (*say)(const char *), const char *why, struct buf *out,
    struct fail *f)
{
	if (say != NULL)
		say(why);
	return buf_adds(out, "{}\n", f);
}

int
attest_ask(const struct attest *a, const char *rel_path, const char *uri,
    struct buf *out, struct fail *f)
{
	struct http_reply reply = HTTP_REPLY_INIT;
	struct buf body = BUF_INIT(BUF_SMALL_MAX);
	char line[120];
	int r;

	r = attest_body(&body, rel_path, rel_path == NULL ? uri : NULL, f);
	if (r == 0)
		r = ask(a, body.data, &reply, f);
	if (r == 0)
		r = none(a->doubt, "attest: the sandbox is gone, so there is "
		    "no receipt; a server that requires one will refuse the "
		    "image", out, f);
	else if (r == 1 && (reply.status == 404 || reply.status == 405)) {
		snprintf(line, sizeof(line), "attest: the server gives no "
		    "receipts (%ld), it is an older one", reply.status);
		r = none(a->note, line, out, f);
	} else if (r == 1 && reply.status / 100 != 2)
		r = http_refused(&reply, what, f);
	else if (r == 1) {
		if ((r = take(&reply, out, f)) == -1)
			fail_in(f, what);
		else if (a->note != NULL)
			a->note("attest: there is a receipt");
	} else
		fail_in(f, what);
	http_reply_free(&reply);
	buf_free(&body);
	return r;
}

int
attest_block(const struct span *doc, struct span *block, struct fail *f)
{
	int r;

	block->at = NULL;
	block->len = 0;
	if (!span_is_object(doc))
		return fail_set(f, EX_DATAERR,
		    "not a JSON object, expected an attested document");
	if ((r = span_get(doc, "attestation", block, f)) == -1)
		return -1;
	if (r == 0)
		block->at = NULL;
	else if (!span_is_object(block))
		return fail_set(f, EX_DATAERR, "attestation: not an object");
	return 0;
}
