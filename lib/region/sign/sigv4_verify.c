#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include <nettle/memops.h>

#include "core/date.h"
#include "core/hex.h"
#include "region/sign/sigv4.h"

#define ALGORITHM	"AWS4-HMAC-SHA256"
#define UNSIGNED	"UNSIGNED-PAYLOAD"
#define SERVICE		"s3"
/* S3's bound on how far a client's clock may be off. */
#define SKEW_S		(15 * 60)
/* The server bounds a request's head; its canonical form is no more than three
 * times as long. */
#define CANONICAL_MAX	(1UL << 20)
#define SCOPE_MAX	(4UL << 10)

/* A request has ten or so; more is nobody's client. */
#define QUERY_MAX	64

/* A query parameter in its canonical, escaped form. */
struct pair {
	char	*name;
	char	*value;
};

static int
pair_order(const void *va, const void *vb)
{
	const struct pair *a = va, *b = vb;
	int d = strcmp(a->name, b->name);

	return d != 0 ? d : strcmp(a->value, b->value);
}

struct check {
	struct pair	 query[QUERY_MAX];
	size_t		 nquery;
	const char	*credential;	/* "KEY/DATE/REGION/s3/aws4_request" */
	const char	*date;
	const char	*expires;	/* NULL: signed headers */
	const char	*signed_headers;
	const char	*signature;
	const char	*payload;
	struct buf	 text;		/* what the pointers point into */
};

static int
bad(struct sigv4_verdict *v, unsigned status, const char *code,
    const char *message)
{
	v->status = status;
	v->code = code;
	v->message = message;
	return 1;
}

static const char *
header(const struct sigv4_incoming *in, const char *name)
{
	size_t i;

	for (i = 0; i < in->nheaders; i++)
		if (strcasecmp(in->headers[i].name, name) == 0)
			return in->headers[i].value;
	return NULL;
}

/*
 * The same text with the escapes a canonical request has: 0, -1 out of memory,
 * 1 malformed.
 */
static int
again(struct buf *out, const char *s, size_t n, bool query, struct fail *f)
{
	struct buf plain = BUF_INIT(CANONICAL_MAX);
	int rc = hex_unescape(&plain, s, n, query, f);

	if (rc == -1)
		rc = f->status == EX_DATAERR ? 1 : -1;
	else
		rc = hex_escape(out, plain.data, plain.len, query ? "" : "/",
		    f);
	buf_free(&plain);
	return rc;
}

static int
query_pair(struct check *c, const char *s, size_t n, struct fail *f)
{
	const char *eq = memchr(s, '=', n);
	size_t len = eq == NULL ? n : (size_t)(eq - s);
	struct buf name = BUF_INIT(CANONICAL_MAX);
	struct buf value = BUF_INIT(CANONICAL_MAX);
	int rc;

	if (c->nquery == QUERY_MAX)
		return 1;
	rc = again(&name, s, len, true, f);
	if (rc == 0)
		rc = again(&value, eq == NULL ? s : eq + 1,
		    eq == NULL ? 0 : n - len - 1, true, f);
	if (rc != 0) {
		buf_free(&name);
		buf_free(&value);
		return rc;
	}
	c->query[c->nquery].name = name.data;
	c->query[c->nquery++].value = value.data;
	return 0;
}

static int
query_parse(struct check *c, const char *q, struct sigv4_verdict *v,
    struct fail *f)
{
	size_t n;
	int rc;

	while (*q != '\0') {
		n = strcspn(q, "&");
		if (n > 0 && (rc = query_pair(c, q, n, f)) != 0)
			return rc == -1 ? -1 : bad(v, 400, "InvalidURI",
			    "The query cannot be read.");
		q += n;
		q += *q == '&';
	}
	qsort(c->query, c->nquery, sizeof(*c->query), pair_order);
	return 0;
}

/* A query parameter's text: 1 there, 0 absent, 2 there twice, -1. */
static int
query_text(struct check *c, const char *name, const char **out,
    struct fail *f)
{
	size_t i, off, found = 0;

	*out = NULL;
	for (i = 0; i < c->nquery; i++) {
		if (strcmp(c->query[i].name, name) != 0)
			continue;
		if (found++ > 0)
			return 2;
		off = c->text.len;
		if (hex_unescape(&c->text, c->query[i].value,
		    strlen(c->query[i].value), false, f) == -1 ||
		    buf_add(&c->text, "", 1, f) == -1)
			return -1;
		*out = c->text.data + off;
	}
	return found > 0;
}

