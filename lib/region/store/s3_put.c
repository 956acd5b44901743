#include <string.h>

#include <nettle/base64.h>

#include "region/store/s3_impl.h"

#define OBJECT_SIZE_MAX	(5ULL << 30)	/* S3's: larger ones in parts */

static int
content_md5(struct serve_request *r, struct op_state *st)
{
	const char *text = serve_header(r, "Content-MD5");
	uint8_t out[BASE64_DECODE_LENGTH(32)];
	struct base64_decode_ctx c;
	size_t n = sizeof(out);

	if (text == NULL)
		return 0;
	base64_decode_init(&c);
	if (strlen(text) > 32 ||
	    !base64_decode_update(&c, &n, out, strlen(text), text) ||
	    !base64_decode_final(&c) || n != sizeof(st->md5)) {
		s3_refuse(r, 400, "InvalidDigest",
		    "Content-MD5 is not the base64 of 16 bytes.");
		return -1;
	}
	memcpy(st->md5, out, sizeof(st->md5));
	st->want_md5 = true;
	return 0;
}

void
s3_put_begin(struct serve_request *r, struct s3 *s, struct op_state *st)
{
	char name[SUM_NAME], value[SUM_TEXT];
	enum objects_result why;

	if (serve_header(r, "Content-Length") == NULL) {
		s3_refuse(r, 411, "MissingContentLength",
		    "Say the length: Content-Length is missing.");
		return;
	}
	if (r->length > OBJECT_SIZE_MAX) {
		s3_refuse(r, 400, "EntityTooLarge",
		    "More than 5 GiB at once; use a multipart upload.");
		return;
	}
	if (content_md5(r, st) == -1 || s3_headers_keep(r, st) == -1 ||
	    s3_when_write(r, st) == -1 || s3_sum_begin(r, &st->sum) == -1)
		return;
	if (st->sum.kind != SUM_NONE) {
		s3_sum_print(&st->sum, name, value);
		if (buf_addf(&st->headers, &st->f, "%s: %s\n"
		    "x-amz-checksum-type: FULL_OBJECT\n", name, value) == -1) {
			s3_result(r, OBJECTS_FAILED, &st->f);
			return;
		}
	}
	why = objects_write(&st->writer, s->objects, st->bucket,
	    st->key.data, st->op == PUT_PART ? st->upload.data : NULL,
	    &st->f);
	st->writer.want_sha256 = st->verdict.payload[0] != '\0';
	s3_result(r, why, &st->f);
}

void
s3_put_body(struct serve_request *r, struct op_state *st, const char *p,
    size_t n)
{
	if (st->writer.fd == -1)
		return;
	if (objects_writer_add(&st->writer, p, n, &st->f) == -1) {
		s3_result(r, OBJECTS_FAILED, &st->f);
		objects_cancel(&st->writer);
	}
	s3_sum_add(&st->sum, p, n);
}

void
s3_put_done(struct serve_request *r, struct op_state *st)
{
	char etag[OBJECTS_ETAG], name[SUM_NAME], value[SUM_TEXT];
	enum objects_result why;

	objects_writer_digest(&st->writer);
	if (st->want_md5 && memcmp(st->md5, st->writer.md5_digest,
	    sizeof(st->md5)) != 0) {
		s3_refuse(r, 400, "BadDigest",
		    "The body has another MD5 than Content-MD5 says.");
		return;
	}
	if (s3_payload_check(r, st, st->writer.sha256_digest) == -1 ||
	    s3_sum_check(r, &st->sum) == -1)
		return;
	why = st->op == PUT_PART ? objects_commit_part(&st->writer,
	    st->key.data, st->part, etag, &st->f) :
	    objects_commit(&st->writer, st->key.data, st->headers.data,
	    &st->when, etag, &st->f);
	if (why != OBJECTS_OK) {
		s3_result(r, why, &st->f);
		return;
	}
	s3_etag(r, etag);
	if (st->sum.kind != SUM_NONE) {
		s3_sum_print(&st->sum, name, value);
		serve_add_header(r, name, value);
	}
	serve_reply(r, 200, NULL, "", 0);
}
