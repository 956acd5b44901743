#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "core/utf8.h"
#include "region/sign/multipart.h"
#include "region/sign/url.h"

/* A store that does not answer must not keep a build waiting for ever. */
#define TIMEOUT_MS	60000
/* Enough for this request and a clock that is off. */
#define LIFE_S		900
/* Of a list of uploads, 1,000 on each; a store that repeats itself ends. */
#define PAGES_MAX	1000U

/* The character of an entity (what is between '&' and ';'), 0 if it is none. */
static unsigned long
entity(const char *s, size_t n)
{
	static const struct {
		const char	*name;
		char		 c;
	} known[] = {
		{ "amp", '&' }, { "lt", '<' }, { "gt", '>' }, { "quot", '"' },
		{ "apos", '\'' },
	};
	unsigned long c;
	char *end;
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (strlen(known[i].name) == n &&
		    strncmp(s, known[i].name, n) == 0)
			return (unsigned char)known[i].c;
	if (n < 2 || s[0] != '#')
		return 0;
	c = s[1] == 'x' ? strtoul(s + 2, &end, 16) : strtoul(s + 1, &end, 10);
	return end == s + n ? c : 0;
}

/* Text of XML onto a buf, its entities undone; what is none stays as it is. */
static int
add_text(struct buf *out, const char *p, size_t len, struct fail *f)
{
	const char *end = p + len, *semi;
	unsigned long c;
	char utf8[4];
	size_t n;

	while (p < end) {
		semi = *p == '&' ? memchr(p, ';', (size_t)(end - p)) : NULL;
		c = semi == NULL ? 0 :
		    entity(p + 1, (size_t)(semi - p) - 1);
		if (c == 0 || c > 0x10ffff) {
			n = 1;
			utf8[0] = *p++;
		} else {
			n = utf8_put(utf8, (uint32_t)c);
			p = semi + 1;
		}
		if (buf_add(out, utf8, n, f) == -1)
			return -1;
	}
	return 0;
}

/* The text between <NAME> and </NAME>: 1, 0 if there is none, -1. */
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
	return add_text(out, p, (size_t)(end - p), f) == -1 ? -1 : 1;
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
    const char *key, const struct sigv4_param *params, size_t nparams,
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
	    sign_url(&url, c, method, c->bucket, key, params, nparams, now,
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
	int rc = exchange(h, c, "POST", key, &uploads, 1, &reply, f);

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
	int rc = exchange(h, c, "DELETE", key, &upload, 1, &reply, f);

	if (rc == 0 && reply.status / 100 != 2 && reply.status != 404)
		rc = refused(&reply, "abort", f);
	http_reply_free(&reply);
	return rc;
}

/* What a page of the list says: ids onto a buf, and where the next begins. */
struct page {
	struct buf	 key, id;	/* the last ones of this page */
	bool		 more;
};

/* One <Upload>, which ends at the NUL. */
static int
add_upload(const char *xml, const char *key, struct buf *ids, size_t *n,
    struct fail *f)
{
	struct buf k = BUF_INIT(BUF_SMALL_MAX), id = BUF_INIT(BUF_SMALL_MAX);
	int rc = -1, there;

	if ((there = element(xml, "Key", &k, f)) == -1 ||
	    (there == 1 && (there = element(xml, "UploadId", &id, f)) == -1))
		goto out;
	if (there == 0) {
		fail_set(f, EX_PROTOCOL,
		    "list of uploads: one without Key or UploadId");
		goto out;
	}
	/* The prefix of others is asked for, too: only this key counts. */
	if (strcmp(k.data, key) == 0) {
		if (buf_add(ids, id.data, strlen(id.data) + 1, f) == -1)
			goto out;
		(*n)++;
	}
	rc = 0;
out:
	buf_free(&k);
	buf_free(&id);
	return rc;
}

static int
read_page(char *xml, const char *key, struct page *page, struct buf *ids,
    size_t *n, struct fail *f)
{
	static const char root[] = "<ListMultipartUploadsResult";
	struct buf more = BUF_INIT(64);
	char *p, *end;
	int rc;

	if (strstr(xml, root) == NULL ||
	    strstr(xml, "</ListMultipartUploadsResult>") == NULL)
		return fail_set(f, EX_PROTOCOL,
		    "list of uploads: the answer is none");
	for (p = xml; (p = strstr(p, "<Upload>")) != NULL; p = end) {
		if ((end = strstr(p, "</Upload>")) == NULL)
			return fail_set(f, EX_PROTOCOL,
			    "list of uploads: one without an end");
		*end++ = '\0';
		if (add_upload(p, key, ids, n, f) == -1)
			return -1;
		/* The text is read as a whole below. */
		end[-1] = '<';
	}
	buf_clear(&page->key);
	buf_clear(&page->id);
	rc = element(xml, "IsTruncated", &more, f);
	page->more = rc == 1 && strcmp(more.data, "true") == 0;
	buf_free(&more);
	if (rc == -1 || !page->more)
		return rc == -1 ? -1 : 0;
	if ((rc = element(xml, "NextKeyMarker", &page->key, f)) == 0)
		return fail_set(f, EX_PROTOCOL,
		    "list of uploads: cut, and nothing says where");
	if (rc == -1 ||
	    element(xml, "NextUploadIdMarker", &page->id, f) == -1)
		return -1;
	return 0;
}

int
multipart_list(struct http *h, const struct config *c, const char *key,
    struct buf *ids, size_t *n, struct fail *f)
{
	struct page page = { BUF_INIT(BUF_SMALL_MAX), BUF_INIT(BUF_SMALL_MAX),
	    false };
	struct sigv4_param params[4] = {
		{ "uploads", "" }, { "prefix", key },
	};
	struct http_reply reply = HTTP_REPLY_INIT;
	unsigned pages = 0;
	size_t nparams = 2;
	int rc;

	*n = 0;
	do {
		http_reply_clear(&reply);
		rc = exchange(h, c, "GET", "", params, nparams, &reply, f);
		if (rc == 0 && reply.status / 100 != 2)
			rc = refused(&reply, "list of uploads", f);
		else if (rc == 0)
			rc = reply.body.len == 0 ? fail_set(f, EX_PROTOCOL,
			    "list of uploads: empty") :
			    read_page(reply.body.data, key, &page, ids, n, f);
		nparams = 2;
		if (page.key.len > 0)
			params[nparams++] = (struct sigv4_param){
			    "key-marker", page.key.data };
		if (page.id.len > 0)
			params[nparams++] = (struct sigv4_param){
			    "upload-id-marker", page.id.data };
		if (rc == 0 && page.more && ++pages == PAGES_MAX)
			rc = fail_set(f, EX_PROTOCOL, "list of uploads: no "
			    "end after %u pages", pages);
	} while (rc == 0 && page.more);
	buf_free(&page.key);
	buf_free(&page.id);
	http_reply_free(&reply);
	return rc;
}

int
multipart_release(struct http *h, const struct config *c, const char *key,
    size_t *n, struct fail *f)
{
	struct buf ids = BUF_INIT(BUF_DOC_MAX);
	const char *id;
	struct fail one;
	size_t i, found;
	int rc;

	*n = 0;
	rc = multipart_list(h, c, key, &ids, &found, f);
	id = ids.data;
	for (i = 0; rc != -1 && i < found; i++, id += strlen(id) + 1)
		if (multipart_abort(h, c, key, id, &one) == 0)
			(*n)++;
	if (rc == 0 && *n < found) {
		*f = one;
		rc = -1;
	}
	buf_free(&ids);
	return rc;
}