static int
from_query(struct check *c, struct sigv4_verdict *v, struct fail *f)
{
	const char *algorithm;
	struct {
		const char	 *name;
		const char	**out;
	} want[] = {
		{ "X-Amz-Algorithm", &algorithm },
		{ "X-Amz-Credential", &c->credential },
		{ "X-Amz-Date", &c->date },
		{ "X-Amz-Expires", &c->expires },
		{ "X-Amz-SignedHeaders", &c->signed_headers },
		{ "X-Amz-Signature", &c->signature },
	};
	size_t i;
	int rc;

	for (i = 0; i < sizeof(want) / sizeof(*want); i++) {
		rc = query_text(c, want[i].name, want[i].out, f);
		if (rc == -1)
			return -1;
		if (rc != 1)
			return bad(v, 400,
			    "AuthorizationQueryParametersError",
			    "Query-string authentication version 4 requires "
			    "X-Amz-Algorithm, X-Amz-Credential, "
			    "X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders "
			    "and X-Amz-Expires, each once.");
	}
	if (strcmp(algorithm, ALGORITHM) != 0)
		return bad(v, 400, "AuthorizationQueryParametersError",
		    "X-Amz-Algorithm only supports " ALGORITHM ".");
	c->payload = UNSIGNED;
	return 0;
}

/* "AWS4-HMAC-SHA256 Credential=C, SignedHeaders=H, Signature=S" */
static int
from_header(struct check *c, const struct sigv4_incoming *in,
    const char *auth, struct sigv4_verdict *v, struct fail *f)
{
	static const struct {
		const char	*name;
		size_t		 at;
	} want[] = {
		{ "Credential=", offsetof(struct check, credential) },
		{ "SignedHeaders=", offsetof(struct check, signed_headers) },
		{ "Signature=", offsetof(struct check, signature) },
	};
	size_t i, n;
	char *p, *save = NULL;
	const char **out;

	if (strncmp(auth, ALGORITHM " ", sizeof(ALGORITHM)) != 0)
		return bad(v, 400, "InvalidRequest",
		    "Only " ALGORITHM " is known.");
	if (buf_adds(&c->text, auth + sizeof(ALGORITHM), f) == -1)
		return -1;
	for (p = strtok_r(c->text.data, ",", &save); p != NULL;
	    p = strtok_r(NULL, ",", &save)) {
		p += strspn(p, " ");
		for (i = 0; i < sizeof(want) / sizeof(*want); i++) {
			n = strlen(want[i].name);
			if (strncmp(p, want[i].name, n) != 0)
				continue;
			out = (const char **)((char *)c + want[i].at);
			if (*out == NULL) {
				*out = p + n;
				break;
			}
		}
		if (i == sizeof(want) / sizeof(*want))
			return bad(v, 400, "AuthorizationHeaderMalformed",
			    "The Authorization header cannot be read.");
	}
	c->date = header(in, "x-amz-date");
	c->payload = header(in, "x-amz-content-sha256");
	if (c->credential == NULL || c->signed_headers == NULL ||
	    c->signature == NULL)
		return bad(v, 400, "AuthorizationHeaderMalformed",
		    "The Authorization header cannot be read.");
	if (c->date == NULL)
		return bad(v, 403, "AccessDenied", "X-Amz-Date is missing.");
	if (c->payload == NULL)
		return bad(v, 400, "InvalidRequest",
		    "x-amz-content-sha256 is missing.");
	return 0;
}

/* Take the scope off the credential's end: what is left is the access key. */
static int
scope_check(struct check *c, const char *region, struct sigv4_verdict *v,
    struct fail *f)
{
	const char *code = c->expires != NULL ?
	    "AuthorizationQueryParametersError" :
	    "AuthorizationHeaderMalformed";
	struct buf want = BUF_INIT(SCOPE_MAX);
	size_t n = strlen(c->credential), key;

	if (buf_addf(&want, f, "/%.8s/%s/" SERVICE "/aws4_request", c->date,
	    region) == -1)
		return -1;
	if (n <= want.len ||
	    strcmp(c->credential + n - want.len, want.data) != 0) {
		buf_free(&want);
		return bad(v, 400, code, "The credential's scope does not "
		    "fit: date, region, s3, aws4_request.");
	}
	key = n - want.len;
	buf_free(&want);
	if (key >= sizeof(v->access_key))
		return bad(v, 403, "InvalidAccessKeyId",
		    "The access key does not exist here.");
	memcpy(v->access_key, c->credential, key);
	v->access_key[key] = '\0';
	return 0;
}

