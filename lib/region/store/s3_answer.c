#include <stdio.h>
#include <string.h>

#include "core/hex.h"
#include "core/xml.h"
#include "region/store/s3_impl.h"

void
s3_refuse(struct serve_request *r, unsigned status, const char *code,
    const char *message)
{
	struct buf b = BUF_INIT(4096);
	struct fail f;

	if (buf_adds(&b, XML_HEAD "<Error><Code>", &f) == 0 &&
	    xml_add(&b, code, &f) == 0 &&
	    buf_adds(&b, "</Code><Message>", &f) == 0 &&
	    xml_add(&b, message, &f) == 0 &&
	    buf_adds(&b, "</Message></Error>\n", &f) == 0)
		serve_reply(r, status, "application/xml", b.data, b.len);
	buf_free(&b);
}

void
s3_result(struct serve_request *r, enum objects_result why,
    const struct fail *f)
{
	static const struct {
		unsigned	 status;
		const char	*code, *message;
	} words[] = {
		[OBJECTS_FAILED] = { 500, "InternalError",
		    "The store failed; its log says how." },
		[OBJECTS_NO_KEY] = { 404, "NoSuchKey",
		    "There is no object of this key." },
		[OBJECTS_NO_UPLOAD] = { 404, "NoSuchUpload",
		    "There is no such upload, or not any more." },
		[OBJECTS_INVALID_PART] = { 400, "InvalidPart",
		    "A listed part is not there, or has another ETag." },
		[OBJECTS_PART_ORDER] = { 400, "InvalidPartOrder",
		    "Part numbers must rise." },
		[OBJECTS_TOO_SMALL] = { 400, "EntityTooSmall",
		    "A part that is not the last is too small." },
		[OBJECTS_PRECONDITION] = { 412, "PreconditionFailed",
		    "A condition of the request does not hold." },
	};

	if (why == OBJECTS_FAILED)
		serve_log(r->serve, "%s", f->msg);
	if (why != OBJECTS_OK)
		s3_refuse(r, words[why].status, words[why].code,
		    words[why].message);
}

void
s3_reply_xml(struct serve_request *r, struct buf *b, int rc,
    const struct fail *f)
{
	if (rc == -1)
		s3_result(r, OBJECTS_FAILED, f);
	else
		serve_reply(r, 200, "application/xml", b->data, b->len);
	buf_free(b);
}

int
s3_xml_key(struct buf *b, const char *tag, const char *key, bool url,
    struct fail *f)
{
	if (buf_addf(b, f, "<%s>", tag) == -1 ||
	    (url ? hex_escape(b, key, strlen(key), "/", f) :
	    xml_add(b, key, f)) == -1)
		return -1;
	return buf_addf(b, f, "</%s>", tag);
}

void
s3_etag(struct serve_request *r, const char *etag)
{
	char quoted[OBJECTS_ETAG + 2];

	snprintf(quoted, sizeof(quoted), "\"%s\"", etag);
	serve_add_header(r, "ETag", quoted);
}
