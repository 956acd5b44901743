#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include "builder/upload/block.h"
#include "core/json.h"

/* A URL out of a JSON string, fit for a request line. */
static int
url_add(struct buf *b, const struct span *s, const char *what, struct fail *f)
{
	size_t i;

	buf_clear(b);
	if (!span_is_string(s))
		return fail_set(f, EX_DATAERR, "%s: not a string", what);
	if (span_string(s, b, f) == -1 || buf_add(b, "", 0, f) == -1)
		return fail_in(f, what);
	for (i = 0; i < b->len; i++)
		if ((unsigned char)b->data[i] <= ' ' || b->data[i] == 0x7f)
			return fail_set(f, EX_DATAERR,
			    "%s: not a URL: it holds blanks", what);
	if (strncasecmp(b->data, "http://", 7) != 0 &&
	    strncasecmp(b->data, "https://", 8) != 0)
		return fail_set(f, EX_DATAERR, "%s: not an http(s) URL", what);
	return 0;
}

static int
url_member(const struct span *text, const char *name, struct buf *b,
    struct fail *f)
{
	struct span v;
	int r = span_get(text, name, &v, f);

	if (r == -1)
		return -1;
	if (r == 0)
		return fail_set(f, EX_DATAERR, "%s: missing", name);
	return url_add(b, &v, name, f);
}

/* What a header line may be made of; lengths and hosts are ours to say. */
static int
header_add(struct block *b, const char *name, const char *value,
    struct fail *f)
{
	static const char token[] = "!#$%&'*+-.^_`|~0123456789"
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	const char *p;

