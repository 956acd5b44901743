#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <nettle/hmac.h>

#include "core/hex.h"
#include "region/sign/sigv4.h"

#define ALGORITHM	"AWS4-HMAC-SHA256"
#define UNSIGNED	"UNSIGNED-PAYLOAD"
#define SERVICE		"s3"
/* Hardly longer than the URL that is made of it. */
#define CANONICAL_MAX	(256UL << 10)
/* A key of 1,024 bytes and a token of 8,192, every byte escaped. */
#define URL_MAX		(64UL << 10)

const char SIGV4_NUMBER[] = "N";

/*
 * A digest in hex, eight digits at a time: a nibble n is '0' + n, and what is
 * above 9 (n + 6 carries into the fifth bit) is 'a' - '0' - 10 further on.
 */
static inline void
hex(char *out, const uint8_t in[SHA256_DIGEST_SIZE])
{
	const uint64_t ones = 0x0101010101010101;
	uint64_t x;
	size_t i;

	for (i = 0; i < SHA256_DIGEST_SIZE; i += 4) {
		x = (uint64_t)in[i] << 48 | (uint64_t)in[i + 1] << 32 |
		    (uint64_t)in[i + 2] << 16 | in[i + 3];
		x = (x << 4 & 0x0f000f000f000f00) | (x & 0x000f000f000f000f);
		x += '0' * ones + ((x + 6 * ones) >> 4 & ones) *
		    ('a' - '0' - 10);
		x = htobe64(x);
		memcpy(out + 2 * i, &x, sizeof(x));
	}
}

static void
sha_update(struct sha256_ctx *c, const void *p, size_t n)
{
	sha256_update(c, n, p);
}

static int
escape(struct buf *b, const char *s, struct fail *f)
{
	return hex_escape(b, s, strlen(s), "", f);
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

/* From a canonical request taken in whole to the signature. */
static inline void
finish(struct sha256_ctx *canonical, const struct sha256_ctx *inner,
    const struct sha256_ctx *outer, char out[SIGV4_HEX])
{
	uint8_t digest[SHA256_DIGEST_SIZE];
	struct sha256_ctx c = *inner;
	char text[SIGV4_HEX];

	sha256_digest(canonical, sizeof(digest), digest);
	hex(text, digest);
	sha_update(&c, text, sizeof(text));
	sha256_digest(&c, sizeof(digest), digest);
	c = *outer;
	sha_update(&c, digest, sizeof(digest));
	sha256_digest(&c, sizeof(digest), digest);
	hex(out, digest);
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

void
sigv4_signature(char out[SIGV4_HEX], const struct buf *canonical,
    const char *secret, const char *stamp, const char *region)
{
	struct sha256_ctx all, inner, outer;

	pads(&inner, &outer, secret, stamp, region);
	string_to_sign(&inner, stamp, region);
	sha256_init(&all);
	sha_update(&all, canonical->data, canonical->len);
	finish(&all, &inner, &outer, out);
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
	    hex_escape(url, r->path, strlen(r->path), "/", f) == -1)
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
	    hex_escape(canonical, r->path, strlen(r->path), "/", f) == -1 ||
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
	size_t hole = 0;
	char signature[SIGV4_HEX], stamp[17];
	int rc = -1;

	if (stamp_of(stamp, r->when, f) == -1 ||
	    assemble(c, r, stamp, &canonical, &hole, &u, &hole, f) == -1)
		goto out;
	sigv4_signature(signature, &canonical, c->secret_key, stamp,
	    c->region);
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
	finish(&canonical, &s->inner, &s->outer, p);
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
