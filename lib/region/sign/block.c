#include <string.h>
#include <sysexits.h>

#include "core/date.h"
#include "region/sign/block.h"
#include "region/sign/url.h"

/* A URL of the longest key, escaped, with a long session token. */
#define URL_MAX		(64UL << 10)
#define PIECE		(64UL << 10)
/* An S3 upload id has up to 200 bytes or so; others are not much longer. */
#define UPLOAD_ID_MAX	1024

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
    const struct config *c, const char *id, time_t now, uint32_t expires_s,
    const char *end, struct fail *f)
{
	/* botocore's order, which the URL keeps. */
	const struct sigv4_param part[] = {
		{ "uploadId", id },
		{ "partNumber", SIGV4_NUMBER },
	};

	if (upload_id_check(id, f) == -1 ||
	    sign_url_series(&s->series, c, "PUT", r->bucket, r->key, part, 2,
	    now, expires_s, f) == -1)
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
	    sign_url(&s->tail, c, "POST", r->bucket, r->key, part, 1, now,
	    expires_s, f) == -1 ||
	    buf_adds(&s->tail, "\",\"abortUrl\":\"", f) == -1 ||
	    sign_url(&s->tail, c, "DELETE", r->bucket, r->key, part, 1, now,
	    expires_s, f) == -1 ||
	    buf_addf(&s->tail, f, "\",\"expiresAt\":\"%s\"}\n", end) == -1)
		return -1;
	/* From here on nothing grows, so nothing can fail. */
	return buf_room(&s->piece, PIECE + s->series.url_max + 3 +
	    s->tail.len, f);
}

static int
begin_single(struct sign_block *s, const struct sign_request *r,
    const struct config *c, time_t now, uint32_t expires_s, const char *end,
    struct fail *f)
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
	    sign_url(&s->piece, c, method, r->bucket, r->key, NULL, 0, now,
	    expires_s, f) == -1)
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
	uint32_t expires_s;
	int rc = -1;

	memset(s, 0, sizeof(*s));
	s->piece.max = s->tail.max = 4 * URL_MAX;
	if (sign_expires(c, now, &expires_s, f) == 0) {
		date_text(end, now + (time_t)expires_s);
		rc = r->kind == SIGN_MULTIPART_PUT ? begin_multipart(s, r, c,
		    upload_id, now, expires_s, end, f) :
		    begin_single(s, r, c, now, expires_s, end, f);
	}
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
