#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "region/multipart.h"
#include "region/sign.h"

/* A store that does not answer must not keep a build waiting for ever. */
#define TIMEOUT_MS	60000
/* Enough for this request and a clock that is off. */
#define LIFE_S		900

/* The text between <NAME> and </NAME>, as it is: ids need no entities. */
static int
element(const char *xml, const char *name, struct buf *out, struct fail *f)
{
	char open[64];
	const char *p, *end;

	snprintf(open, sizeof(open), "<%s>", name);
	if ((p = strstr(xml, open)) == NULL)
		return 0;
	p += strlen(open);
	if ((end = strchr(p, '<')) == NULL || end == p)
		return 0;
	return buf_add(out, p, (size_t)(end - p), f) == -1 ? -1 : 1;
}

/* S3's errors are XML: <Error><Code>NoSuchBucket</Code>... */
static int
refused(const struct http_reply *r, const char *what, struct fail *f)
{
	struct buf code = BUF_INIT(256);
	char shown[100];
	struct fail ignored;

	http_refused(r, what, f);
	if (r->body.len > 0 &&
	    element(r->body.data, "Code", &code, &ignored) == 1)
		fail_set(f, f->status, "%s: the store refused (%ld): %s",
		    what, r->status, fail_show(shown, sizeof(shown),
		    code.data, 80));
	buf_free(&code);
	return -1;
}

static int
exchange(struct http *h, const struct config *c, const char *method,
    const char *key, const struct sigv4_param *param,
    struct http_reply *reply, struct fail *f)
{
	struct buf url = BUF_INIT(64UL << 10);
	time_t now = time(NULL);
	struct http_request q = {
		.method = method,
		.timeout_ms = TIMEOUT_MS,
		.no_redirect = true,	/* a signature is for one host */
	};
	uint32_t life;
	int rc = -1;

	if (sign_life(c, now, &life, f) == -1 ||
	    sign_url(&url, c, method, c->bucket, key, param, 1, now,
	    life < LIFE_S ? life : LIFE_S, f) == -1)
		goto out;
	q.url = url.data;
	rc = http_do(h, &q, reply, f);
out:
	buf_free(&url);
	return rc;
}

int
multipart_create(struct http *h, const struct config *c, const char *key,
    struct buf *id, struct fail *f)
{
	const struct sigv4_param uploads = { "uploads", "" };
	struct http_reply reply = HTTP_REPLY_INIT;
	int rc = exchange(h, c, "POST", key, &uploads, &reply, f);

	if (rc == 0) {
		if (reply.status / 100 != 2)
			rc = refused(&reply, "multipart upload", f);
		else if (reply.body.len == 0 || (rc = element(reply.body.data,
		    "UploadId", id, f)) == 0)
			rc = fail_set(f, EX_PROTOCOL,
			    "multipart upload: no UploadId in the answer");
	}
	http_reply_free(&reply);
	return rc == -1 ? -1 : 0;
}

int
multipart_abort(struct http *h, const struct config *c, const char *key,
    const char *id, struct fail *f)
{
	const struct sigv4_param upload = { "uploadId", id };
	struct http_reply reply = HTTP_REPLY_INIT;
	int rc = exchange(h, c, "DELETE", key, &upload, &reply, f);

	if (rc == 0 && reply.status / 100 != 2 && reply.status != 404)
		rc = refused(&reply, "abort", f);
	http_reply_free(&reply);
	return rc;
}
