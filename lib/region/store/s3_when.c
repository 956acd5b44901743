#include <string.h>

#include "core/date.h"
#include "region/store/s3_impl.h"

/*
 * Conditions: RFC 9110 13.1 and their order, 13.2.2; S3's API reference has
 * the same under GetObject and HeadObject.  A date that is none is passed over.
 */
static bool
since(const char *text, const struct object *b, bool *later)
{
	time_t t;

	if (text == NULL || date_http(text, &t) == -1)
		return false;
	*later = b->modified_ms / 1000 > (int64_t)t;
	return true;
}

unsigned
s3_when_read(const struct serve_request *r, const struct object *b)
{
	const char *match = serve_header(r, "If-Match");
	const char *none = serve_header(r, "If-None-Match");
	bool later;

	if (match != NULL) {
		if (!objects_etag_in(match, b->etag, false))
			return 412;
	} else if (since(serve_header(r, "If-Unmodified-Since"), b, &later) &&
	    later) {
		return 412;
	}
	if (none != NULL) {
		if (objects_etag_in(none, b->etag, true))
			return 304;
	} else if (since(serve_header(r, "If-Modified-Since"), b, &later) &&
	    !later) {
		return 304;
	}
	return 0;
}

/* RFC 9110 13.1.5: the very ETag, or the very date. */
bool
s3_when_range(const struct serve_request *r, const struct object *b)
{
	const char *text = serve_header(r, "If-Range");
	time_t t;

	if (text == NULL)
		return true;
	if (date_http(text, &t) == 0)
		return b->modified_ms / 1000 == (int64_t)t;
	return strcmp(text, "*") != 0 && objects_etag_in(text, b->etag, false);
}

/*
 * S3 takes If-None-Match in a write with "*" only, and not both at once: API
 * reference, PutObject; user guide, "Conditional writes".
 */
int
s3_when_write(struct serve_request *r, struct op_state *st)
{
	const char *none = serve_header(r, "If-None-Match");

	st->when.match = serve_header(r, "If-Match");
	st->when.absent = none != NULL;
	if (none != NULL && (strcmp(none, "*") != 0 ||
	    st->when.match != NULL)) {
		s3_refuse(r, 501, "NotImplemented",
		    "If-None-Match of a write must be * and nothing else.");
		return -1;
	}
	return 0;
}
