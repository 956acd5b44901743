#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "core/http.h"
#include "region/sign/attest.h"
#include "region/sign/path.h"
#include "region/sign/url.h"

#define LOOK_MS		30000
#define LOOK_S		60	/* the URL's life */

static int
key_of_uri(const char *uri, const struct config *c, char **key,
    struct fail *f)
{
	char *bucket;
	int rc;

	if (sign_uri_split(uri, &bucket, key, f) == -1)
		return -1;
	rc = strcmp(bucket, c->bucket) == 0 ? 0 :
	    fail_set(f, EX_NOPERM, "uri: not in the bucket of this signer");
	free(bucket);
	if (rc == -1) {
		free(*key);
		*key = NULL;
	}
	return rc;
}

int
attest_parse(const struct span *request, const char *project,
    const struct config *c, char **key, struct fail *f)
{
	char *path = NULL, *uri = NULL;
	int rc = -1;

	*key = NULL;
	if (json_string(request, "rel_path", JSON_MAY, &path, f) == -1 ||
	    json_string(request, "uri", JSON_MAY, &uri, f) == -1)
		goto out;
	if ((path == NULL) == (uri == NULL))
		fail_set(f, EX_DATAERR, "not exactly one of rel_path and uri");
	else if (path != NULL) {
		*key = path;
		path = NULL;
		rc = sign_own_path(*key, project, f);
	} else if (key_of_uri(uri, c, key, f) == 0)
		rc = sign_own_path(*key, project, f);
	if (rc == -1) {
		free(*key);
		*key = NULL;
	}
out:
	free(path);
	free(uri);
	return rc;
}

static int
look(const struct config *c, const char *key, bool verbose,
    struct http_reply *reply, struct fail *f)
{
	struct http_request q = { .method = "HEAD", .timeout_ms = LOOK_MS,
	    .no_redirect = true };
	struct buf url = BUF_INIT(64UL << 10);
	struct http *h = NULL;
	uint32_t life;
	int rc = -1;

	/* Credentials that have ended are known without the store. */
	if (sign_expires(c, time(NULL), &life, f) == 0 &&
	    sign_url(&url, c, "HEAD", c->bucket, key, NULL, 0, time(NULL),
	    LOOK_S, f) == 0 && (h = http_new(f)) != NULL) {
		q.url = url.data;
		if (verbose)
			http_verbose(h);
		rc = http_do(h, &q, reply, f);
	}
	http_free(h);
	buf_free(&url);
	return rc;
}

static int
take(struct receipt *r, const struct config *c, const char *key,
    const struct http_reply *reply, struct fail *f)
{
	size_t n = strlen(c->bucket) + strlen(key) + sizeof("s3:///");

	if (reply->length == HTTP_LEN_UNKNOWN || reply->etag[0] == '\0')
		return fail_set(f, EX_PROTOCOL, "HEAD of s3://%s/%.200s: the "
		    "answer has no size or no ETag", c->bucket, key);
	r->bytes = reply->length;
	r->issued = time(NULL);
	if ((r->uri = malloc(n)) == NULL ||
	    (r->etag = strdup(reply->etag)) == NULL ||
	    (reply->modified[0] != '\0' &&
	    (r->modified = strdup(reply->modified)) == NULL))
		return fail_set(f, EX_OSERR, "out of memory");
	snprintf(r->uri, n, "s3://%s/%s", c->bucket, key);
	return 0;
}

int
attest_look(struct receipt *r, const struct config *c, const char *key,
    bool verbose, struct fail *f)
{
	struct http_reply reply = HTTP_REPLY_INIT;
	int rc = look(c, key, verbose, &reply, f);

	if (rc == 0 && reply.status == 404)
		rc = fail_set(f, EX_NOINPUT, "no object is at s3://%s/%.300s",
		    c->bucket, key);
	else if (rc == 0 && reply.status / 100 != 2)
		rc = http_refused(&reply, "HEAD of the object", f);
	else if (rc == 0)
		rc = take(r, c, key, &reply, f);
	http_reply_free(&reply);
	return rc;
}
