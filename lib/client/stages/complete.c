#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "client/cloud/answer.h"
#include "client/cloud/idempotency.h"
#include "client/stages/complete.h"
#include "core/json.h"

#define MAYBE	"the image may be registered: look it up, or complete again"
#define UNKNOWN_MEMBER	(-2)	/* post() alone */

int
complete_signed_uri(const struct prepared *p, const struct span *doc,
    char **uri, struct fail *f)
{
	struct span upload;
	int r;

	*uri = NULL;
	if (!span_is_object(doc))
		return fail_set(f, EX_DATAERR,
		    "not a JSON object, expected a signed document");
	if ((r = span_get(doc, "upload", &upload, f)) == -1)
		return -1;
	if (r == 0 && p->rel_path != NULL)
		return fail_set(f, EX_DATAERR, "no upload, though the "
		    "prepared build has a snapshotRelPath: documents of two "
		    "builds?");
	if (r == 1 && p->rel_path == NULL)
		return fail_set(f, EX_DATAERR, "an upload, though the "
		    "prepared build has no snapshotRelPath: documents of two "
		    "builds?");
	if (r == 0)
		return 0;
	if (!span_is_object(&upload))
		return fail_set(f, EX_DATAERR, "upload: not an object");
	if (json_string(&upload, "uri", JSON_MAY, uri, f) == -1)
		return fail_in(f, "upload");
	return 0;
}

/* A 2xx: bytes as they came, if they are JSON. */
static int
take(const struct http_reply *reply, struct buf *out, struct fail *f)
{
	struct span value;

	if (reply->body.len == 0)
		return fail_set(f, EX_PROTOCOL, "complete: the answer (%ld) "
		    "is empty; " MAYBE, reply->status);
	if (span_parse(&value, reply->body.data, reply->body.len, f) == -1)
		return fail_set(f, EX_PROTOCOL, "complete: the answer (%ld) "
		    "is not JSON; " MAYBE, reply->status);
	if (answer_check(reply, "complete", f) == -1)
		return -1;
	return buf_add(out, reply->body.data, reply->body.len, f);
}

static int
post(const struct completion *c, const char *build_id,
    struct http *http, const struct cloud *cloud, struct ledger *ledger,
    struct patience *patience, void (*note)(const char *), struct buf *out,
    struct fail *f)
{
	struct retry again = { .what = "complete", .note = note,
	    .patience = patience };
	struct buf url = BUF_INIT(BUF_SMALL_MAX);
	struct buf rest = BUF_INIT(BUF_SMALL_MAX);
	struct buf body = BUF_INIT(BUF_SMALL_MAX);
	struct http_reply reply = HTTP_REPLY_INIT;
	struct http_request request = { .method = "POST", .fresh = true };
	char key[IDEMPOTENCY_HEADER];
	const char *const extra[] = { key, NULL };
	struct cloud_headers head;
	struct fail past;	/* of notes on what is over: not worth one */
	char why[sizeof(f->msg)];
	int r = -1;

	if (completion_body(c, &body, f) == -1 ||
	    buf_addf(&rest, f, "sandbox-template-builds/%s/complete",
	    build_id) == -1 ||
	    cloud_platform_url(cloud, &url, rest.data, f) == -1 ||
	    ledger_intent(ledger, LEDGER_TEMPLATE, build_id, cloud, NULL,
	    f) == -1)
		goto out;
	idempotency_of(key, build_id, body.data, body.len);
	request.url = url.data;
	request.bearer = cloud->token;
	request.json = body.data;
	do {
		if ((r = cloud_headers(cloud, &head, extra, f)) == -1)
			goto out;
		request.headers = head.list;
		r = retry_exchange(&again, http, &request, &reply, f);
		cloud_headers_free(&head);
	} while (retry_again(&again, r, &reply, f));
	if (r == 0 && reply.status / 100 == 2) {
		if ((r = take(&reply, out, f)) == 0)
			ledger_made(ledger, LEDGER_TEMPLATE, build_id,
			    build_id, &past);
		goto out;
	}
	if (r == -1)
		fail_in(f, "complete");
	else
		r = http_refused(&reply, "complete", f);
	if (again.maybe) {
		memcpy(why, f->msg, sizeof(why));
		fail_set(f, f->status, "%.300s; " MAYBE, why);
	} else if (reply.status < 500)
		ledger_none(ledger, LEDGER_TEMPLATE, build_id, &past);
	/* Members of our own may be what it does not take. */
	if ((c->sha256 != NULL || c->attestation.at != NULL) && !again.maybe && (reply.status == 400 ||
	    reply.status == 422))
		r = UNKNOWN_MEMBER;
out:
	http_reply_free(&reply);
	buf_free(&body);
	buf_free(&rest);
	buf_free(&url);
	return r;
}

int
complete_post(const struct completion *c, const char *build_id,
    struct http *http, const struct cloud *cloud, struct ledger *ledger,
    struct patience *patience, void (*note)(const char *), struct buf *out,
    struct fail *f)
{
	struct completion plain = *c;
	struct fail first;
	int r;

	r = post(c, build_id, http, cloud, ledger, patience, note, out, f);
	if (r != UNKNOWN_MEMBER)
		return r;
	if (note != NULL)
		note(c->attestation.at == NULL ?
		    "complete: refused; again without snapshotSha256" :
		    "complete: refused; again without members of our own");
	plain.sha256 = NULL;
	plain.attestation.at = NULL;
	first = *f;
	r = post(&plain, build_id, http, cloud, ledger, patience, note, out,
	    f);
	/* Without them it may be refused for that: what was wrong came first. */
	if (r != 0 && (f->status == EX_UNAVAILABLE || f->status == EX_NOPERM))
		*f = first;
	return r == UNKNOWN_MEMBER ? -1 : r;
}
