#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include <nettle/hmac.h>
#include <nettle/memops.h>

#include "region/sigv4.h"

#define ALGORITHM	"AWS4-HMAC-SHA256"
#define UNSIGNED	"UNSIGNED-PAYLOAD"
#define SERVICE		"s3"
/* S3's bound on how far a client's clock may be off. */
#define SKEW_S		(15 * 60)
/* A request's head is bounded by the server; its canonical form is no more
 * than three times as long. */
#define CANONICAL_MAX	(256UL << 10)
/* Keys have 1,024 bytes, tokens about 2,000, each up to three times escaped. */
#define URL_MAX		(64UL << 10)

const char SIGV4_NUMBER[] = "N";

static const char hex_digits[] = "0123456789abcdef";

static void
hex(char *out, const uint8_t *in, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		out[2 * i] = hex_digits[in[i] >> 4];
		out[2 * i + 1] = hex_digits[in[i] & 15];
	}
}

static void
sha_update(struct sha256_ctx *c, const void *p, size_t n)
{
	sha256_update(c, n, p);
}

int
sigv4_escape(struct buf *b, const char *s, size_t n, bool slash,
    struct fail *f)
{
	static const char upper[] = "0123456789ABCDEF";
	size_t i;
	char *p;

	if (buf_room(b, 3 * n, f) == -1)
		return -1;
	p = b->data + b->len;
	for (i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    (c >= '0' && c <= '9') || c == '-' || c == '_' ||
		    c == '.' || c == '~' || (slash && c == '/')) {
			*p++ = (char)c;
		} else {
			*p++ = '%';
			*p++ = upper[c >> 4];
			*p++ = upper[c & 15];
		}
	}
	*p = '\0';
	b->len = (size_t)(p - b->data);
	return 0;
}

static int
escape(struct buf *b, const char *s, struct fail *f)
{
	return sigv4_escape(b, s, strlen(s), false, f);
}

/*
 * The two halves of an HMAC with the signing key of a day (the stamp's first
 * eight digits) and region: SHA-256 states that have taken the inner and the
 * outer pad.
 */
static void
pads(struct sha256_ctx *inner, struct sha256_ctx *outer, const char *secret,
    const char *stamp, const char *region)
{
	const char date[] = { stamp[0], stamp[1], stamp[2], stamp[3],
	    stamp[4], stamp[5], stamp[6], stamp[7], '\0' };
	const char *const steps[] = { date, region, SERVICE, "aws4_request" };
	uint8_t key[SHA256_DIGEST_SIZE], pad[SHA256_BLOCK_SIZE];
	struct hmac_sha256_ctx h;
	uint8_t first[4 + SIGV4_SECRET_MAX] = { 'A', 'W', 'S', '4' };
	size_t i, n = strnlen(secret, SIGV4_SECRET_MAX);

	memcpy(first + 4, secret, n);
	hmac_sha256_set_key(&h, 4 + n, first);
	explicit_bzero(first, sizeof(first));
	for (i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		hmac_sha256_update(&h, strlen(steps[i]),
		    (const uint8_t *)steps[i]);
		hmac_sha256_digest(&h, sizeof(key), key);
		hmac_sha256_set_key(&h, sizeof(key), key);
	}
	explicit_bzero(&h, sizeof(h));

	memset(pad, 0x36, sizeof(pad));
	for (i = 0; i < sizeof(key); i++)
		pad[i] ^= key[i];
	sha256_init(inner);
	sha_update(inner, pad, sizeof(pad));
	memset(pad, 0x5c, sizeof(pad));
	for (i = 0; i < sizeof(key); i++)
		pad[i] ^= key[i];
	sha256_init(outer);
	sha_update(outer, pad, sizeof(pad));
	explicit_bzero(key, sizeof(key));
	explicit_bzero(pad, sizeof(pad));
}

/* From a canonical request hashed whole to the signature. */
static inline void
finish(struct sha256_ctx canonical, struct sha256_ctx inner,
    struct sha256_ctx outer, char out[SIGV4_HEX])
{
	uint8_t digest[SHA256_DIGEST_SIZE];
	char text[SIGV4_HEX];

