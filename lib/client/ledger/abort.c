#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include "client/ledger/abort.h"
#include "client/cloud/exchange.h"
#include "client/cloud/retry.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/store.h"

int
abort_find(const struct span *doc, struct span *block, struct fail *f)
{
	const char *pos = NULL;
	struct span value;
	int r;

	if (!span_is_object(doc))
		return fail_set(f, EX_DATAERR, "not a JSON object");
	if ((r = span_get(doc, "upload", block, f)) == -1)
		return -1;
	if (r == 1) {
		if (span_is_object(block))
			return 1;
		return fail_set(f, EX_DATAERR, "upload: not an object");
	}
	if ((r = span_get(doc, "abortUrl", &value, f)) == -1)
		return -1;
	if (r == 1) {
		*block = *doc;
		return 1;
	}
	/* The legacy path signs nothing. */
	if (span_next(doc, &pos, NULL, &value) == 0)
		return 0;
	if ((r = span_get(doc, "parentDownload", &value, f)) == 0)
		r = span_get(doc, "localImageDownloads", &value, f);
	if (r == -1)
		return -1;
	if (r == 1)
		return 0;
	return fail_set(f, EX_DATAERR,
	    "no abortUrl: this is not a signed document or an upload block");
}

int
abort_upload(struct http *http, const struct span *block,
    unsigned seconds, void (*note)(const char *), struct fail *f)
{
	struct retry again = { .what = "abort", .note = note,
	    .despite_stop = true, .transient = store_passing,
	    .deadline_ms = clock_ms() + (int64_t)seconds * 1000 };
	struct http_reply reply = HTTP_REPLY_INIT;
	struct http_request request = { .method = "DELETE" };
	char *url = NULL;
	int r;

	if (json_string(block, "abortUrl", JSON_NEED, &url, f) == -1)
		return -1;
	if (strncasecmp(url, "http://", 7) != 0 &&
	    strncasecmp(url, "https://", 8) != 0) {
		r = fail_set(f, EX_DATAERR,
		    "abortUrl: not an http(s) address");
		goto out;
	}
	request.url = url;
	do
		r = retry_exchange(&again, http, &request, &reply, f);
	while (retry_again(&again, r, &reply, f));
	if (r == 0 && reply.status != 404 && reply.status / 100 != 2)
		r = store_refused(&reply, "abort", f);
out:
	http_reply_free(&reply);
	explicit_bzero(url, strlen(url));
	free(url);
	return r;
}
