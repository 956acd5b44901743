#include <string.h>
#include <sysexits.h>

#include "client/cloud/answer.h"
#include "core/span.h"

#define SHOWN	200

static bool
is_error(const struct http_reply *r, struct buf *text)
{
	struct span doc, error, id;
	struct fail f;

	if (r->body.len == 0 ||
	    span_parse(&doc, r->body.data, r->body.len, &f) == -1 ||
	    !span_is_object(&doc) ||
	    span_get(&doc, "error", &error, &f) != 1 ||
	    span_is_null(&error) || span_get(&doc, "id", &id, &f) != 0)
		return false;
	if (span_is_string(&error))
		span_string(&error, text, &f);
	return true;
}

int
answer_check(const struct http_reply *r, const char *where, struct fail *f)
{
	struct buf text = BUF_INIT(BUF_SMALL_MAX);
	char shown[SHOWN];
	int rc = 0;

	if (r->status / 100 != 2)
		return 0;
	if (strcasestr(r->type, "text/html") != NULL)
		return fail_set(f, EX_PROTOCOL, "%s: the answer is a page of "
		    "HTML (%ld); is a proxy or a login page in the way?",
		    where, r->status);
	if (is_error(r, &text))
		rc = fail_set(f, EX_PROTOCOL, "%s: an error under the status "
		    "%ld: %s", where, r->status, fail_show(shown,
		    sizeof(shown), text.len == 0 ? "" : text.data,
		    sizeof(shown) - 1));
	buf_free(&text);
	return rc;
}
