#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "core/store.h"
#include "core/xml.h"
#include "region/sign/multipart.h"
#include "region/sign/url.h"

/* A store that does not answer must not keep a build waiting for ever. */
#define TIMEOUT_MS	60000
/* Enough for this request and a clock that is off. */
#define EXPIRES_S		900
/* Of a list of uploads, 1,000 on each; a store that repeats itself ends. */
#define PAGES_MAX	1000U

/* A child of an answer's root: the text of the first that has some. */
struct child {
	const char	*name;
	struct buf	*out;
};

static int
on_child(void *arg, const struct xml_name *n, unsigned depth,
    const char *text, struct fail *f)
{
	const struct child *c = arg;

	return depth == 2 && xml_is(&n[1], c->name) && c->out->len == 0 ?
	    buf_adds(c->out, text, f) : 0;
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
	uint32_t expires_s;
	int rc = -1;

	if (sign_expires(c, now, &expires_s, f) == -1 ||
	    sign_url(&url, c, method, c->bucket, key, params, nparams, now,
	    expires_s < EXPIRES_S ? expires_s : EXPIRES_S, f) == -1)
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
	struct child child = { "UploadId", id };
	struct http_reply reply = HTTP_REPLY_INIT;
	int rc = exchange(h, c, "POST", key, &uploads, 1, &reply, f);

	if (rc == 0 && reply.status / 100 != 2)
		rc = store_refused(&reply, "multipart upload", f);
	else if (rc == 0 && (rc = xml_read(reply.body.data, reply.body.len,
	    on_child, &child, f)) == -1)
		fail_in(f, "multipart upload");
	if (rc == 0 && id->len == 0)
		rc = fail_set(f, EX_PROTOCOL,
		    "multipart upload: no UploadId in the answer");
	http_reply_free(&reply);
	return rc;
}

int
multipart_abort(struct http *h, const struct config *c, const char *key,
    const char *id, struct fail *f)
{
	const struct sigv4_param upload = { "uploadId", id };
	struct http_reply reply = HTTP_REPLY_INIT;
	int rc = exchange(h, c, "DELETE", key, &upload, 1, &reply, f);

	if (rc == 0 && reply.status / 100 != 2 && reply.status != 404)
		rc = store_refused(&reply, "abort", f);
	http_reply_free(&reply);
	return rc;
}

/* A page of a list of uploads. */
struct page {
	const char	*wanted;	/* the key whose ids are wanted */
	struct buf	*ids;
	size_t		*n;
	struct buf	 key, id;	/* of the upload at hand */
	bool		 more;
	struct buf	 next_key, next_id;	/* where the next one begins */
};

#define PAGE_INIT	{ .key = BUF_INIT(BUF_SMALL_MAX),		\
	.id = BUF_INIT(BUF_SMALL_MAX), .next_key = BUF_INIT(BUF_SMALL_MAX), \
	.next_id = BUF_INIT(BUF_SMALL_MAX) }

static void
page_free(struct page *p)
{
	buf_free(&p->key);
	buf_free(&p->id);
	buf_free(&p->next_key);
	buf_free(&p->next_id);
}

static int
add_upload(struct page *p, struct fail *f)
{
	if (p->key.len == 0 || p->id.len == 0)
		return fail_set(f, EX_PROTOCOL, "one without Key or UploadId");
	/* The prefix of others is asked for, too: only this key counts. */
	if (strcmp(p->key.data, p->wanted) == 0) {
		if (buf_add(p->ids, p->id.data, p->id.len + 1, f) == -1)
			return -1;
		++*p->n;
	}
	buf_clear(&p->key);
	buf_clear(&p->id);
	return 0;
}

static int
on_listed(void *arg, const struct xml_name *n, unsigned depth,
    const char *text, struct fail *f)
{
	struct page *p = arg;

	if (depth == 1)
		return xml_is(&n[0], "ListMultipartUploadsResult") ? 0 :
		    fail_set(f, EX_PROTOCOL, "not a list of uploads");
	if (depth == 2 && xml_is(&n[1], "Upload"))
		return add_upload(p, f);
	if (depth == 2 && xml_is(&n[1], "IsTruncated"))
		p->more = strcmp(text, "true") == 0;
	if (depth == 2 && xml_is(&n[1], "NextKeyMarker"))
		return buf_adds(&p->next_key, text, f);
	if (depth == 2 && xml_is(&n[1], "NextUploadIdMarker"))
		return buf_adds(&p->next_id, text, f);
	if (depth == 3 && xml_is(&n[1], "Upload") && xml_is(&n[2], "Key"))
		return buf_adds(&p->key, text, f);
	if (depth == 3 && xml_is(&n[1], "Upload") &&
	    xml_is(&n[2], "UploadId"))
		return buf_adds(&p->id, text, f);
	return 0;
}

static int
read_page(struct page *p, const struct http_reply *reply, struct fail *f)
{
	p->more = false;
	buf_clear(&p->next_key);
	buf_clear(&p->next_id);
	if (reply->status / 100 != 2)
		return store_refused(reply, "list of uploads", f);
	if (xml_read(reply->body.data, reply->body.len, on_listed, p, f) == -1)
		return fail_in(f, "list of uploads");
	if (p->more && p->next_key.len == 0)
		return fail_set(f, EX_PROTOCOL,
		    "list of uploads: cut, and nothing says where");
	return 0;
}

int
multipart_list(struct http *h, const struct config *c, const char *key,
    struct buf *ids, size_t *n, struct fail *f)
{
	struct page page = PAGE_INIT;
	struct sigv4_param params[4] = {
		{ "uploads", "" }, { "prefix", key },
	};
	struct http_reply reply = HTTP_REPLY_INIT;
	unsigned pages = 0;
	size_t nparams = 2;
	int rc;

	*n = 0;
	page.wanted = key;
	page.ids = ids;
	page.n = n;
	do {
		http_reply_clear(&reply);
		rc = exchange(h, c, "GET", "", params, nparams, &reply, f);
		if (rc == 0)
			rc = read_page(&page, &reply, f);
		nparams = 2;
		if (page.next_key.len > 0)
			params[nparams++] = (struct sigv4_param){
			    "key-marker", page.next_key.data };
		if (page.next_id.len > 0)
			params[nparams++] = (struct sigv4_param){
			    "upload-id-marker", page.next_id.data };
		if (rc == 0 && page.more && ++pages == PAGES_MAX)
			rc = fail_set(f, EX_PROTOCOL, "list of uploads: no "
			    "end after %u pages", pages);
	} while (rc == 0 && page.more);
	page_free(&page);
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
