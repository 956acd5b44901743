#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/hex.h"
#include "region/store/s3_impl.h"

/*
 * What a request may carry.  S3 has a great deal more, and what is left out
 * here would change what is asked for: ?append, a copy source, a tag, a lock.
 * So whatever is not listed is 501, whether S3 has it today or not.
 */
#define ON(op)		(1U << (op))
#define READS		(ON(GET_OBJECT) | ON(HEAD_OBJECT))
#define LISTS		(ON(LIST_OBJECTS) | ON(LIST_UPLOADS))
#define OF_UPLOAD	(ON(PUT_PART) | ON(LIST_PARTS) | \
			    ON(COMPLETE_UPLOAD) | ON(ABORT_UPLOAD))
#define ALL		(~0U)

struct allowed {
	const char	*name;		/* one that ends with '*' is a prefix */
	unsigned	 ops;
};

/* Of headers, those that begin with x-amz-, or name a condition or a range. */
static const struct allowed headers[] = {
	{ "x-amz-date", ALL },
	{ "x-amz-content-sha256", ALL },
	{ "x-amz-user-agent", ALL },
	{ "x-amz-meta-*", ON(PUT_OBJECT) | ON(CREATE_UPLOAD) },
	{ "x-amz-checksum-algorithm", ON(CREATE_UPLOAD) },
	{ "x-amz-checksum-mode", READS },
	{ "x-amz-checksum-crc32", ON(PUT_OBJECT) | ON(PUT_PART) },
	{ "x-amz-checksum-crc32c", ON(PUT_OBJECT) | ON(PUT_PART) },
	{ "x-amz-checksum-crc64nvme", ON(PUT_OBJECT) | ON(PUT_PART) },
	{ "x-amz-checksum-sha1", ON(PUT_OBJECT) | ON(PUT_PART) },
	{ "x-amz-checksum-sha256", ON(PUT_OBJECT) | ON(PUT_PART) },
	{ "x-amz-sdk-checksum-algorithm", ON(PUT_OBJECT) | ON(PUT_PART) },
	{ "If-Match", READS | ON(PUT_OBJECT) | ON(COMPLETE_UPLOAD) |
	    ON(DELETE_OBJECT) },
	{ "If-None-Match", READS | ON(PUT_OBJECT) | ON(COMPLETE_UPLOAD) },
	{ "If-Modified-Since", READS },
	{ "If-Unmodified-Since", READS },
	{ "If-Range", READS },
};

static const struct allowed params[] = {
	{ "X-Amz-Algorithm", ALL },
	{ "X-Amz-Credential", ALL },
	{ "X-Amz-Date", ALL },
	{ "X-Amz-Expires", ALL },
	{ "X-Amz-SignedHeaders", ALL },
	{ "X-Amz-Signature", ALL },
	{ "X-Amz-Content-Sha256", ALL },
	{ "x-id", ALL },		/* the operation's name, by SDKs */
	{ "location", ON(LOCATION) },
	{ "list-type", ON(LIST_OBJECTS) },
	{ "start-after", ON(LIST_OBJECTS) },
	{ "continuation-token", ON(LIST_OBJECTS) },
	{ "max-keys", ON(LIST_OBJECTS) },
	{ "prefix", LISTS },
	{ "delimiter", LISTS },
	{ "encoding-type", LISTS },
	{ "uploads", ON(LIST_UPLOADS) | ON(CREATE_UPLOAD) },
	{ "key-marker", ON(LIST_UPLOADS) },
	{ "upload-id-marker", ON(LIST_UPLOADS) },
	{ "max-uploads", ON(LIST_UPLOADS) },
	{ "uploadId", OF_UPLOAD },
	{ "partNumber", ON(PUT_PART) },
	{ "part-number-marker", ON(LIST_PARTS) },
	{ "max-parts", ON(LIST_PARTS) },
};

#define COUNT(a)	(sizeof(a) / sizeof(*(a)))

/* Which one it is, or -1. */
static int
find(const struct allowed *list, size_t count, const char *name, enum op op,
    int (*compare)(const char *, const char *, size_t))
{
	size_t i, n;

	for (i = 0; i < count; i++) {
		n = strlen(list[i].name);
		if (list[i].name[n - 1] == '*')
			n--;
		else
			n++;
		if (compare(list[i].name, name, n) == 0)
			return list[i].ops & ON(op) ? (int)i : -1;
	}
	return -1;
}

struct look {
	enum op		 op;
	unsigned	 seen;		/* bits of those that may stand once */
	char		 not[80];	/* not allowed */
	char		 twice[80];
};

static void
saw(struct look *l, int i, const char *name, bool often)
{
	if (i == -1) {
		if (l->not[0] == '\0')
			snprintf(l->not, sizeof(l->not), "%s", name);
	} else if (!often && l->seen & (1U << i)) {
		snprintf(l->twice, sizeof(l->twice), "%s", name);
	} else {
		l->seen |= 1U << i;
	}
}

static void
look_header(void *arg, const char *name, const char *value)
{
	struct look *l = arg;

	(void)value;
	if (strncasecmp(name, "x-amz-", 6) == 0 ||
	    strncasecmp(name, "if-", 3) == 0 ||
	    strcasecmp(name, "Content-Range") == 0)
		saw(l, find(headers, COUNT(headers), name, l->op,
		    strncasecmp), name,
		    strncasecmp(name, "x-amz-meta-", 11) == 0);
}

static int
look_params(const char *query, struct look *l, struct fail *f)
{
	struct buf name = BUF_INIT(64UL << 10);
	const char *p;
	size_t n;
	int rc = 0;

	for (p = query; rc == 0 && *p != '\0'; p += *p == '&') {
		n = strcspn(p, "&=");
		buf_clear(&name);
		if ((rc = hex_unescape(&name, p, n, true, f)) == 0 && n > 0)
			saw(l, find(params, COUNT(params), name.data, l->op,
			    strncmp), name.data, false);
		p += strcspn(p, "&");
	}
	buf_free(&name);
	return rc;
}

static int
verdict(struct serve_request *r, const struct look *l, const char *what)
{
	char text[256];

	if (l->not[0] != '\0') {
		snprintf(text, sizeof(text), "Not implemented here: the %s "
		    "%s, in such a request.", what, l->not);
		s3_refuse(r, 501, "NotImplemented", text);
		return -1;
	}
	if (l->twice[0] != '\0') {
		snprintf(text, sizeof(text), "The %s %s occurs more than once.",
		    what, l->twice);
		s3_refuse(r, 400, "InvalidArgument", text);
		return -1;
	}
	return 0;
}

int
s3_allow(struct serve_request *r, const struct op_state *st)
{
	struct look h = { .op = st->op }, q = { .op = st->op };
	struct fail f;

	if (look_params(r->query, &q, &f) == -1) {
		s3_refuse(r, 400, "InvalidURI",
		    "The path or the query cannot be read.");
		return -1;
	}
	serve_headers(r, look_header, &h);
	return verdict(r, &q, "parameter") == -1 ||
	    verdict(r, &h, "header") == -1 ? -1 : 0;
}
