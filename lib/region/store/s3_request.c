#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/hex.h"
#include "core/utf8.h"
#include "region/store/s3_impl.h"

/* A parameter onto a buf: 1 there, 0 not, -1 answered. */
int
s3_param(struct serve_request *r, const char *name, struct buf *b)
{
	struct fail f;
	int rc = serve_query(r, name, b, &f);

	if (rc == -1)
		s3_refuse(r, 400, "InvalidURI",
		    "The path or the query cannot be read.");
	return rc;
}

/* A number within bounds: 1 there, 0 not, -1 answered. */
int
s3_param_number(struct serve_request *r, const char *name, unsigned min,
    unsigned max, unsigned *out)
{
	struct buf b = BUF_INIT(64UL << 10);
	int rc = s3_param(r, name, &b);
	unsigned long n;
	char *end;

	if (rc == 1) {
		errno = 0;
		n = strtoul(b.data, &end, 10);
		if (!isdigit((unsigned char)b.data[0]) || *end != '\0' ||
		    errno != 0 || n < min || n > max) {
			s3_refuse(r, 400, "InvalidArgument",
			    "A number in the query is out of bounds.");
			rc = -1;
		} else {
			*out = (unsigned)n;
		}
	}
	buf_free(&b);
	return rc;
}

bool
s3_has_param(const struct serve_request *r, const char *name)
{
	struct buf b = BUF_INIT(64UL << 10);
	struct fail f;
	bool has = serve_query(r, name, &b, &f) == 1;

	buf_free(&b);
	return has;
}

bool
s3_is_method(const struct serve_request *r, const char *m)
{
	return strcmp(r->method, m) == 0;
}

int
s3_unsupported(struct serve_request *r)
{
	s3_refuse(r, 501, "NotImplemented",
	    "The method, the query or a header asks for what is not "
	    "implemented.");
	return -1;
}

int
s3_payload_check(struct serve_request *r, const struct op_state *st,
    const uint8_t digest[SHA256_DIGEST_SIZE])
{
	char text[2 * SHA256_DIGEST_SIZE + 1];

	hex_encode(text, digest, SHA256_DIGEST_SIZE);
	if (st->verdict.payload[0] == '\0' ||
	    strcmp(text, st->verdict.payload) == 0)
		return 0;
	s3_refuse(r, 400, "XAmzContentSHA256Mismatch",
	    "The body has another SHA-256 than x-amz-content-sha256 says.");
	return -1;
}

struct head {
	struct sigv4_header	 list[128];
	size_t			 n;
	bool			 over;
};

static void
head_add(void *arg, const char *name, const char *value)
{
	struct head *h = arg;

	if (h->n == sizeof(h->list) / sizeof(*h->list)) {
		h->over = true;
		return;
	}
	h->list[h->n++] = (struct sigv4_header){ name, value };
}

static const char *
secret_of(void *arg, const char *access)
{
	const struct s3_key *k = s3_key_find(arg, access);

	return k == NULL ? NULL : k->secret;
}

/* 0 if the request may go on, -1 answered. */
static int
authenticate(struct serve_request *r, struct s3 *s, struct op_state *st)
{
	struct head head = { .n = 0 };
	struct sigv4_incoming in = {
		.method = r->method,
		.path = r->path,
		.query = r->query,
		.headers = head.list,
	};

	serve_headers(r, head_add, &head);
	in.nheaders = head.n;
	if (head.over) {
		s3_refuse(r, 400, "RequestHeaderSectionTooLarge",
		    "Too many headers.");
		return -1;
	}
	if (serve_header_count(r, "Host") != 1 ||
	    serve_header_count(r, "Authorization") > 1) {
		s3_refuse(r, 400, "InvalidRequest",
		    "Host and Authorization must each occur once.");
		return -1;
	}
	if (sigv4_verify(&in, s->region, time(NULL), secret_of, s,
	    &st->verdict, &st->f) == -1) {
		s3_result(r, OBJECTS_FAILED, &st->f);
		return -1;
	}
	if (st->verdict.status != 0) {
		s3_refuse(r, st->verdict.status, st->verdict.code,
		    st->verdict.message);
		return -1;
	}
	if (st->verdict.chunked) {
		s3_refuse(r, 501, "NotImplemented",
		    "A payload in signed chunks is not implemented.");
		return -1;
	}
	return 0;
}

