#include <stdlib.h>

#include "core/hex.h"
#include "region/store/s3_impl.h"

void
s3_upload_create(struct serve_request *r, struct s3 *s, struct op_state *st)
{
	struct buf b = BUF_INIT(XML_MAX);
	char id[OBJECTS_ID + 1];
	enum objects_result why;
	int rc;

	why = objects_upload_create(s->objects, st->bucket, st->key.data,
	    st->headers.data, id, &st->f);
	if (why != OBJECTS_OK) {
		s3_result(r, why, &st->f);
		return;
	}
	rc = buf_addf(&b, &st->f, XML_HEAD "<InitiateMultipartUploadResult "
	    XMLNS "><Bucket>%s</Bucket>", st->bucket);
	if (rc == 0)
		rc = s3_xml_key(&b, "Key", st->key.data, false, &st->f);
	if (rc == 0)
		rc = buf_addf(&b, &st->f, "<UploadId>%s</UploadId>"
		    "</InitiateMultipartUploadResult>\n", id);
	s3_reply_xml(r, &b, rc, &st->f);
}

static void
complete_reply(struct serve_request *r, struct op_state *st,
    const char *etag)
{
	struct buf b = BUF_INIT(XML_MAX);
	struct fail *f = &st->f;
	int rc = -1;

	if (buf_addf(&b, f, XML_HEAD "<CompleteMultipartUploadResult " XMLNS
	    "><Location>http://%s/%s/", serve_header(r, "Host"),
	    st->bucket) == 0 &&
	    hex_escape(&b, st->key.data, st->key.len, "/", f) == 0 &&
	    buf_addf(&b, f, "</Location><Bucket>%s</Bucket>",
	    st->bucket) == 0 &&
	    s3_xml_key(&b, "Key", st->key.data, false, f) == 0)
		rc = buf_addf(&b, f, "<ETag>&quot;%s&quot;</ETag>"
		    "</CompleteMultipartUploadResult>\n", etag);
	s3_reply_xml(r, &b, rc, f);
}

void
s3_upload_complete(struct serve_request *r, struct s3 *s, struct op_state *st)
{
	uint8_t digest[SHA256_DIGEST_SIZE];
	struct objects_part *parts = NULL;
	char etag[OBJECTS_ETAG];
	enum objects_result why;
	struct sha256_ctx c;
	size_t n = 0;

	sha256_init(&c);
	sha256_update(&c, r->body.len, (const uint8_t *)r->body.data);
	sha256_digest(&c, sizeof(digest), digest);
	if (s3_payload_check(r, st, digest) == -1)
		return;
	if (r->body.len == 0 ||
	    s3_parts_parse(r->body.data, r->body.len, &parts, &n) == -1) {
		s3_refuse(r, 400, "MalformedXML",
		    "Not a list of the parts of an upload.");
	} else {
		why = objects_upload_complete(s->objects, st->bucket,
		    st->key.data, st->upload.data, parts, n, &st->when,
		    etag, &st->f);
		if (why != OBJECTS_OK)
			s3_result(r, why, &st->f);
		else
			complete_reply(r, st, etag);
	}
	free(parts);
}
