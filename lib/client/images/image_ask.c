#include <string.h>
#include <sysexits.h>

#include "client/cloud/answer.h"
#include "client/images/image_ask.h"
#include "core/hex.h"

int
image_url(const struct image_server *s, struct buf *url, const char *behind,
    const char *word, struct fail *f)
{
	struct buf rest = BUF_INIT(BUF_SMALL_MAX);
	int r = -1;

	/* Dots are not escaped, and these would be resolved away. */
	if (word != NULL && (*word == '\0' || strcmp(word, ".") == 0 ||
	    strcmp(word, "..") == 0))
		return fail_set(f, EX_USAGE, "not the name of an image");
	if (buf_addf(&rest, f, "sandbox-templates%s", behind) == 0 &&
	    (word == NULL ||
	    hex_escape(&rest, word, strlen(word), "", f) == 0))
		r = cloud_platform_url(s->cloud, url, rest.data, f);
	buf_free(&rest);
	return r;
}

int
image_ask(const struct image_server *s, const char *method, const char *url,
    const char *json, struct http_reply *reply, bool *maybe, struct fail *f)
{
	static const char *const accept[] = { "Accept: application/json",
	    NULL };
	struct retry again = { .what = "images", .note = s->note };
	struct http_request request = { .method = method, .url = url,
	    .json = json, .bearer = s->cloud->token, .reply_max = BUF_DOC_MAX };
	struct cloud_headers head = { .org = NULL };
	int r;

	/* What libcurl would repeat by itself must be known here. */
	request.fresh = strcmp(method, "GET") != 0;
	do {
		/* A fresh trace id each time. */
		if (cloud_headers(s->cloud, &head, accept, f) == -1)
			return -1;
		request.headers = head.list;
		r = retry_exchange(&again, s->http, &request, reply, f);
		cloud_headers_free(&head);
	} while (retry_again(&again, r, reply, f));
	if (maybe != NULL)
		*maybe = again.maybe;
	return r == -1 ? -1 : answer_check(reply, "images", f);
}

int
image_answer(const struct http_reply *reply, struct span *doc,
    struct fail *f)
{
	if (reply->body.len == 0)
		return fail_set(f, EX_PROTOCOL, "the answer (%ld) is empty",
		    reply->status);
	if (span_parse(doc, reply->body.data, reply->body.len, f) == -1) {
		f->status = EX_PROTOCOL;
		return fail_in(f, "the answer");
	}
	if (!span_is_object(doc))
		return fail_set(f, EX_PROTOCOL, "the answer is not a JSON "
		    "object");
	return 0;
}