	if (*name == '\0' || name[strspn(name, token)] != '\0')
		return fail_set(f, EX_DATAERR, "headers: not a header's name");
	for (p = value; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return fail_set(f, EX_DATAERR,
			    "headers.%s: control characters", name);
	if (strcasecmp(name, "content-length") == 0 ||
	    strcasecmp(name, "host") == 0)
		return 0;
	if (strcasecmp(name, "transfer-encoding") == 0)
		return fail_set(f, EX_DATAERR, "headers.%s: a length is sent",
		    name);
	if (b->nheaders == BLOCK_HEADERS_MAX)
		return fail_set(f, EX_DATAERR, "headers: more than %d",
		    BLOCK_HEADERS_MAX);
	/* libcurl takes "Name;" for a header without a value. */
	if (asprintf(&b->headers[b->nheaders], *value != '\0' ? "%s: %s" :
	    "%s;", name, value) == -1)
		return fail_set(f, EX_OSERR, "out of memory");
	b->nheaders++;
	return 0;
}

static int
headers_read(struct block *b, const struct span *text, struct fail *f)
{
	struct buf n = BUF_INIT(1024), v = BUF_INIT(BUF_SMALL_MAX);
	struct span headers, name, value;
	const char *pos = NULL;
	int r;

	if ((r = json_sub(text, "headers", JSON_MAY, '{', &headers, f)) != 1)
		return r;
	while (span_next(&headers, &pos, &name, &value) == 1) {
		buf_clear(&n);
		buf_clear(&v);
		if (!span_is_string(&value))
			r = fail_set(f, EX_DATAERR, "headers: not a string");
		else if ((r = span_string(&name, &n, f)) == 0 &&
		    (r = span_string(&value, &v, f)) == 0 &&
		    (r = buf_add(&n, "", 0, f)) == 0 &&
		    (r = buf_add(&v, "", 0, f)) == 0)
			r = strlen(n.data) != n.len || strlen(v.data) != v.len ?
			    fail_set(f, EX_DATAERR, "headers: holds a NUL") :
			    header_add(b, n.data, v.data, f);
		if (r == -1)
			break;
		r = 0;
	}
	buf_free(&n);
	buf_free(&v);
	return r == -1 ? -1 : 0;
}

static int
single_read(struct block *b, const struct span *text, struct fail *f)
{
	struct span url;
	int r;

	if ((r = span_get(text, "url", &url, f)) == -1)
		return -1;
	if (r == 0)
		return fail_set(f, EX_DATAERR, "url: missing");
	if ((b->urls = malloc(sizeof(*b->urls))) == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	b->urls[b->nurls++] = url;
	if (json_string(text, "method", JSON_MAY, &b->method, f) == -1)
		return -1;
	if (b->method != NULL && strcmp(b->method, "PUT") != 0 &&
	    strcmp(b->method, "POST") != 0)
		return fail_set(f, EX_DATAERR, "method: must be PUT or POST");
	b->single = true;
	return headers_read(b, text, f);
}

static int
multipart_read(struct block *b, const struct span *text, struct fail *f)
{
	struct span urls, url;
	const char *pos = NULL;
	uint64_t n;

	if (json_sub(text, "partUrls", JSON_NEED, '[', &urls, f) == -1 ||
	    json_string(text, "uploadId", JSON_MAY, &b->upload_id, f) == -1 ||
	    json_u64(text, "partSizeBytes", JSON_MAY, &b->part_size,
	    f) == -1 ||
	    url_member(text, "completeUrl", &b->complete, f) == -1 ||
	    url_member(text, "abortUrl", &b->abort, f) == -1)
		return -1;
	if (b->part_size == 0)
		return fail_set(f, EX_DATAERR, "partSizeBytes: 0");
	while (span_next(&urls, &pos, NULL, &url) == 1)
		b->nurls++;
	if ((b->urls = calloc(b->nurls + 1, sizeof(*b->urls))) == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	for (pos = NULL, n = 0; span_next(&urls, &pos, NULL, &url) == 1;)
		b->urls[n++] = url;
	return 0;
}

int
block_fit(struct block *b, const char *name, uint64_t size, struct fail *f)
{
	uint64_t n;

	if (b->single)
		b->part_size = size != 0 ? size : 1;
	n = size == 0 ? 1 : (size - 1) / b->part_size + 1;
	if (n > b->nurls)
		return fail_set(f, EX_DATAERR, "%s has %" PRIu64 " bytes, %"
		    PRIu64 " parts of %" PRIu64 ", but the block has URLs for "
		    "%zu; sign for a larger disk", name, size, n,
		    b->part_size, b->nurls);
	if (n > BLOCK_PARTS_MAX)
		return fail_set(f, EX_DATAERR, "%s makes %" PRIu64 " parts, "
		    "but a store takes %d", name, n, BLOCK_PARTS_MAX);
	b->nparts = (size_t)n;
	return 0;
}

int
block_read(struct block *b, const struct span *text, struct fail *f)
{
	char *kind = NULL, shown[64];
	int r;

	*b = (struct block)BLOCK_INIT;
	if (!span_is_object(text))
		return fail_set(f, EX_DATAERR, "not an object");
	if (json_string(text, "kind", JSON_MAY, &kind, f) == -1 ||
	    json_string(text, "uri", JSON_MAY, &b->uri, f) == -1 ||
	    json_string(text, "expiresAt", JSON_MAY, &b->expires, f) == -1) {
		free(kind);
		return -1;
	}
	b->part_size = BLOCK_PART_DEFAULT;
	if (kind == NULL || strcmp(kind, "s3_multipart") == 0)
		r = multipart_read(b, text, f);
	else if (strcmp(kind, "single_put") == 0)
		r = single_read(b, text, f);
	else
		r = fail_set(f, EX_DATAERR, "kind: %s: must be s3_multipart "
		    "or single_put", fail_show(shown, sizeof(shown), kind,
		    40));
	free(kind);
	return r;
}

int
block_url(const struct block *b, size_t k, struct buf *url, struct fail *f)
{
	char what[40];

	snprintf(what, sizeof(what), b->single ? "url" : "partUrls[%zu]", k);
	return url_add(url, &b->urls[k], what, f);
}

void
block_free(struct block *b)
{
	while (b->nheaders > 0)
		free(b->headers[--b->nheaders]);
	free(b->urls);
	free(b->method);
	free(b->upload_id);
	free(b->expires);
	free(b->uri);
	buf_free(&b->complete);
	buf_free(&b->abort);
}