/* Whether a lower-case name is one of "a;b;c". */
static bool
listed(const char *list, const char *name)
{
	size_t n = strlen(name), len;

	for (;;) {
		len = strcspn(list, ";");
		if (len == n && strncasecmp(list, name, n) == 0)
			return true;
		list += len;
		if (*list++ == '\0')
			return false;
	}
}

/* A header's value with outer white space off and inner runs made one. */
static int
trimmed(struct buf *b, const char *s, struct fail *f)
{
	size_t from = b->len;
	bool gap = false;

	for (; *s != '\0'; s++) {
		if (*s == ' ' || *s == '\t') {
			gap = true;
			continue;
		}
		if (gap && b->len > from && buf_add(b, " ", 1, f) == -1)
			return -1;
		gap = false;
		if (buf_add(b, s, 1, f) == -1)
			return -1;
	}
	return 0;
}

static int
canonical_headers(struct buf *b, const struct check *c,
    const struct sigv4_incoming *in, struct sigv4_verdict *v, struct fail *f)
{
	const char *p = c->signed_headers;
	char name[128];
	size_t i, n, found;

	for (;;) {
		n = strcspn(p, ";");
		if (n == 0 || n >= sizeof(name))
			return bad(v, 403, "SignatureDoesNotMatch",
			    "The list of signed headers is malformed.");
		memcpy(name, p, n);
		name[n] = '\0';
		if (buf_addf(b, f, "%s:", name) == -1)
			return -1;
		for (i = found = 0; i < in->nheaders; i++) {
			if (strcasecmp(in->headers[i].name, name) != 0)
				continue;
			if ((found++ > 0 && buf_add(b, ",", 1, f) == -1) ||
			    trimmed(b, in->headers[i].value, f) == -1)
				return -1;
		}
		if (found == 0)
			return bad(v, 403, "SignatureDoesNotMatch",
			    "A signed header is not there.");
		if (buf_add(b, "\n", 1, f) == -1)
			return -1;
		p += n;
		if (*p++ == '\0')
			return 0;
	}
}

static int
canonical_request(struct buf *b, const struct check *c,
    const struct sigv4_incoming *in, struct sigv4_verdict *v, struct fail *f)
{
	const char *sep = "";
	size_t i;
	int rc;

	if (buf_addf(b, f, "%s\n", in->method) == -1)
		return -1;
	if ((rc = again(b, in->path, strlen(in->path), false, f)) != 0)
		return rc == -1 ? -1 : bad(v, 400, "InvalidURI",
		    "The path cannot be read.");
	if (buf_adds(b, "\n", f) == -1)
		return -1;
	for (i = 0; i < c->nquery; i++) {
		if (c->expires != NULL &&
		    strcmp(c->query[i].name, "X-Amz-Signature") == 0)
			continue;
		if (buf_addf(b, f, "%s%s=%s", sep, c->query[i].name,
		    c->query[i].value) == -1)
			return -1;
		sep = "&";
	}
	if (buf_adds(b, "\n", f) == -1)
		return -1;
	if ((rc = canonical_headers(b, c, in, v, f)) != 0)
		return rc;
	return buf_addf(b, f, "\n%s\n%s", c->signed_headers, c->payload);
}

/* What is not signed could be changed on the way without a trace. */
static int
all_signed(const struct check *c, const struct sigv4_incoming *in,
    struct sigv4_verdict *v)
{
	size_t i;

	if (!listed(c->signed_headers, "host"))
		return bad(v, 403, "AccessDenied",
		    "The host header must be signed.");
	for (i = 0; i < in->nheaders; i++)
		if (strncasecmp(in->headers[i].name, "x-amz-", 6) == 0 &&
		    !listed(c->signed_headers, in->headers[i].name))
			return bad(v, 403, "AccessDenied",
			    "An x-amz- header is not signed.");
	return 0;
}

