#include <string.h>
#include <time.h>

#include "region/platform/api_impl.h"
#include "region/sign/url.h"

int
api_object(struct api *a, struct serve_request *r, const char *bucket,
    const char *key, uint64_t bytes, const char *etag)
{
	struct http_reply reply = HTTP_REPLY_INIT;
	struct http_request q = { .method = "HEAD", .timeout_ms = 30000,
	    .no_redirect = true };
	struct buf url = BUF_INIT(64UL << 10);
	struct http *h = NULL;
	struct fail f;
	int result = -1;

	if (sign_url(&url, a->reader, "HEAD", bucket, key, NULL, 0,
	    time(NULL), 60, &f) == -1) {
		api_refuse(r, &f);
		goto out;
	}
	q.url = url.data;
	if ((h = pool_take(a->pool, &f)) == NULL ||
	    http_do(h, &q, &reply, &f) == -1) {
		fail_in(&f, "object store");
		api_refuse(r, &f);
	} else if (reply.status == 404)
		serve_error(r, 400, "snapshot_missing",
		    "s3://%s/%s: no object is there", bucket, key);
	else if (reply.status / 100 != 2) {
		serve_log(r->serve, "object store: HEAD of s3://%s/%s: "
		    "refused (%ld)", bucket, key, reply.status);
		serve_error(r, reply.status >= 500 ||
		    reply.status == 429 ? 503 : 502,
		    "store_refused", "s3://%s/%s: the object store refuses to "
		    "tell whether it is there (%ld)", bucket, key,
		    reply.status);
	} else if (reply.length != bytes)
		serve_error(r, 400, "snapshot_size", "snapshotSizeBytes: %ju, "
		    "but the object has %ju bytes", (uintmax_t)bytes,
		    (uintmax_t)(reply.length == HTTP_LEN_UNKNOWN ? 0 :
		    reply.length));
	else if (etag != NULL && strcmp(reply.etag, etag) != 0)
		serve_error(r, 403, "attestation_refused", "attestation: the "
		    "object is another by now");
	else
		result = 0;
out:
	pool_give(a->pool, h);
	http_reply_free(&reply);
	buf_free(&url);
	return result;
}
