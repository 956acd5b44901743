#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "region/store/s3_impl.h"

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

/* The object, and which bytes of it: true, or it was answered. */
static bool
wanted(struct serve_request *r, struct open_object *o, const char **type,
    uint64_t *len, bool *part, struct fail *f)
{
	unsigned status = s3_when_read(r, &o->object);
	char text[96];
	int rc = 0;

	if (status == 412) {
		s3_result(r, OBJECTS_PRECONDITION, f);
		return false;
	}
	*len = o->object.size;
	if (status == 0 && s3_when_range(r, &o->object))
		rc = range_parse(serve_header(r, "Range"), *len, &o->off, len);
	if (rc == -1) {
		snprintf(text, sizeof(text), "bytes */%" PRIu64,
		    o->object.size);
		serve_add_header(r, "Content-Range", text);
		s3_refuse(r, 416, "InvalidRange",
		    "The range starts behind the end.");
		return false;
	}
	if (status == 0 && objects_check(&o->object, o->off, *len, f) == -1) {
		s3_result(r, OBJECTS_FAILED, f);
		return false;
	}
	*part = rc == 1;
	s3_headers_give(r, &o->object, *part, type);
	if (status == 304) {
		serve_reply(r, 304, NULL, "", 0);
		return false;
	}
	if (*part) {
		snprintf(text, sizeof(text), "bytes %" PRIu64 "-%" PRIu64
		    "/%" PRIu64, o->off, o->off + *len - 1, o->object.size);
		serve_add_header(r, "Content-Range", text);
	}
	return true;
}

void
s3_get(struct serve_request *r, struct s3 *s, struct op_state *st)
{
	struct open_object *o = calloc(1, sizeof(*o));
	enum objects_result why;
	const char *type = NULL;
	uint64_t len = 0;
	bool part = false;
	char byte;

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
	o->serve = r->serve;
	if (!wanted(r, o, &type, &len, &part, &st->f)) {
		open_object_free(o);
		return;
	}
	/* One file, and there are bytes of it: the kernel sends them. */
	if (st->op == GET_OBJECT && o->object.nextents == 1 && len > 0) {
		if (objects_read(&o->object, 0, &byte, 1, &st->f) == -1) {
			s3_result(r, OBJECTS_FAILED, &st->f);
		} else {
			serve_reply_file(r, part ? 206 : 200, type,
			    o->object.fd, o->off, len);
			o->object.fd = -1;
		}
		open_object_free(o);
		return;
	}
	serve_reply_read(r, part ? 206 : 200, type, len, object_piece,
	    open_object_free, o);
}
