#include <stdio.h>
#include <sysexits.h>

#include "core/json.h"
#include "region/sandbox/blob.h"
#include "region/serve/id.h"
#include "region/sign/dataplane.h"

/* It is asked on a socket, so any name will do. */
#define ORIGIN		"http://dataplane"
#define SIGN_MS		60000
/* The dataplane answers within six seconds, see there. */
#define RELEASE_MS	8000

static int
ask(const char *socket, const char *url, const char *id, const char *json,
    long timeout_ms, struct http_reply *reply, struct fail *f)
{
	char header[sizeof(DATAPLANE_SANDBOX ": ") + ID_MAX];
	const char *headers[] = { header, NULL };
	struct http_request q = {
		.method = "POST",
		.url = url,
		.unix_path = socket,
		.headers = headers,
		.json = json,
		.reply_max = BUF_DOC_MAX,
		.timeout_ms = timeout_ms,
		.no_redirect = true,
	};
	struct http *h = http_new(f);
	int rc;

	if (h == NULL)
		return -1;
	snprintf(header, sizeof(header), DATAPLANE_SANDBOX ": %s", id);
	rc = http_do(h, &q, reply, f);
	http_free(h);
	return rc;
}

int
blob_sign(const char *socket, const char *id, const char *json,
    struct http_reply *reply, struct fail *f)
{
	return ask(socket, ORIGIN DATAPLANE_SIGN, id, json,
	    SIGN_MS, reply, f);
}

int
blob_attest(const char *socket, const char *id, const char *json,
    struct http_reply *reply, struct fail *f)
{
	return ask(socket, ORIGIN DATAPLANE_ATTEST, id, json,
	    SIGN_MS, reply, f);
}

static int
read_answer(const struct http_reply *reply, uint64_t *n, struct fail *f)
{
	struct span doc;

	if (reply->status / 100 != 2)
		return http_refused(reply, "the dataplane", f);
	if (reply->body.len == 0 ||
	    span_parse(&doc, reply->body.data, reply->body.len, f) == -1 ||
	    json_u64(&doc, "released", JSON_NEED, n, f) == -1)
		return fail_set(f, EX_PROTOCOL,
		    "the dataplane: its answer is not valid");
	return 0;
}

int
blob_release(const char *socket, const char *id, const char *key, uint64_t *n,
    struct fail *f)
{
	struct buf body = BUF_INIT(BUF_SMALL_MAX);
	struct jout j = JOUT_INIT(&body);
	struct http_reply reply = HTTP_REPLY_INIT;
	int rc;

	jout_object(&j);
	jout_member(&j, "rel_path", key);
	jout_close(&j);
	rc = jout_end(&j, f);
	if (rc == 0 && socket == NULL)
		rc = fail_set(f, EX_TEMPFAIL, "there is no dataplane");
	if (rc == 0)
		rc = ask(socket, ORIGIN DATAPLANE_RELEASE, id,
		    body.data, RELEASE_MS, &reply, f);
	if (rc == 0)
		rc = read_answer(&reply, n, f);
	http_reply_free(&reply);
	buf_free(&body);
	return rc;
}
