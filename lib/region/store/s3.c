#include <sys/random.h>

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <nettle/base64.h>

#include "core/hex.h"
#include "region/store/s3_impl.h"

/* 10,000 parts with a checksum or two each. */
#define COMPLETE_MAX	(4UL << 20)
#define OBJECT_SIZE_MAX	(5ULL << 30)	/* S3's: larger ones in parts */

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

static void
etag_header(struct serve_request *r, const char *etag)
{
	char quoted[OBJECTS_ETAG + 2];

	snprintf(quoted, sizeof(quoted), "\"%s\"", etag);
	serve_add_header(r, "ETag", quoted);
}

/* The request's head: who, what, where. */

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
		    "Host and Authorization stand once.");
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

static bool
has_param(const struct serve_request *r, const char *name)
{
	struct buf b = BUF_INIT(64UL << 10);
	struct fail f;
	bool has = serve_query(r, name, &b, &f) == 1;

	buf_free(&b);
	return has;
}

static int
unsupported(struct serve_request *r)
{
	s3_refuse(r, 501, "NotImplemented",
	    "The method, the query or a header asks for what is not done "
	    "here.");
	return -1;
}

/* What S3 has and this has not: never mistaken for a plain GET or PUT. */
static bool
is_beyond(struct serve_request *r)
{
	static const char *const subresources[] = { "acl", "attributes",
	    "cors", "delete", "encryption", "legal-hold", "lifecycle",
	    "logging", "notification", "object-lock", "policy",
	    "replication", "requestPayment", "restore", "retention", "select",
	    "tagging", "torrent", "versionId", "versioning", "versions",
	    "website" };
	static const char *const headers[] = { "x-amz-copy-source",
	    "x-amz-server-side-encryption",
	    "x-amz-server-side-encryption-customer-algorithm",
	    "x-amz-tagging", "x-amz-trailer" };
	size_t i;

	for (i = 0; i < sizeof(subresources) / sizeof(*subresources); i++)
		if (has_param(r, subresources[i]))
			return true;
	for (i = 0; i < sizeof(headers) / sizeof(*headers); i++)
		if (serve_header(r, headers[i]) != NULL)
			return true;
	return false;
}

static bool
is_method(const struct serve_request *r, const char *m)
{
	return strcmp(r->method, m) == 0;
}

static int
bucket_op(struct serve_request *r, struct op_state *st)
{
	if (is_method(r, "HEAD"))
		st->op = HEAD_BUCKET;
	else if (is_method(r, "PUT"))
		st->op = MAKE_BUCKET;
	else if (!is_method(r, "GET"))
		return unsupported(r);
	else if (has_param(r, "location"))
		st->op = LOCATION;
	else if (has_param(r, "uploads"))
		st->op = LIST_UPLOADS;
	else if (has_param(r, "list-type"))
		st->op = LIST_OBJECTS;
	else
		return unsupported(r);
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
	if (is_method(r, "PUT") && upload && part)
		st->op = PUT_PART;
	else if (is_method(r, "PUT") && !upload && !part)
		st->op = PUT_OBJECT;
	else if (is_method(r, "POST") && upload && !part)
		st->op = COMPLETE_UPLOAD;
	else if (is_method(r, "POST") && !upload && has_param(r, "uploads"))
		st->op = CREATE_UPLOAD;
	else if (is_method(r, "DELETE") && !part)
		st->op = upload ? ABORT_UPLOAD : DELETE_OBJECT;
	else if (is_method(r, "GET") && !part)
		st->op = upload ? LIST_PARTS : GET_OBJECT;
	else if (is_method(r, "HEAD") && !part && !upload)
		st->op = HEAD_OBJECT;
	else
		return unsupported(r);
	return 0;
}

static int
choose(struct serve_request *r, struct op_state *st)
{
	if (is_beyond(r) || st->bucket[0] == '\0')
		return unsupported(r);
	return st->key.len == 0 ? bucket_op(r, st) : object_op(r, st);
}

