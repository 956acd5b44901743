#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "core/date.h"
#include "core/span.h"
#include "region/serve/id.h"
#include "region/sign/sign.h"

/* A URL of the longest key, escaped, with a long session token. */
#define URL_MAX		(64UL << 10)
#define PIECE		(64UL << 10)
/* An S3 upload id has up to 200 bytes or so; others are not much longer. */
#define UPLOAD_ID_MAX	1024

int
sign_path_check(const char *path, struct fail *f)
{
	const char *p = path;
	size_t i, n, len = strlen(path);

	if (len == 0)
		return fail_set(f, EX_DATAERR, "path: empty");
	if (len > SIGN_PATH_MAX)
		return fail_set(f, EX_DATAERR, "path: more than %d bytes",
		    SIGN_PATH_MAX);
	for (i = 0; i < len; i++) {
		unsigned char c = (unsigned char)path[i];

		if (c < 0x20 || c == 0x7f)
			return fail_set(f, EX_DATAERR,
			    "path: a control byte");
		if (c == '\\' || c == '%')
			return fail_set(f, EX_DATAERR, "path: a '%c'", c);
	}
	for (;;) {
		n = strcspn(p, "/");
		if (n == 0)
			return fail_set(f, EX_DATAERR,
			    "path: an empty segment");
		if ((n == 1 && p[0] == '.') ||
		    (n == 2 && p[0] == '.' && p[1] == '.'))
			return fail_set(f, EX_DATAERR,
			    "path: a segment \"%.*s\"", (int)n, p);
		p += n;
		if (*p++ == '\0')
			return 0;
	}
}

static bool
below(const char *key, const char *prefix)
{
	size_t n = strlen(prefix);

	return n == 0 || (strncmp(key, prefix, n) == 0 &&
	    (key[n] == '/' || key[n] == '\0'));
}

bool
sign_readable(const struct config *c, const char *bucket, const char *key)
{
	size_t i;

	if (strcmp(bucket, c->bucket) == 0)
		return true;
	for (i = 0; i < c->norigins; i++)
		if (strcmp(bucket, c->origins[i].bucket) == 0 &&
		    below(key, c->origins[i].prefix))
			return true;
	return false;
}

int
sign_uri_split(const char *uri, char **bucket, char **key, struct fail *f)
{
	const char *slash;

	if (strncmp(uri, "s3://", 5) != 0)
		return fail_set(f, EX_DATAERR, "uri: not s3://BUCKET/KEY");
	uri += 5;
	slash = strchr(uri, '/');
	if (slash == NULL || slash == uri || slash[1] == '\0')
		return fail_set(f, EX_DATAERR, "uri: not s3://BUCKET/KEY");
	*bucket = strndup(uri, (size_t)(slash - uri));
	*key = strdup(slash + 1);
	if (*bucket == NULL || *key == NULL) {
		free(*bucket);
		free(*key);
		*bucket = *key = NULL;
		return fail_set(f, EX_OSERR, "out of memory");
	}
	return 0;
}

int
sign_own_path(const char *path, const char *project, struct fail *f)
{
	char prefix[128];

	if (!id_ok(project, strlen(project)))
		return fail_set(f, EX_USAGE, "project: not an id");
	if (sign_path_check(path, f) == -1)
		return fail_in(f, "rel_path");
	snprintf(prefix, sizeof(prefix),
	    "projects/%s/sandbox-template-builds/", project);
	if (strncmp(path, prefix, strlen(prefix)) != 0)
		return fail_set(f, EX_NOPERM,
		    "rel_path: not below %s", prefix);
	return 0;
}

