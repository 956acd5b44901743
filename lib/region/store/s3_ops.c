#include <sys/random.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/hex.h"
#include "region/store/s3_impl.h"

/* 10,000 parts with a checksum or two each. */
#define COMPLETE_MAX	(4UL << 20)

static void
request_id(struct serve_request *r)
{
	uint8_t raw[8];
	char text[2 * sizeof(raw) + 1];

	if (getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
		return;
	hex_encode(text, raw, sizeof(raw));
	serve_add_header(r, "x-amz-request-id", text);
}

static bool
writes(enum op op)
{
	return op == MAKE_BUCKET || op == PUT_OBJECT ||
	    op == DELETE_OBJECT || op == CREATE_UPLOAD || op == PUT_PART ||
	    op == COMPLETE_UPLOAD || op == ABORT_UPLOAD;
}

static void
begin(struct serve_request *r, void *arg)
{
	struct s3 *s = arg;
	struct op_state *st = calloc(1, sizeof(*st));
	const struct s3_key *key;

	request_id(r);
	if (st == NULL) {
		s3_refuse(r, 503, "ServiceUnavailable", "Out of memory.");
		return;
	}
	r->own = st;
	st->writer.fd = -1;
	st->key.max = st->upload.max = 64UL << 10;
	if (s3_request_read(r, s, st) == -1)
		return;
	key = s3_key_find(s, st->verdict.access_key);
	if (writes(st->op) && (key == NULL || !key->writes)) {
		s3_refuse(r, 403, "AccessDenied", "This key may not write.");
		return;
	}
	if (st->op == PUT_OBJECT || st->op == PUT_PART)
		s3_put_begin(r, s, st);
	else if (st->op == COMPLETE_UPLOAD || st->op == DELETE_OBJECT)
		(void)s3_when_write(r, st);
	else if (st->op == CREATE_UPLOAD &&
	    s3_sum_algorithm(r, "x-amz-checksum-algorithm") == 0)
		(void)s3_headers_keep(r, st);
	if (st->op == COMPLETE_UPLOAD)
		r->keep_body = COMPLETE_MAX;
}

static void
body(struct serve_request *r, void *arg, const char *p, size_t n)
{
	(void)arg;
	s3_put_body(r, r->own, p, n);
}

static void
location(struct serve_request *r, const struct s3 *s)
{
	char text[256];
	int n;

	/* us-east-1 is the one that S3 does not name. */
	n = snprintf(text, sizeof(text), XML_HEAD "<LocationConstraint "
	    XMLNS ">%s</LocationConstraint>\n",
	    strcmp(s->region, "us-east-1") == 0 ? "" : s->region);
	serve_reply(r, 200, "application/xml", text, (size_t)n);
}

static void
done(struct serve_request *r, void *arg)
{
	struct s3 *s = arg;
	struct op_state *st = r->own;
	enum objects_result why;

	switch (st->op) {
	case HEAD_BUCKET:
		serve_add_header(r, "x-amz-bucket-region", s->region);
		serve_reply(r, 200, NULL, "", 0);
		break;
	case MAKE_BUCKET:
		s3_refuse(r, 409, "BucketAlreadyOwnedByYou",
		    "The bucket is there, and yours.");
		break;
	case LOCATION:
		location(r, s);
		break;
	case LIST_OBJECTS:
		s3_list_objects(r, s, st);
		break;
	case LIST_UPLOADS:
		s3_list_uploads(r, s, st);
		break;
	case GET_OBJECT:
	case HEAD_OBJECT:
		s3_get(r, s, st);
		break;
	case PUT_OBJECT:
	case PUT_PART:
		s3_put_done(r, st);
		break;
	case DELETE_OBJECT:
	case ABORT_UPLOAD:
		why = st->op == DELETE_OBJECT ?
		    objects_delete(s->objects, st->bucket, st->key.data,
		    &st->when, &st->f) : objects_upload_abort(s->objects, st->bucket,
		    st->key.data, st->upload.data, &st->f);
		if (why != OBJECTS_OK)
			s3_result(r, why, &st->f);
		else
			serve_reply(r, 204, NULL, "", 0);
		break;
	case CREATE_UPLOAD:
		s3_upload_create(r, s, st);
		break;
	case LIST_PARTS:
		s3_list_parts(r, s, st);
		break;
	case COMPLETE_UPLOAD:
		s3_upload_complete(r, s, st);
		break;
	}
}

static void
gone(struct serve_request *r, void *arg)
{
	struct op_state *st = r->own;

	(void)arg;
	if (st == NULL)
		return;
	objects_cancel(&st->writer);
	buf_free(&st->key);
	buf_free(&st->upload);
	buf_free(&st->headers);
	free(st);
	r->own = NULL;
}

/* The names of tl-fault(7). */
static void
name(const struct serve_request *r, char *text, size_t size)
{
	struct buf part = BUF_INIT(16);
	bool upload = s3_has_param(r, "uploadId");
	const char *s = "other";
	struct fail f;

	if (s3_is_method(r, "HEAD"))
		s = "head";
	else if (s3_is_method(r, "PUT"))
		s = upload ? "part" : "object-put";
	else if (s3_is_method(r, "POST"))
		s = upload ? "upload-complete" : "upload-create";
	else if (s3_is_method(r, "DELETE"))
		s = upload ? "upload-abort" : "object-delete";
	else if (s3_is_method(r, "GET"))
		s = upload ? "upload-parts" : s3_has_param(r, "list-type") ||
		    s3_has_param(r, "uploads") ? "bucket-list" : "download";
	if (strcmp(s, "part") != 0 ||
	    serve_query(r, "partNumber", &part, &f) != 1)
		snprintf(text, size, "%s", s);
	else
		snprintf(text, size, "%s%s", s, part.data);
	buf_free(&part);
}

const struct serve_ops s3_ops = {
	.begin = begin,
	.body = body,
	.done = done,
	.gone = gone,
	.name = name,
};