static bool
writes(enum op op)
{
	return op == MAKE_BUCKET || op == PUT_OBJECT ||
	    op == DELETE_OBJECT || op == CREATE_UPLOAD || op == PUT_PART ||
	    op == COMPLETE_UPLOAD || op == ABORT_UPLOAD;
}

/* Bodies. */

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

static void
keep_header(void *arg, const char *name, const char *value)
{
	static const char *const kept[] = { "Content-Type", "Cache-Control",
	    "Content-Disposition", "Content-Encoding", "Content-Language",
	    "Expires" };
	struct op_state *st = arg;
	size_t i;

	for (i = 0; i < sizeof(kept) / sizeof(*kept); i++)
		if (strcasecmp(name, kept[i]) == 0)
			break;
	if (i == sizeof(kept) / sizeof(*kept) &&
	    strncasecmp(name, "x-amz-meta-", 11) != 0)
		return;
	/* One that does not fit any more shows in the buf being full. */
	if (buf_addf(&st->headers, &st->f, "%s: %s\n", name, value) == -1)
		st->headers.max = 0;
}

static int
keep_headers(struct serve_request *r, struct op_state *st)
{
	const char *coding = serve_header(r, "Content-Encoding");

	if (coding != NULL && strstr(coding, "aws-chunked") != NULL)
		return unsupported(r);
	st->headers.max = OBJECTS_HEADERS_MAX;
	serve_headers(r, keep_header, st);
	if (st->headers.max == 0) {
		s3_refuse(r, 400, "MetadataTooLarge",
		    "More headers than are kept with an object.");
		return -1;
	}
	return 0;
}

static void
begin_write(struct serve_request *r, struct s3 *s, struct op_state *st)
{
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
	if (content_md5(r, st) == -1 || keep_headers(r, st) == -1)
		return;
	why = objects_write(&st->writer, s->objects, st->bucket,
	    st->key.data, st->op == PUT_PART ? st->upload.data : NULL,
	    &st->f);
	st->writer.want_sha256 = st->verdict.payload[0] != '\0';
	s3_result(r, why, &st->f);
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
	if (authenticate(r, s, st) == -1 || address(r, s, st) == -1 ||
	    choose(r, st) == -1)
		return;
	key = s3_key_find(s, st->verdict.access_key);
	if (writes(st->op) && (key == NULL || !key->writes)) {
		s3_refuse(r, 403, "AccessDenied", "This key may not write.");
		return;
	}
	if (st->op == PUT_OBJECT || st->op == PUT_PART)
		begin_write(r, s, st);
	else if (st->op == COMPLETE_UPLOAD)
		r->keep_body = COMPLETE_MAX;
	else if (st->op == CREATE_UPLOAD)
		(void)keep_headers(r, st);
}

static void
body(struct serve_request *r, void *arg, const char *p, size_t n)
{
	struct op_state *st = r->own;

	(void)arg;
	if (st->writer.fd == -1)
		return;
	if (objects_writer_add(&st->writer, p, n, &st->f) == -1) {
		s3_result(r, OBJECTS_FAILED, &st->f);
		objects_cancel(&st->writer);
	}
}

static bool
sha256_is(const char *want, const uint8_t *digest)
{
	char text[2 * SHA256_DIGEST_SIZE + 1];

	hex_encode(text, digest, SHA256_DIGEST_SIZE);
	return strcmp(text, want) == 0;
}

static void
finish_write(struct serve_request *r, struct op_state *st)
{
	char etag[OBJECTS_ETAG];
	enum objects_result why;

	objects_writer_digest(&st->writer);
	if (st->want_md5 && memcmp(st->md5, st->writer.md5_digest,
	    sizeof(st->md5)) != 0) {
		s3_refuse(r, 400, "BadDigest",
		    "The body has another MD5 than Content-MD5 says.");
		return;
	}
	if (st->verdict.payload[0] != '\0' && !sha256_is(st->verdict.payload,
	    st->writer.sha256_digest)) {
		s3_refuse(r, 400, "XAmzContentSHA256Mismatch",
		    "The body has another SHA-256 than x-amz-content-sha256 "
		    "says.");
		return;
	}
	why = st->op == PUT_PART ? objects_commit_part(&st->writer,
	    st->key.data, st->part, etag, &st->f) :
	    objects_commit(&st->writer, st->key.data, st->headers.data, etag,
	    &st->f);
	if (why != OBJECTS_OK) {
		s3_result(r, why, &st->f);
		return;
	}
	etag_header(r, etag);
	serve_reply(r, 200, NULL, "", 0);
}

