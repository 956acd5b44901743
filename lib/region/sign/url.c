#include <string.h>
#include <sysexits.h>

#include "region/sign/url.h"

/* An origin or a path: the longest key has 1,024 bytes. */
#define URL_MAX		(64UL << 10)

/* Where an object is asked for: the bucket in the path or in the host. */
static int
address(struct buf *origin, struct buf *path, const struct config *c,
    const char *bucket, const char *key, struct fail *f)
{
	const char *host = strstr(c->endpoint, "://") + 3;

	if (c->virtual_host)
		return buf_addf(origin, f, "%.*s%s.%s",
		    (int)(host - c->endpoint), c->endpoint, bucket,
		    host) == -1 || buf_addf(path, f, "/%s", key) == -1 ?
		    -1 : 0;
	return buf_adds(origin, c->endpoint, f) == -1 ||
	    buf_addf(path, f, "/%s/%s", bucket, key) == -1 ? -1 : 0;
}

/* One URL onto a buf, or a series. */
static int
presign(struct buf *b, struct sigv4_series *series, const struct config *c,
    const char *method, const char *bucket, const char *key,
    const struct sigv4_param *params, size_t nparams, time_t now,
    uint32_t expires_s, struct fail *f)
{
	struct buf origin = BUF_INIT(URL_MAX), path = BUF_INIT(URL_MAX);
	const struct sigv4_credentials cred = {
		.access_key = c->access_key,
		.secret_key = c->secret_key,
		.session_token = c->session_token,
		.region = c->region,
	};
	struct sigv4_request r = {
		.method = method,
		.params = params,
		.nparams = nparams,
		.when = now,
		.expires_s = expires_s,
	};
	int rc = address(&origin, &path, c, bucket, key, f);

	r.origin = origin.data;
	r.path = path.data;
	if (rc == 0)
		rc = series == NULL ? sigv4_presign(&cred, &r, b, f) :
		    sigv4_series(series, &cred, &r, f);
	buf_free(&origin);
	buf_free(&path);
	return rc;
}

int
sign_url(struct buf *b, const struct config *c, const char *method,
    const char *bucket, const char *key, const struct sigv4_param *params,
    size_t nparams, time_t now, uint32_t expires_s, struct fail *f)
{
	return presign(b, NULL, c, method, bucket, key, params, nparams, now,
	    expires_s, f);
}

int
sign_url_series(struct sigv4_series *s, const struct config *c,
    const char *method, const char *bucket, const char *key,
    const struct sigv4_param *params, size_t nparams, time_t now,
    uint32_t expires_s, struct fail *f)
{
	return presign(NULL, s, c, method, bucket, key, params, nparams, now,
	    expires_s, f);
}

int
sign_expires(const struct config *c, time_t now, uint32_t *expires_s,
    struct fail *f)
{
	time_t left;

	*expires_s = c->expires_s;
	if (c->credentials_expire == 0)
		return 0;
	left = c->credentials_expire - now;
	if (left <= 0)
		return fail_set(f, EX_CONFIG,
		    "the signing credentials have ended; renew them");
	if (left < (time_t)*expires_s)
		*expires_s = (uint32_t)left;
	return 0;
}