static int
in_time(const struct check *c, time_t t, time_t now, struct sigv4_verdict *v)
{
	unsigned long expires;
	char *end;

	if (c->expires == NULL) {
		if (t > now + SKEW_S || t < now - SKEW_S)
			return bad(v, 403, "RequestTimeTooSkewed",
			    "The request was signed more than 15 minutes "
			    "ago, or ahead.");
		return 0;
	}
	expires = strtoul(c->expires, &end, 10);
	if (c->expires[0] < '0' || c->expires[0] > '9' || *end != '\0' ||
	    expires > SIGV4_EXPIRES_MAX || expires == 0)
		return bad(v, 400, "AuthorizationQueryParametersError",
		    "X-Amz-Expires must be from 1 to 604800 seconds.");
	if (t > now + SKEW_S)
		return bad(v, 403, "AccessDenied",
		    "The URL is not valid yet.");
	if (now > t + (time_t)expires)
		return bad(v, 403, "AccessDenied", "The URL has expired.");
	return 0;
}

static int
payload_check(const struct check *c, struct sigv4_verdict *v)
{
	if (strcmp(c->payload, UNSIGNED) == 0)
		return 0;
	if (strncmp(c->payload, "STREAMING-", 10) == 0) {
		v->chunked = true;
		return 0;
	}
	if (strlen(c->payload) != SIGV4_HEX ||
	    strspn(c->payload, "0123456789abcdef") != SIGV4_HEX)
		return bad(v, 400, "InvalidArgument",
		    "x-amz-content-sha256 must be UNSIGNED-PAYLOAD or a "
		    "SHA-256.");
	memcpy(v->payload, c->payload, SIGV4_HEX);
	return 0;
}

static int
verify(struct check *c, const struct sigv4_incoming *in, const char *region,
    time_t now, const char *(*secret)(void *, const char *), void *arg,
    struct sigv4_verdict *v, struct fail *f)
{
	const char *auth = header(in, "authorization"), *any, *key;
	struct buf canonical = BUF_INIT(CANONICAL_MAX);
	char signature[SIGV4_HEX];
	time_t t;
	int rc;

	if ((rc = query_parse(c, in->query, v, f)) != 0 ||
	    (rc = query_text(c, "X-Amz-Algorithm", &any, f)) == -1)
		return rc;
	if (rc == 0 && (rc = query_text(c, "X-Amz-Signature", &any, f)) == -1)
		return -1;
	if (rc != 0 && auth != NULL)
		return bad(v, 400, "InvalidArgument",
		    "Signed twice: in the query and in a header.");
	if (rc == 0 && auth == NULL)
		return bad(v, 403, "AccessDenied",
		    "The request is not signed.");
	/*
	 * The pointers below must not move: no growing from here on.  An
	 * escaped value, which room is asked for, has three times its bytes.
	 */
	buf_clear(&c->text);
	if (buf_room(&c->text, 3 * strlen(in->query) + 64 +
	    (auth != NULL ? strlen(auth) : 0), f) == -1)
		return -1;
	rc = auth != NULL ? from_header(c, in, auth, v, f) :
	    from_query(c, v, f);
	if (rc != 0 || (rc = scope_check(c, region, v, f)) != 0 ||
	    (rc = all_signed(c, in, v)) != 0)
		return rc;
	/* Its sixteen characters are relied upon from here on. */
	if (date_basic(c->date, &t) == -1)
		return bad(v, 403, "AccessDenied",
		    "The request's date is malformed.");
	if ((key = secret(arg, v->access_key)) == NULL)
		return bad(v, 403, "InvalidAccessKeyId",
		    "The access key does not exist here.");

	if ((rc = canonical_request(&canonical, c, in, v, f)) == 0) {
		sigv4_signature(signature, &canonical, key, c->date, region);
		if (strlen(c->signature) != SIGV4_HEX ||
		    !memeql_sec(signature, c->signature, SIGV4_HEX))
			rc = bad(v, 403, "SignatureDoesNotMatch",
			    "The signature does not match the request.");
	}
	buf_free(&canonical);
	if (rc != 0 || (rc = in_time(c, t, now, v)) != 0)
		return rc;
	return payload_check(c, v);
}

int
sigv4_verify(const struct sigv4_incoming *in, const char *region, time_t now,
    const char *(*secret)(void *, const char *), void *arg,
    struct sigv4_verdict *v, struct fail *f)
{
	struct check c;
	int rc;

	memset(&c, 0, sizeof(c));
	c.text.max = CANONICAL_MAX;
	memset(v, 0, sizeof(*v));
	rc = verify(&c, in, region, now, secret, arg, v, f);
	while (c.nquery-- > 0) {
		free(c.query[c.nquery].name);
		free(c.query[c.nquery].value);
	}
	buf_free(&c.text);
	return rc == -1 ? -1 : 0;
}