/* GET and HEAD. */

/*
 * RFC 9110 14: 1 a range, 0 none or one to be ignored, -1 unsatisfiable.
 * Like S3, several ranges at once are ignored.
 */
static int
range_parse(const char *s, uint64_t size, uint64_t *off, uint64_t *len)
{
	unsigned long long a, b;
	char *end;

	if (s == NULL || strncasecmp(s, "bytes=", 6) != 0)
		return 0;
	s += 6;
	errno = 0;
	if (*s == '-') {
		if (!isdigit((unsigned char)s[1]))
			return 0;
		b = strtoull(s + 1, &end, 10);
		if (*end != '\0' || errno != 0)
			return 0;
		if (b == 0 || size == 0)
			return -1;
		*len = b < size ? b : size;
		*off = size - *len;
		return 1;
	}
	if (!isdigit((unsigned char)*s))
		return 0;
	a = strtoull(s, &end, 10);
	if (*end++ != '-' || errno != 0)
		return 0;
	b = UINT64_MAX;
	if (*end != '\0') {
		if (!isdigit((unsigned char)*end))
			return 0;
		b = strtoull(end, &end, 10);
		if (*end != '\0' || errno != 0 || b < a)
			return 0;
	}
	if (a >= size)
		return -1;
	*off = a;
	*len = (b < size - 1 ? b : size - 1) - a + 1;
	return 1;
}

/* An object on its way out, from an offset on. */
struct open_object {
	struct object	object;
	uint64_t	off;
	struct serve	*serve;
};

static ssize_t
object_piece(void *arg, uint64_t pos, char *p, size_t n)
{
	struct open_object *o = arg;
	struct fail f;
	ssize_t got = objects_read(&o->object, o->off + pos, p, n, &f);

	if (got == -1)
		serve_log(o->serve, "%s", f.msg);
	return got;
}

static void
open_object_free(void *arg)
{
	struct open_object *o = arg;

	object_close(&o->object);
	free(o);
}

static void
object_headers(struct serve_request *r, const struct object *b,
    const char **type)
{
	char date[64], *copy, *line, *save = NULL, *value;
	time_t t = (time_t)(b->modified_ms / 1000);
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	serve_add_header(r, "Last-Modified", date);
	serve_add_header(r, "Accept-Ranges", "bytes");
	etag_header(r, b->etag);
	*type = "binary/octet-stream";
	if (b->headers == NULL || (copy = strdup(b->headers)) == NULL)
		return;
	for (line = strtok_r(copy, "\n", &save); line != NULL;
	    line = strtok_r(NULL, "\n", &save)) {
		if ((value = strstr(line, ": ")) == NULL)
			continue;
		*value = '\0';
		value += 2;
		serve_add_header(r, line, value);
		if (strcasecmp(line, "Content-Type") == 0)
			*type = NULL;
	}
	free(copy);
}