/* The caller's own artifact, to write or to read. */
static int
set_artifact(struct sign_request *r, const char *path, const char *project,
    const struct config *c, struct fail *f)
{
	if (sign_own_path(path, project, f) == -1)
		return -1;
	r->bucket = strdup(c->bucket);
	r->key = strdup(path);
	if (r->bucket == NULL || r->key == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	return 0;
}

static int
set_parts(struct sign_request *r, uint64_t parts, uint64_t bytes,
    struct fail *f)
{
	if (parts < 1 || parts > SIGN_PARTS_MAX)
		return fail_set(f, EX_DATAERR,
		    "op: number of parts not from 1 to %d", SIGN_PARTS_MAX);
	if (bytes < SIGN_PART_MIN || bytes > SIGN_PART_MAX)
		return fail_set(f, EX_DATAERR,
		    "op: part_size_bytes not from %llu to %llu",
		    SIGN_PART_MIN, SIGN_PART_MAX);
	r->parts = (uint32_t)parts;
	r->part_bytes = bytes;
	return 0;
}

int
sign_upload(struct sign_request *r, const char *rel_path,
    const char *project, uint32_t parts, uint64_t part_bytes,
    const struct config *c, struct fail *f)
{
	memset(r, 0, sizeof(*r));
	r->kind = SIGN_MULTIPART_PUT;
	if (set_parts(r, parts, part_bytes, f) == -1 ||
	    set_artifact(r, rel_path, project, c, f) == -1) {
		sign_request_free(r);
		return -1;
	}
	return 0;
}

static int
set_blob(struct sign_request *r, const char *uri, const struct config *c,
    struct fail *f)
{
	if (strstr(uri, "://") != NULL && strncmp(uri, "s3://", 5) != 0)
		return fail_set(f, EX_NOPERM,
		    "uri: its scheme is not s3, outside what may be read");
	if (sign_uri_split(uri, &r->bucket, &r->key, f) == -1)
		return -1;
	if (sign_path_check(r->key, f) == -1)
		return fail_in(f, "uri");
	if (!sign_readable(c, r->bucket, r->key))
		return fail_set(f, EX_NOPERM,
		    "uri: outside the origins that may be read");
	return 0;
}

int
sign_download(struct sign_request *r, const char *uri,
    const struct config *c, struct fail *f)
{
	memset(r, 0, sizeof(*r));
	r->kind = SIGN_SINGLE_GET;
	if (set_blob(r, uri, c, f) == -1) {
		sign_request_free(r);
		return -1;
	}
	return 0;
}

/* Reading the request: small, so that nothing but lib/core/span is needed. */

enum want { MAY, NEED };

/* 1 there and not null, 0 not, -1. */
static int
member(const struct span *obj, const char *name, enum want want,
    struct span *v, struct fail *f)
{
	int rc = span_get(obj, name, v, f);

	if (rc == 1 && span_is_null(v))
		rc = 0;
	if (rc == 0 && want == NEED)
		return fail_set(f, EX_DATAERR, "%s: missing", name);
	return rc;
}

static int
string_member(const struct span *obj, const char *name, struct buf *out,
    struct fail *f)
{
	struct span v;

	if (member(obj, name, NEED, &v, f) == -1)
		return -1;
	if (!span_is_string(&v))
		return fail_set(f, EX_DATAERR, "%s: not a string", name);
	if (span_string(&v, out, f) == -1)
		return fail_in(f, name);
	if (strlen(out->data) != out->len)
		return fail_set(f, EX_DATAERR, "%s: a control byte", name);
	return 0;
}

/* Plain digits; what does not fit in 64 bits is as large as can be. */
static int
number_member(const struct span *obj, const char *name, enum want want,
    uint64_t *out, struct fail *f)
{
	uint64_t n = 0;
	struct span v;
	size_t i;
	int rc;

	if ((rc = member(obj, name, want, &v, f)) != 1)
		return rc;
	for (i = 0; i < v.len; i++) {
		if (v.at[i] < '0' || v.at[i] > '9')
			return fail_set(f, EX_DATAERR,
			    "%s: not a whole number", name);
		n = n > UINT64_MAX / 10 - 1 ? UINT64_MAX :
		    n * 10 + (uint64_t)(v.at[i] - '0');
	}
	*out = n;
	return 1;
}

static int
object_member(const struct span *obj, const char *name, enum want want,
    struct span *v, struct fail *f)
{
	int rc = member(obj, name, want, v, f);

	if (rc == 1 && !span_is_object(v))
		return fail_set(f, EX_DATAERR, "%s: not an object", name);
	return rc;
}

/* A member that belongs to the other dialect or kind. */
static int
refuse(const struct span *obj, const char *name, const char *why,
    struct fail *f)
{
	struct span v;
	int rc = span_get(obj, name, &v, f);

	if (rc == 1)
		return fail_set(f, EX_DATAERR, "%s: %s", name, why);
	return rc;
}

static const char mixed[] = "two dialects in one request";

static int
parse_seed(struct sign_request *r, const struct span *root,
    const struct span *op, const char *project, const struct config *c,
    struct fail *f)
{
	struct buf kind = BUF_INIT(64), path = BUF_INIT(SIGN_REQUEST_MAX);
	struct span v;
	uint64_t parts = 0, bytes = 0;
	int rel, uri, rc = -1;

	if (refuse(op, "multipart_hint", mixed, f) == -1 ||
	    (rel = member(root, "rel_path", MAY, &v, f)) == -1 ||
	    (uri = member(root, "uri", MAY, &v, f)) == -1 ||
	    string_member(op, "kind", &kind, f) == -1)
		goto out;
	if (rel + uri != 1) {
		fail_set(f, EX_DATAERR, rel + uri == 0 ?
		    "neither rel_path nor uri" : "both rel_path and uri");
		goto out;
	}
	if (strcmp(kind.data, "multipart_put") == 0) {
		r->kind = SIGN_MULTIPART_PUT;
		if (number_member(op, "parts", NEED, &parts, f) == -1 ||
		    number_member(op, "part_size_bytes", NEED, &bytes,
		    f) == -1 || set_parts(r, parts, bytes, f) == -1)
			goto out;
	} else if (strcmp(kind.data, "single_put") == 0) {
		r->kind = SIGN_SINGLE_PUT;
	} else if (strcmp(kind.data, "single_get") == 0) {
		r->kind = SIGN_SINGLE_GET;
	} else {
		fail_set(f, EX_DATAERR, "op.kind: not multipart_put, "
		    "single_put or single_get");
		goto out;
	}
	if (uri && r->kind != SIGN_SINGLE_GET) {
		fail_set(f, EX_DATAERR, "uri: for reading only");
		goto out;
	}
	if (string_member(root, uri ? "uri" : "rel_path", &path, f) == -1)
		goto out;
	rc = uri ? set_blob(r, path.data, c, f) :
	    set_artifact(r, path.data, project, c, f);
out:
	buf_free(&kind);
	buf_free(&path);
	return rc;
}

static int
parse_hint(struct sign_request *r, const struct span *op, struct fail *f)
{
	uint64_t parts = SIGN_PARTS_MAX, bytes = SIGN_PART_DEFAULT;
	struct span hint;
	int rc;

	if ((rc = object_member(op, "multipart_hint", MAY, &hint, f)) == -1)
		return -1;
	if (rc == 1 &&
	    (number_member(&hint, "max_parts", MAY, &parts, f) == -1 ||
	    number_member(&hint, "part_size_bytes", MAY, &bytes, f) == -1))
		return -1;
	return set_parts(r, parts, bytes, f);
}

static int
parse_merged(struct sign_request *r, const struct span *root,
    const struct span *target, const struct span *op, const char *project,
    const struct config *c, struct fail *f)
{
	struct buf kind = BUF_INIT(64), what = BUF_INIT(64);
	struct buf path = BUF_INIT(SIGN_REQUEST_MAX);
	int rc = -1;

	if (refuse(root, "rel_path", mixed, f) == -1 ||
	    refuse(root, "uri", mixed, f) == -1 ||
	    refuse(op, "parts", mixed, f) == -1 ||
	    refuse(op, "part_size_bytes", mixed, f) == -1 ||
	    string_member(target, "kind", &what, f) == -1 ||
	    string_member(op, "kind", &kind, f) == -1)
		goto out;
	if (strcmp(what.data, "artifact") == 0) {
		r->kind = SIGN_MULTIPART_PUT;
		if (strcmp(kind.data, "put_artifact") != 0) {
			fail_set(f, EX_DATAERR,
			    "op.kind: not put_artifact, for an artifact");
			goto out;
		}
		if (refuse(target, "uri", "not for an artifact", f) == -1 ||
		    string_member(target, "rel_path", &path, f) == -1 ||
		    parse_hint(r, op, f) == -1)
			goto out;
		rc = set_artifact(r, path.data, project, c, f);
	} else if (strcmp(what.data, "blob") == 0) {
		r->kind = SIGN_SINGLE_GET;
		if (strcmp(kind.data, "get_blob") != 0) {
			fail_set(f, EX_DATAERR,
			    "op.kind: not get_blob, for a blob");
			goto out;
		}
		if (refuse(target, "rel_path", "not for a blob", f) == -1 ||
		    string_member(target, "uri", &path, f) == -1)
			goto out;
		rc = set_blob(r, path.data, c, f);
	} else {
		fail_set(f, EX_DATAERR,
		    "target.kind: neither artifact nor blob");
	}
out:
	buf_free(&kind);
	buf_free(&what);
	buf_free(&path);
	return rc;
}

int
sign_parse(struct sign_request *r, const char *text, size_t len,
    const char *project, const struct config *c, struct fail *f)
{
	struct span root, target, op;
	int merged, rc = -1;

	memset(r, 0, sizeof(*r));
	if (len > SIGN_REQUEST_MAX)
		return fail_set(f, EX_DATAERR,
		    "request: more than %lu bytes", SIGN_REQUEST_MAX);
	if (span_parse(&root, text, len, f) == -1)
		return fail_in(f, "request");
	if (!span_is_object(&root))
		return fail_set(f, EX_DATAERR, "request: not an object");
	if (object_member(&root, "op", NEED, &op, f) == 1 &&
	    (merged = span_get(&root, "target", &target, f)) != -1) {
		if (!merged)
			rc = parse_seed(r, &root, &op, project, c, f);
		else if (!span_is_object(&target))
			fail_set(f, EX_DATAERR, "target: not an object");
		else
			rc = parse_merged(r, &root, &target, &op, project, c,
			    f);
	}
	if (rc == -1) {
		sign_request_free(r);
		return fail_in(f, "request");
	}
	return 0;
}

int
sign_opens(const char *text, size_t len, const char *project,
    struct buf *key, struct fail *f)
{
	/* A bucket without a name holds nothing that may be read. */
	char none[] = "";
	const struct config c = { .bucket = none };
	struct sign_request r;
	int rc;

	if (sign_parse(&r, text, len, project, &c, f) == -1)
		return f->status == EX_OSERR ? -1 : 0;
	rc = r.kind != SIGN_MULTIPART_PUT ? 0 :
	    buf_adds(key, r.key, f) == -1 ? -1 : 1;
	sign_request_free(&r);
	return rc;
}

void
sign_request_free(struct sign_request *r)
{
	free(r->bucket);
	free(r->key);
	r->bucket = r->key = NULL;
}

int
sign_life(const struct config *c, time_t now, uint32_t *expires_s,
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

/* What of a URL is the same for each operation on one object. */
struct object {
	struct buf	origin;
	struct buf	path;
};

#define OBJECT_INIT	{ BUF_INIT(URL_MAX), BUF_INIT(URL_MAX) }

static void
object_free(struct object *o)
{
	buf_free(&o->origin);
	buf_free(&o->path);
}

static int
object_at(struct object *o, const struct config *c, const char *bucket,
    const char *key, struct fail *f)
{
	const char *host = strstr(c->endpoint, "://") + 3;

	if (c->virtual_host)
		return buf_addf(&o->origin, f, "%.*s%s.%s",
		    (int)(host - c->endpoint), c->endpoint, bucket,
		    host) == -1 || buf_addf(&o->path, f, "/%s", key) == -1 ?
		    -1 : 0;
	return buf_adds(&o->origin, c->endpoint, f) == -1 ||
	    buf_addf(&o->path, f, "/%s/%s", bucket, key) == -1 ? -1 : 0;
}

static struct sigv4_credentials
credentials(const struct config *c)
{
	return (struct sigv4_credentials){
		.access_key = c->access_key,
		.secret_key = c->secret_key,
		.session_token = c->session_token,
		.region = c->region,
	};
}

static int
object_url(struct buf *b, const struct object *o, const struct config *c,
    const char *method, const struct sigv4_param *params, size_t nparams,
    time_t now, uint32_t expires_s, struct fail *f)
{
	struct sigv4_credentials cred = credentials(c);
	struct sigv4_request r = {
		.method = method,
		.origin = o->origin.data,
		.path = o->path.data,
		.params = params,
		.nparams = nparams,
		.when = now,
		.expires_s = expires_s,
	};

	return sigv4_presign(&cred, &r, b, f);
}

int
sign_url(struct buf *b, const struct config *c, const char *method,
    const char *bucket, const char *key, const struct sigv4_param *params,
    size_t nparams, time_t now, uint32_t expires_s, struct fail *f)
{
	struct object o = OBJECT_INIT;
	int rc = object_at(&o, c, bucket, key, f);

	if (rc == 0)
		rc = object_url(b, &o, c, method, params, nparams, now,
		    expires_s, f);
	object_free(&o);
	return rc;
}

/* A path or an id in JSON: neither has control bytes. */
static int
quoted(struct buf *b, const char *s, struct fail *f)
{
	if (buf_add(b, "\"", 1, f) == -1)
		return -1;
	for (; *s != '\0'; s++)
		if (((*s == '"' || *s == '\\') &&
		    buf_add(b, "\\", 1, f) == -1) || buf_add(b, s, 1, f) == -1)
			return -1;
	return buf_add(b, "\"", 1, f);
}

static int
quoted_uri(struct buf *b, const struct sign_request *r, struct fail *f)
{
	struct buf uri = BUF_INIT(URL_MAX);
	int rc = buf_addf(&uri, f, "s3://%s/%s", r->bucket, r->key);

	if (rc == 0)
		rc = quoted(b, uri.data, f);
	buf_free(&uri);
	return rc;
}

static int
upload_id_check(const char *id, struct fail *f)
{
	const char *p;

	if (id == NULL || *id == '\0')
		return fail_set(f, EX_DATAERR, "upload id: empty");
	if (strlen(id) > UPLOAD_ID_MAX)
		return fail_set(f, EX_DATAERR, "upload id: more than %d bytes",
		    UPLOAD_ID_MAX);
	for (p = id; *p != '\0'; p++)
		if (*p <= ' ' || *p > '~')
			return fail_set(f, EX_DATAERR,
			    "upload id: not printable ASCII");
	return 0;
}

/* URLs are plain ASCII without quotes or backslashes: JSON as they are. */
static int
begin_multipart(struct sign_block *s, const struct sign_request *r,
    const struct object *o, const struct config *c, const char *id,
    time_t now, uint32_t life, const char *end, struct fail *f)
{
	/* botocore's order, which the URL keeps. */
	const struct sigv4_param part[] = {
		{ "uploadId", id },
		{ "partNumber", SIGV4_NUMBER },
	};
	struct sigv4_credentials cred = credentials(c);
	struct sigv4_request put = {
		.method = "PUT",
		.origin = o->origin.data,
		.path = o->path.data,
		.params = part,
		.nparams = 2,
		.when = now,
		.expires_s = life,
	};

	if (upload_id_check(id, f) == -1 ||
	    sigv4_series(&s->series, &cred, &put, f) == -1)
		return -1;
	s->parts = r->parts;
	if (buf_adds(&s->piece, "{\"kind\":\"s3_multipart\",\"uri\":",
	    f) == -1 ||
	    quoted_uri(&s->piece, r, f) == -1 ||
	    buf_adds(&s->piece, ",\"uploadId\":", f) == -1 ||
	    quoted(&s->piece, id, f) == -1 ||
	    buf_addf(&s->piece, f, ",\"partSizeBytes\":%ju,\"partUrls\":[",
	    (uintmax_t)r->part_bytes) == -1)
		return -1;
	if (buf_adds(&s->tail, "],\"completeUrl\":\"", f) == -1 ||
	    object_url(&s->tail, o, c, "POST", part, 1, now, life, f) == -1 ||
	    buf_adds(&s->tail, "\",\"abortUrl\":\"", f) == -1 ||
	    object_url(&s->tail, o, c, "DELETE", part, 1, now, life,
	    f) == -1 ||
	    buf_addf(&s->tail, f, "\",\"expiresAt\":\"%s\"}\n", end) == -1)
		return -1;
	/* From here on nothing grows, so nothing can fail. */
	return buf_room(&s->piece, PIECE + s->series.url_max + 3 +
	    s->tail.len, f);
}

static int
begin_single(struct sign_block *s, const struct sign_request *r,
    const struct object *o, const struct config *c, time_t now,
    uint32_t life, const char *end, struct fail *f)
{
	const char *method = r->kind == SIGN_SINGLE_PUT ? "PUT" : "GET";

	if (buf_addf(&s->piece, f, "{\"kind\":\"%s\",",
	    r->kind == SIGN_SINGLE_PUT ? "single_put" : "single_get") == -1)
		return -1;
	/* An upload says where the object will be, as a multipart one does. */
	if (r->kind == SIGN_SINGLE_PUT &&
	    (buf_adds(&s->piece, "\"uri\":", f) == -1 ||
	    quoted_uri(&s->piece, r, f) == -1 ||
	    buf_adds(&s->piece, ",", f) == -1))
		return -1;
	if (buf_addf(&s->piece, f, "\"method\":\"%s\",\"url\":\"",
	    method) == -1 ||
	    object_url(&s->piece, o, c, method, NULL, 0, now, life, f) == -1)
		return -1;
	return buf_addf(&s->piece, f,
	    "\",\"headers\":{},\"expiresAt\":\"%s\"}\n", end);
}

int
sign_begin(struct sign_block *s, const struct sign_request *r,
    const struct config *c, const char *upload_id, time_t now,
    struct fail *f)
{
	char end[DATE_TEXT];
	struct object o = OBJECT_INIT;
	uint32_t life;
	int rc = -1;

	memset(s, 0, sizeof(*s));
	s->piece.max = s->tail.max = 4 * URL_MAX;
	if (sign_life(c, now, &life, f) == -1 ||
	    object_at(&o, c, r->bucket, r->key, f) == -1)
		goto out;
	date_text(end, now + (time_t)life);
	rc = r->kind == SIGN_MULTIPART_PUT ?
	    begin_multipart(s, r, &o, c, upload_id, now, life, end, f) :
	    begin_single(s, r, &o, c, now, life, end, f);
out:
	object_free(&o);
	if (rc == -1)
		sign_end(s);
	return rc;
}

size_t
sign_next(struct sign_block *s, const char **out)
{
	char *p;

	*out = s->piece.data;
	if (s->ended)
		return 0;
	/* The first piece starts with what sign_begin() put there. */
	if (s->part > 0)
		buf_clear(&s->piece);
	while (s->part < s->parts && s->piece.len < PIECE) {
		p = s->piece.data + s->piece.len;
		if (s->part++ > 0)
			*p++ = ',';
		*p++ = '"';
		p += sigv4_series_url(&s->series, s->part, p);
		*p++ = '"';
		s->piece.len = (size_t)(p - s->piece.data);
	}
	if (s->part == s->parts) {
		if (s->tail.len > 0)
			memcpy(s->piece.data + s->piece.len, s->tail.data,
			    s->tail.len);
		s->piece.len += s->tail.len;
		s->ended = true;
	}
	return s->piece.len;
}

void
sign_end(struct sign_block *s)
{
	sigv4_series_free(&s->series);
	buf_free(&s->piece);
	buf_free(&s->tail);
}

int
sign_block(struct buf *b, const struct sign_request *r,
    const struct config *c, const char *upload_id, time_t now,
    struct fail *f)
{
	struct sign_block s;
	const char *p;
	size_t n;
	int rc = 0;

	if (sign_begin(&s, r, c, upload_id, now, f) == -1)
		return -1;
	while (rc == 0 && (n = sign_next(&s, &p)) > 0)
		rc = buf_add(b, p, n, f);
	sign_end(&s);
	return rc;
}