	sha256_digest(&canonical, sizeof(digest), digest);
	hex(text, digest, sizeof(digest));
	sha_update(&inner, text, sizeof(text));
	sha256_digest(&inner, sizeof(digest), digest);
	sha_update(&outer, digest, sizeof(digest));
	sha256_digest(&outer, sizeof(digest), digest);
	hex(out, digest, sizeof(digest));
}

/* Take what stands before the hash in the string to sign into inner. */
static void
string_to_sign(struct sha256_ctx *inner, const char *stamp,
    const char *region)
{
	sha_update(inner, ALGORITHM "\n", sizeof(ALGORITHM));
	sha_update(inner, stamp, 16);
	sha_update(inner, "\n", 1);
	sha_update(inner, stamp, 8);
	sha_update(inner, "/", 1);
	sha_update(inner, region, strlen(region));
	sha_update(inner, "/" SERVICE "/aws4_request\n",
	    sizeof("/" SERVICE "/aws4_request\n") - 1);
}

static int
stamp_of(char stamp[17], time_t when, struct fail *f)
{
	struct tm tm;

	if (gmtime_r(&when, &tm) == NULL ||
	    strftime(stamp, 17, "%Y%m%dT%H%M%SZ", &tm) != 16)
		return fail_set(f, EX_DATAERR, "time: out of range");
	return 0;
}

/* A query parameter in its canonical, escaped form. */
struct pair {
	char	*name;
	char	*value;
	bool	 hole;		/* the value is a series' number */
};

static int
pair_order(const void *va, const void *vb)
{
	const struct pair *a = va, *b = vb;
	int d = strcmp(a->name, b->name);

	return d != 0 ? d : strcmp(a->value, b->value);
}

static void
pairs_free(struct pair *p, size_t n)
{
	while (n-- > 0) {
		free(p[n].name);
		free(p[n].value);
	}
}

static int
pair_set(struct pair *p, const char *name, const char *value, struct fail *f)
{
	struct buf n = BUF_INIT(CANONICAL_MAX), v = BUF_INIT(CANONICAL_MAX);

	p->hole = value == SIGV4_NUMBER;
	if (escape(&n, name, f) == -1 || escape(&v, value, f) == -1) {
		buf_free(&n);
		buf_free(&v);
		return -1;
	}
	p->name = n.data;
	p->value = v.data;
	return 0;
}

/* The host header of an origin: without a port that goes without saying. */
static int
host_of(struct buf *b, const char *origin, struct fail *f)
{
	const char *h = strstr(origin, "://"), *skip = NULL;
	size_t n;

	if (h == NULL)
		return fail_set(f, EX_CONFIG, "endpoint: not a URL");
	if (strncmp(origin, "https:", 6) == 0)
		skip = ":443";
	else if (strncmp(origin, "http:", 5) == 0)
		skip = ":80";
	h += 3;
	n = strcspn(h, "/");
	if (skip != NULL && n > strlen(skip) &&
	    strncmp(h + n - strlen(skip), skip, strlen(skip)) == 0)
		n -= strlen(skip);
	return buf_add(b, h, n, f);
}

#define PARAMS_MAX	8	/* an operation's own; none has more */
#define PAIRS_MAX	(PARAMS_MAX + 6)

/*
 * Write the canonical request and the URL up to "&X-Amz-Signature=".  Where a
 * parameter is the series' number, nothing is written for it and the two
 * offsets are set.
 */
static int
assemble(const struct sigv4_credentials *c, const struct sigv4_request *r,
    const char *stamp, struct buf *canonical, size_t *canonical_hole,
    struct buf *url, size_t *url_hole, struct fail *f)
{
	struct pair p[PAIRS_MAX] = { { NULL, NULL, false } };
	struct buf scope = BUF_INIT(URL_MAX), host = BUF_INIT(URL_MAX);
	const char *path = strchr(strstr(r->origin, "://") + 3, '/');
	char expires[16];
	size_t i, n = 0;
	int rc = -1;

