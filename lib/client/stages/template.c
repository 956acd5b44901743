#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "client/stages/template.h"
#include "core/hex.h"

int
template_parse(struct template *t, const struct span *doc, struct fail *f)
{
	*t = (struct template)TEMPLATE_INIT;
	if (!span_is_object(doc)) {
		fail_set(f, EX_PROTOCOL, "not a JSON object");
		goto bad;
	}
	if (json_string(doc, "id", JSON_NEED, &t->id, f) == -1 ||
	    json_string(doc, "name", JSON_NEED, &t->name, f) == -1 ||
	    json_string(doc, "snapshotId", JSON_NEED, &t->snapshot_id, f)
	    == -1 ||
	    json_string(doc, "snapshotFormatVersion", JSON_MAY, &t->format, f)
	    == -1 ||
	    json_bool(doc, "public", JSON_MAY, &t->is_public, f) == -1)
		goto bad;
	return 0;
bad:
	template_free(t);
	if (f->status == EX_DATAERR)
		f->status = EX_PROTOCOL;
	return -1;
}

void
template_free(struct template *t)
{
	free(t->id);
	free(t->name);
	free(t->snapshot_id);
	free(t->format);
	*t = (struct template)TEMPLATE_INIT;
}

int
template_eligible(const struct template *t, const char *reference,
    struct fail *f)
{
	char shown[128];

	/*
	 * Today's rule.  Older clients also wanted a base template in the
	 * durable format, which today's server no longer needs.
	 */
	if (t->format == NULL ||
	    strcmp(t->format, "content_addressed_streaming_v1") != 0)
		return 0;
	return fail_set(f, EX_DATAERR, "%s: is a CAS image, kept in "
	    "content-addressed pieces, not as a disk to build upon; build it "
	    "again without --cas, or use another (see tl(7), CAS images)",
	    fail_show(shown, sizeof(shown), reference, 100));
}

void
template_write(const struct template *t, const char *reference,
    struct jout *j)
{
	jout_object(j);
	jout_member(j, "templateId", t->id);
	jout_member(j, "name", t->name);
	jout_member(j, "reference", reference);
	jout_member(j, "snapshotId", t->snapshot_id);
	jout_key(j, "public");
	jout_bool(j, t->is_public);
	jout_close(j);
}

static int
lookup_url(struct buf *url, const struct cloud *cloud, const char *reference,
    struct fail *f)
{
	struct buf rest = BUF_INIT(BUF_SMALL_MAX);
	int r = -1;

	/* Dots are not escaped, and these two would be resolved away. */
	if (*reference == '\0' || strcmp(reference, ".") == 0 ||
	    strcmp(reference, "..") == 0)
		return fail_set(f, EX_DATAERR, "not an image reference");
	if (buf_adds(&rest, "sandbox-templates/by-name/", f) == 0 &&
	    hex_escape(&rest, reference, strlen(reference), "", f) == 0)
		r = cloud_platform_url(cloud, url, rest.data, f);
	buf_free(&rest);
	return r;
}

static int
lookup(struct http *http, const struct cloud *cloud, const char *reference,
    struct retry *again, struct template *t, struct fail *f)
{
	static const char *const accept[] = { "Accept: application/json",
	    NULL };
	struct buf url = BUF_INIT(BUF_SMALL_MAX);
	struct http_reply reply = HTTP_REPLY_INIT;
	struct cloud_headers head;
	struct http_request request = { .method = "GET" };
	struct span doc;
	int r = -1;

	if (lookup_url(&url, cloud, reference, f) == -1)
		goto out;
	request.url = url.data;
	request.bearer = cloud->token;
	do {
		/* A fresh trace id each time. */
		if (cloud_headers(cloud, &head, accept, f) == -1)
			goto out;
		request.headers = head.list;
		r = retry_exchange(again, http, &request, &reply, f);
		cloud_headers_free(&head);
	} while (retry_again(again, r, &reply, f));
	if (r == -1)
		goto out;
	if (reply.status == 404)
		goto out;
	r = -1;
	if (reply.status < 200 || reply.status > 299) {
		http_refused(&reply, "template lookup", f);
		goto out;
	}
	if (reply.body.len == 0)
		fail_set(f, EX_PROTOCOL, "the answer is empty");
	else if (span_parse(&doc, reply.body.data, reply.body.len, f) == -1)
		f->status = EX_PROTOCOL;
	else if (template_parse(t, &doc, f) == 0)
		r = 1;
out:
	http_reply_free(&reply);
	buf_free(&url);
	return r;
}

int
template_lookup(struct http *http, const struct cloud *cloud,
    const char *reference, void (*note)(const char *), struct template *t,
    struct fail *f)
{
	struct retry again = { .what = "template lookup", .note = note };
	char shown[128];
	int r;

	if ((r = lookup(http, cloud, reference, &again, t, f)) == -1)
		return fail_in(f, fail_show(shown, sizeof(shown), reference,
		    100));
	return r;
}