static void
get_object(struct serve_request *r, struct s3 *s, struct op_state *st)
{
	struct open_object *o = calloc(1, sizeof(*o));
	const char *type, *match = serve_header(r, "If-None-Match");
	enum objects_result why;
	uint64_t len;
	char text[96];
	int rc;

	if (o == NULL) {
		s3_refuse(r, 503, "ServiceUnavailable", "Out of memory.");
		return;
	}
	why = objects_get(s->objects, st->bucket, st->key.data, &o->object,
	    &st->f);
	if (why != OBJECTS_OK) {
		free(o);
		s3_result(r, why, &st->f);
		return;
	}
	len = o->object.size;
	o->serve = r->serve;
	rc = range_parse(serve_header(r, "Range"), len, &o->off, &len);
	if (rc == -1) {
		snprintf(text, sizeof(text), "bytes */%" PRIu64,
		    o->object.size);
		serve_add_header(r, "Content-Range", text);
		s3_refuse(r, 416, "InvalidRange",
		    "The range starts behind the end.");
		open_object_free(o);
		return;
	}
	object_headers(r, &o->object, &type);
	if (match != NULL && (strstr(match, o->object.etag) != NULL ||
	    strcmp(match, "*") == 0)) {
		serve_reply(r, 304, NULL, "", 0);
		open_object_free(o);
		return;
	}
	if (rc == 1) {
		snprintf(text, sizeof(text), "bytes %" PRIu64 "-%" PRIu64
		    "/%" PRIu64, o->off, o->off + len - 1, o->object.size);
		serve_add_header(r, "Content-Range", text);
	}
	/* One file, and there are bytes of it: the kernel sends them. */
	if (st->op == GET_OBJECT && o->object.nextents == 1 && len > 0) {
		if (objects_read(&o->object, 0, text, 1, &st->f) == -1) {
			s3_result(r, OBJECTS_FAILED, &st->f);
		} else {
			serve_reply_file(r, rc == 1 ? 206 : 200, type,
			    o->object.fd, o->off, len);
			o->object.fd = -1;
		}
		open_object_free(o);
		return;
	}
	serve_reply_read(r, rc == 1 ? 206 : 200, type, len, object_piece,
	    open_object_free, o);
}

/* Multipart uploads. */

static void
create_upload(struct serve_request *r, struct s3 *s, struct op_state *st)
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

static void
complete_upload(struct serve_request *r, struct s3 *s, struct op_state *st)
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
	if (st->verdict.payload[0] != '\0' &&
	    !sha256_is(st->verdict.payload, digest)) {
		s3_refuse(r, 400, "XAmzContentSHA256Mismatch",
		    "The body has another SHA-256 than x-amz-content-sha256 "
		    "says.");
		return;
	}
	if (r->body.len == 0 ||
	    s3_parts_parse(r->body.data, r->body.len, &parts, &n) == -1) {
		s3_refuse(r, 400, "MalformedXML",
		    "Not a list of the parts of an upload.");
	} else {
		why = objects_upload_complete(s->objects, st->bucket,
		    st->key.data, st->upload.data, parts, n, etag, &st->f);
		if (why != OBJECTS_OK)
			s3_result(r, why, &st->f);
		else
			complete_reply(r, st, etag);
	}
	free(parts);
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
		get_object(r, s, st);
		break;
	case PUT_OBJECT:
	case PUT_PART:
		finish_write(r, st);
		break;
	case DELETE_OBJECT:
	case ABORT_UPLOAD:
		why = st->op == DELETE_OBJECT ?
		    objects_delete(s->objects, st->bucket, st->key.data,
		    &st->f) : objects_upload_abort(s->objects, st->bucket,
		    st->key.data, st->upload.data, &st->f);
		if (why != OBJECTS_OK)
			s3_result(r, why, &st->f);
		else
			serve_reply(r, 204, NULL, "", 0);
		break;
	case CREATE_UPLOAD:
		create_upload(r, s, st);
		break;
	case LIST_PARTS:
		s3_list_parts(r, s, st);
		break;
	case COMPLETE_UPLOAD:
		complete_upload(r, s, st);
		break;
	}
}

static void
gone(struct serve_request *r, void *arg)
{
	const struct s3 *s = arg;
	struct op_state *st = r->own;

	if (s->verbose)
		serve_log(r->serve, "%s %s", r->method, r->path);
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
	bool upload = has_param(r, "uploadId");
	const char *s = "other";
	struct fail f;

	if (is_method(r, "HEAD"))
		s = "head";
	else if (is_method(r, "PUT"))
		s = upload ? "part" : "object-put";
	else if (is_method(r, "POST"))
		s = upload ? "upload-complete" : "upload-create";
	else if (is_method(r, "DELETE"))
		s = upload ? "upload-abort" : "object-delete";
	else if (is_method(r, "GET"))
		s = upload ? "upload-parts" : has_param(r, "list-type") ||
		    has_param(r, "uploads") ? "bucket-list" : "download";
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