	if (r->nparams > PARAMS_MAX)
		return fail_set(f, EX_SOFTWARE, "too many parameters");
	if (r->expires_s < 1 || r->expires_s > SIGV4_EXPIRES_MAX)
		return fail_set(f, EX_DATAERR,
		    "expiry: not from 1 to %d seconds", SIGV4_EXPIRES_MAX);
	snprintf(expires, sizeof(expires), "%u", (unsigned)r->expires_s);
	if (buf_addf(&scope, f, "%s/%.8s/%s/" SERVICE "/aws4_request",
	    c->access_key, stamp, c->region) == -1 ||
	    host_of(&host, r->origin, f) == -1)
		goto out;
	for (; n < r->nparams; n++)
		if (pair_set(&p[n], r->params[n].name, r->params[n].value,
		    f) == -1)
			goto out;
	if (pair_set(&p[n], "X-Amz-Algorithm", ALGORITHM, f) == -1 ||
	    pair_set(&p[++n], "X-Amz-Credential", scope.data, f) == -1 ||
	    pair_set(&p[++n], "X-Amz-Date", stamp, f) == -1 ||
	    pair_set(&p[++n], "X-Amz-Expires", expires, f) == -1 ||
	    pair_set(&p[++n], "X-Amz-SignedHeaders", "host", f) == -1)
		goto out;
	n++;
	if (c->session_token != NULL) {
		if (pair_set(&p[n], "X-Amz-Security-Token", c->session_token,
		    f) == -1)
			goto out;
		n++;
	}

	if (buf_adds(url, r->origin, f) == -1 ||
	    sigv4_escape(url, r->path, strlen(r->path), true, f) == -1)
		goto out;
	for (i = 0; i < n; i++) {
		if (buf_addf(url, f, "%c%s=", i == 0 ? '?' : '&',
		    p[i].name) == -1)
			goto out;
		if (p[i].hole)
			*url_hole = url->len;
		else if (buf_adds(url, p[i].value, f) == -1)
			goto out;
	}
	if (buf_adds(url, "&X-Amz-Signature=", f) == -1)
		goto out;

	qsort(p, n, sizeof(*p), pair_order);
	/* A base path in the endpoint is part of what is asked for. */
	if (buf_addf(canonical, f, "%s\n%s", r->method,
	    path != NULL ? path : "") == -1 ||
	    sigv4_escape(canonical, r->path, strlen(r->path), true, f) == -1 ||
	    buf_adds(canonical, "\n", f) == -1)
		goto out;
	for (i = 0; i < n; i++) {
		if (buf_addf(canonical, f, "%s%s=", i == 0 ? "" : "&",
		    p[i].name) == -1)
			goto out;
		if (p[i].hole)
			*canonical_hole = canonical->len;
		else if (buf_adds(canonical, p[i].value, f) == -1)
			goto out;
	}
	rc = buf_addf(canonical, f, "\nhost:%s\n\nhost\n" UNSIGNED,
	    host.data);
out:
	pairs_free(p, PAIRS_MAX);
	buf_free(&scope);
	buf_free(&host);
	return rc;
}

int
sigv4_presign(const struct sigv4_credentials *c,
    const struct sigv4_request *r, struct buf *url, struct fail *f)
{
	struct buf canonical = BUF_INIT(CANONICAL_MAX);
	struct buf u = BUF_INIT(URL_MAX);
	struct sha256_ctx all, inner, outer;
	size_t hole = 0;
	char signature[SIGV4_HEX], stamp[17];
	int rc = -1;

	if (stamp_of(stamp, r->when, f) == -1 ||
	    assemble(c, r, stamp, &canonical, &hole, &u, &hole, f) == -1)
		goto out;
	pads(&inner, &outer, c->secret_key, stamp, c->region);
	string_to_sign(&inner, stamp, c->region);
	sha256_init(&all);
	sha_update(&all, canonical.data, canonical.len);
	finish(all, inner, outer, signature);
	if (buf_add(&u, signature, sizeof(signature), f) == -1 ||
	    buf_add(url, u.data, u.len, f) == -1)
		goto out;
	rc = 0;
out:
	buf_free(&canonical);
	buf_free(&u);
	return rc;
}

