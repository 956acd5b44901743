#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "core/store.h"
#include "builder/upload/upload_impl.h"
#include "core/xml.h"

#define NONSENSE_TRIES	4	/* more of it will not become an answer */
#define ABORT_MS	5000	/* a caller has 15 s to clean up in all */

/* An exchange that a signal can end. */
static int
exchange(struct upload *u, const struct http_request *q, struct http_reply *r,
    bool always, struct fail *f)
{
	struct http_reply *done;
	int got;

	if (http_start(u->http, q, r, f) == -1)
		return -1;
	while ((got = http_wait(u->http, UPLOAD_TICK_MS, &done, f)) == 0)
		if (!always && upload_stopped(u, f) == -1)
			break;
	if (got != 1) {
		http_cancel(u->http, r);
		return -1;
	}
	if (r->fail.status != 0) {
		*f = r->fail;
		return -1;
	}
	return 0;
}

/* Every uploaded part is named: Ceph wants them all. */
static int
complete_body(struct upload *u, struct buf *b, struct fail *f)
{
	size_t k;

	if (buf_adds(b, "<CompleteMultipartUpload xmlns="
	    "\"http://s3.amazonaws.com/doc/2006-03-01/\">", f) == -1)
		return -1;
	for (k = 0; k < u->block.nparts; k++)
		if (buf_addf(b, f, "<Part><PartNumber>%zu</PartNumber><ETag>",
		    k + 1) == -1 || xml_add(b, u->parts[k].etag, f) == -1 ||
		    buf_adds(b, "</ETag></Part>", f) == -1)
			return -1;
	return buf_adds(b, "</CompleteMultipartUpload>", f);
}

/* Whether the answer says that the object is there. */
static int
completed(struct upload *u, const struct http_reply *r, struct fail *f)
{
	struct store_answer a;

	if (r->status / 100 != 2)
		return store_refused(r, "complete", f);
	if (store_parse(&a, r->body.len == 0 ? "" : r->body.data, r->body.len,
	    f) == -1)
		return fail_in(f, "complete");
	if (strcmp(a.root, "Error") == 0)
		return store_error(&a, r->status, "complete", f);
	if (strcmp(a.root, "CompleteMultipartUploadResult") != 0)
		return fail_set(f, EX_PROTOCOL,
		    "complete: the store answered <%s>", a.root);
	/* S3 always has an ETag here; Ceph sends an empty one. */
	memcpy(u->out->etag, a.etag, sizeof(a.etag));
	return 0;
}

/*
 * A completion may be asked for again: S3 sends its 200 before it knows how it
 * ends, and its documents say to try again where the body is no result; a
 * store that has completed it says so once more, or that there is no such
 * upload.  So half a result, or a page from something on the way, is tried
 * again like an answer that was lost.
 */
int
upload_complete(struct upload *u, struct fail *f)
{
	static const char *const type[] = { "Content-Type: application/xml",
	    NULL };
	struct buf body = BUF_INIT(BUF_DOC_MAX);
	struct http_reply reply = HTTP_REPLY_INIT;
	struct http_request req = { .method = "POST",
	    .url = u->block.complete.data, .headers = type,
	    .reply_max = UPLOAD_ANSWER_MAX, .stall_s = -1,
	    .timeout_ms = 600000 };
	bool lost = false;
	unsigned try, tries;
	int64_t ms;
	int r;

	if ((r = complete_body(u, &body, f)) == -1)
		goto out;
	req.body = body.data;
	req.body_len = body.len;
	for (try = 1;; try++) {
		if ((r = exchange(u, &req, &reply, false, f)) == -1)
			fail_in(f, "complete");
		else if ((r = completed(u, &reply, f)) == 0)
			break;
		/*
		 * Where an earlier try's answer was lost, "no such upload" may
		 * be its success: only a reader of the object can tell.
		 */
		if (lost && reply.status == 404) {
			fail_set(f, EX_TEMPFAIL, "complete: an answer was "
			    "lost, and now the store knows no such upload: "
			    "the object may be whole; to be sure, sign and "
			    "send it again");
			break;
		}
		tries = f->status == EX_TEMPFAIL ? u->opt->tries :
		    f->status != EX_PROTOCOL ? 0 :
		    u->opt->tries < NONSENSE_TRIES ? u->opt->tries :
		    NONSENSE_TRIES;
		lost = lost || (reply.sent && tries != 0);
		if (try >= tries || upload_stopped(u, f) == -1)
			break;
		ms = upload_pause_ms(&reply, try);
		if (u->opt->verbose)
			fprintf(stderr, "%s; again in %" PRId64 " ms\n",
			    f->msg, ms);
		if (upload_sleep_ms(u, ms, f) == -1)
			break;
	}
out:
	http_reply_free(&reply);
	buf_free(&body);
	return r;
}

int
upload_abort(struct upload *u, struct fail *f)
{
	struct http_reply reply = HTTP_REPLY_INIT;
	struct http_request req = { .method = "DELETE",
	    .url = u->block.abort.data, .reply_max = UPLOAD_ANSWER_MAX,
	    .timeout_ms = ABORT_MS };
	unsigned try;
	int r = -1;

	for (try = 1; r == -1 && try <= 2; try++) {
		r = exchange(u, &req, &reply, true, f);
		if (r == 0 && reply.status / 100 != 2 && reply.status != 404)
			r = store_refused(&reply, "abort", f);
	}
	http_reply_free(&reply);
	return r;
}