/* Bucket and key, in the path or with the bucket in the host name. */
static int
address(struct serve_request *r, const struct s3 *s, struct op_state *st)
{
	const char *host = serve_header(r, "Host"), *p = r->path, *dot;
	size_t n;

	if (*p != '/')
		goto bad;
	p++;
	/* "bucket.host": the longest name that is a bucket of ours. */
	for (dot = host + strlen(host); dot > host; dot--) {
		n = (size_t)(dot - host);
		if (*dot != '.' || n >= sizeof(st->bucket))
			continue;
		snprintf(st->bucket, sizeof(st->bucket), "%.*s", (int)n, host);
		if (objects_bucket(s->objects, st->bucket))
			break;
		st->bucket[0] = '\0';
	}
	if (st->bucket[0] == '\0') {
		n = strcspn(p, "/");
		if (n >= sizeof(st->bucket)) {
			s3_refuse(r, 404, "NoSuchBucket",
			    "There is no such bucket.");
			return -1;
		}
		snprintf(st->bucket, sizeof(st->bucket), "%.*s", (int)n, p);
		p += n;
		p += *p == '/';
	}
	if (hex_unescape(&st->key, p, strlen(p), false, &st->f) == -1)
		goto bad;
	if (!utf8_valid(st->key.data, st->key.len))
		goto bad;
	if (st->key.len > OBJECTS_KEY_MAX) {
		s3_refuse(r, 400, "KeyTooLongError",
		    "A key has at most 1024 bytes.");
		return -1;
	}
	if (st->bucket[0] != '\0' &&
	    !objects_bucket(s->objects, st->bucket)) {
		s3_refuse(r, 404, "NoSuchBucket", "There is no such bucket.");
		return -1;
	}
	return 0;
bad:
	s3_refuse(r, 400, "InvalidURI",
	    "The path or the query cannot be read.");
	return -1;
}

static int
bucket_op(struct serve_request *r, struct op_state *st)
{
	if (s3_is_method(r, "HEAD"))
		st->op = HEAD_BUCKET;
	else if (s3_is_method(r, "PUT"))
		st->op = MAKE_BUCKET;
	else if (!s3_is_method(r, "GET"))
		return s3_unsupported(r);
	else if (s3_has_param(r, "location"))
		st->op = LOCATION;
	else if (s3_has_param(r, "uploads"))
		st->op = LIST_UPLOADS;
	else if (s3_has_param(r, "list-type"))
		st->op = LIST_OBJECTS;
	else
		return s3_unsupported(r);
	return 0;
}

static int
object_op(struct serve_request *r, struct op_state *st)
{
	int upload, part;

	if ((upload = s3_param(r, "uploadId", &st->upload)) == -1 ||
	    (part = s3_param_number(r, "partNumber", 1, OBJECTS_PARTS_MAX,
	    &st->part)) == -1)
		return -1;
	if (s3_is_method(r, "PUT") && upload && part)
		st->op = PUT_PART;
	else if (s3_is_method(r, "PUT") && !upload && !part)
		st->op = PUT_OBJECT;
	else if (s3_is_method(r, "POST") && upload && !part)
		st->op = COMPLETE_UPLOAD;
	else if (s3_is_method(r, "POST") && !upload &&
	    s3_has_param(r, "uploads"))
		st->op = CREATE_UPLOAD;
	else if (s3_is_method(r, "DELETE") && !part)
		st->op = upload ? ABORT_UPLOAD : DELETE_OBJECT;
	else if (s3_is_method(r, "GET") && !part)
		st->op = upload ? LIST_PARTS : GET_OBJECT;
	else if (s3_is_method(r, "HEAD") && !part && !upload)
		st->op = HEAD_OBJECT;
	else
		return s3_unsupported(r);
	return 0;
}

static int
choose(struct serve_request *r, struct op_state *st)
{
	if (st->bucket[0] == '\0')
		return s3_unsupported(r);
	if ((st->key.len == 0 ? bucket_op(r, st) : object_op(r, st)) == -1)
		return -1;
	return s3_allow(r, st);
}

int
s3_request_read(struct serve_request *r, struct s3 *s, struct op_state *st)
{
	return authenticate(r, s, st) == -1 || address(r, s, st) == -1 ||
	    choose(r, st) == -1 ? -1 : 0;
}