int
sigv4_series(struct sigv4_series *s, const struct sigv4_credentials *c,
    const struct sigv4_request *r, struct fail *f)
{
	struct buf canonical = BUF_INIT(CANONICAL_MAX);
	size_t ch = 0, uh = 0;
	char stamp[17];
	int rc = -1;

	memset(s, 0, sizeof(*s));
	s->tail.max = CANONICAL_MAX;
	s->url_head.max = s->url_tail.max = URL_MAX;
	if (stamp_of(stamp, r->when, f) == -1 ||
	    assemble(c, r, stamp, &canonical, &ch, &s->url_head, &uh,
	    f) == -1)
		goto out;
	if (ch == 0) {
		fail_set(f, EX_SOFTWARE, "series without a number");
		goto out;
	}
	if (buf_add(&s->tail, canonical.data + ch, canonical.len - ch,
	    f) == -1 ||
	    buf_add(&s->url_tail, s->url_head.data + uh,
	    s->url_head.len - uh, f) == -1)
		goto out;
	s->url_head.len = uh;
	pads(&s->inner, &s->outer, c->secret_key, stamp, c->region);
	string_to_sign(&s->inner, stamp, c->region);
	sha256_init(&s->canonical);
	sha_update(&s->canonical, canonical.data, ch);
	/* A number has ten digits at most. */
	s->url_max = s->url_head.len + 10 + s->url_tail.len + SIGV4_HEX;
	rc = 0;
out:
	buf_free(&canonical);
	if (rc == -1)
		sigv4_series_free(s);
	return rc;
}

size_t
sigv4_series_url(const struct sigv4_series *s, uint32_t number, char *out)
{
	struct sha256_ctx canonical = s->canonical;
	char digits[10], *d = digits + sizeof(digits), *p = out;
	size_t n;

	do {
		*--d = (char)('0' + number % 10);
		number /= 10;
	} while (number != 0);
	n = (size_t)(digits + sizeof(digits) - d);

	sha_update(&canonical, d, n);
	sha_update(&canonical, s->tail.data, s->tail.len);
	memcpy(p, s->url_head.data, s->url_head.len);
	p += s->url_head.len;
	memcpy(p, d, n);
	p += n;
	memcpy(p, s->url_tail.data, s->url_tail.len);
	p += s->url_tail.len;
	finish(canonical, s->inner, s->outer, p);
	p += SIGV4_HEX;
	return (size_t)(p - out);
}

void
sigv4_series_free(struct sigv4_series *s)
{
	buf_free(&s->tail);
	buf_free(&s->url_head);
	buf_free(&s->url_tail);
	explicit_bzero(&s->canonical, sizeof(s->canonical));
	explicit_bzero(&s->inner, sizeof(s->inner));
	explicit_bzero(&s->outer, sizeof(s->outer));
}

/* The check. */

/* A request has ten or so; more is nobody's client. */
#define QUERY_MAX	64

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

static int
nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Undo percent escapes: 0, -1 out of memory, 1 malformed. */
static int
unescape(struct buf *b, const char *s, size_t n, bool plus, struct fail *f)
{
	size_t i;
	int h, l;
	char c;

	if (buf_room(b, n, f) == -1)
		return -1;
	for (i = 0; i < n; i++) {
		c = s[i];
		if (c == '%') {
			if (n - i < 3 || (h = nibble(s[i + 1])) == -1 ||
			    (l = nibble(s[i + 2])) == -1)
				return 1;
			c = (char)(h << 4 | l);
			i += 2;
			if (c == '\0')
				return 1;
		} else if (c == '+' && plus) {
			c = ' ';
		}
		b->data[b->len++] = c;
	}
	b->data[b->len] = '\0';
	return 0;
}

/* The same text with the escapes a canonical request has. */
static int
again(struct buf *out, const char *s, size_t n, bool query, struct fail *f)
{
	struct buf plain = BUF_INIT(CANONICAL_MAX);
	int rc = unescape(&plain, s, n, query, f);

	if (rc == 0)
		rc = sigv4_escape(out, plain.data, plain.len, !query, f);
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
		if (unescape(&c->text, c->query[i].value,
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
		    "Please use " ALGORITHM ".");
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
			    "The authorization header is malformed.");
	}
	c->date = header(in, "x-amz-date");
	c->payload = header(in, "x-amz-content-sha256");
	if (c->credential == NULL || c->signed_headers == NULL ||
	    c->signature == NULL)
		return bad(v, 400, "AuthorizationHeaderMalformed",
		    "The authorization header is malformed.");
	if (c->date == NULL)
		return bad(v, 403, "AccessDenied",
		    "AWS authentication requires a valid X-Amz-Date header.");
	if (c->payload == NULL)
		return bad(v, 400, "InvalidRequest", "Missing required "
		    "header for this request: x-amz-content-sha256");
	return 0;
}

static int
stamp_read(const char *s, time_t *t)
{
	struct tm tm;
	const char *end;
	size_t i;

	memset(&tm, 0, sizeof(tm));
	for (i = 0; i < 16; i++)
		if (i == 8 ? s[i] != 'T' : i == 15 ? s[i] != 'Z' :
		    s[i] < '0' || s[i] > '9')
			return -1;
	if (s[16] != '\0' ||
	    (end = strptime(s, "%Y%m%dT%H%M%SZ", &tm)) == NULL || *end != '\0')
		return -1;
	*t = timegm(&tm);
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
	struct buf want = BUF_INIT(URL_MAX);
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
			return bad(v, 403, "AccessDenied", "There were "
			    "headers present in the request which were not "
			    "signed");
	return 0;
}

static int
in_time(const struct check *c, time_t t, time_t now, struct sigv4_verdict *v)
{
	unsigned long life;
	char *end;

	if (c->expires == NULL) {
		if (t > now + SKEW_S || t < now - SKEW_S)
			return bad(v, 403, "RequestTimeTooSkewed",
			    "The difference between the request time and the "
			    "current time is too large.");
		return 0;
	}
	life = strtoul(c->expires, &end, 10);
	if (c->expires[0] < '0' || c->expires[0] > '9' || *end != '\0' ||
	    life > SIGV4_EXPIRES_MAX || life == 0)
		return bad(v, 400, "AuthorizationQueryParametersError",
		    "X-Amz-Expires must be from 1 to 604800 seconds.");
	if (t > now + SKEW_S)
		return bad(v, 403, "AccessDenied",
		    "Request is not valid yet");
	if (now > t + (time_t)life)
		return bad(v, 403, "AccessDenied", "Request has expired");
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
	    strspn(c->payload, hex_digits) != SIGV4_HEX)
		return bad(v, 400, "InvalidArgument", "x-amz-content-sha256 "
		    "must be UNSIGNED-PAYLOAD or a valid sha256 value.");
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
	struct sha256_ctx all, inner, outer;
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
		    "Only one auth mechanism allowed");
	if (rc == 0 && auth == NULL)
		return bad(v, 403, "AccessDenied", "Access Denied");
	/* The pointers below must not move: no growing from here on. */
	buf_clear(&c->text);
	if (buf_room(&c->text, strlen(in->query) + 64 +
	    (auth != NULL ? strlen(auth) : 0), f) == -1)
		return -1;
	rc = auth != NULL ? from_header(c, in, auth, v, f) :
	    from_query(c, v, f);
	if (rc != 0 || (rc = scope_check(c, region, v, f)) != 0 ||
	    (rc = all_signed(c, in, v)) != 0)
		return rc;
	/* Its sixteen characters are relied upon from here on. */
	if (stamp_read(c->date, &t) == -1)
		return bad(v, 403, "AccessDenied",
		    "The request's date is malformed.");
	if ((key = secret(arg, v->access_key)) == NULL)
		return bad(v, 403, "InvalidAccessKeyId",
		    "The access key does not exist here.");

	if ((rc = canonical_request(&canonical, c, in, v, f)) == 0) {
		pads(&inner, &outer, key, c->date, region);
		string_to_sign(&inner, c->date, region);
		sha256_init(&all);
		sha_update(&all, canonical.data, canonical.len);
		finish(all, inner, outer, signature);
		if (strlen(c->signature) != SIGV4_HEX ||
		    !memeql_sec(signature, c->signature, SIGV4_HEX))
			rc = bad(v, 403, "SignatureDoesNotMatch", "The "
			    "request signature we calculated does not match "
			    "the signature you provided.");
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
	pairs_free(c.query, c.nquery);
	buf_free(&c.text);
	return rc == -1 ? -1 : 0;
}
