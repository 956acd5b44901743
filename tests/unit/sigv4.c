/* SigV4: AWS's published examples, the series, and what the check refuses. */

#include <stdlib.h>
#include <string.h>

#include "region/sign/sigv4.h"
#include "unit.h"

/*
 * The key pair, times and signatures of the examples in the API reference of
 * Amazon S3 ("Authenticating Requests").
 */
static const struct sigv4_credentials aws = {
	.access_key = "AKIAIOSFODNN7EXAMPLE",
	.secret_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
	.region = "us-east-1",
};

#define WHEN	1369353600	/* 2013-05-24T00:00:00Z */
#define EMPTY	"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b" \
		"7852b855"
#define SCOPE	"20130524/us-east-1/s3/aws4_request"

static const char *
secret(void *arg, const char *access)
{
	(void)arg;
	return strcmp(access, aws.access_key) == 0 ? aws.secret_key : NULL;
}

static struct sigv4_verdict
verify(const struct sigv4_incoming *in, time_t now)
{
	struct sigv4_verdict v;
	struct fail f;

	if (sigv4_verify(in, "us-east-1", now, secret, NULL, &v, &f) == -1)
		v.status = 999;
	return v;
}

static void
test_presign(void)
{
	const struct sigv4_request r = {
		.method = "GET",
		.origin = "https://examplebucket.s3.amazonaws.com",
		.path = "/test.txt",
		.when = WHEN,
		.expires_s = 86400,
	};
	struct buf url = BUF_INIT(65536);
	struct fail f;

	UNIT_CHECK(sigv4_presign(&aws, &r, &url, &f) == 0 &&
	    strstr(url.data, "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d8"
	    "6835f995330da4c265957d157751f604d404") != NULL,
	    "AWS's example of a presigned URL");
	buf_free(&url);
}

static void
test_series(void)
{
	struct sigv4_param p[] = { { "uploadId", "u/1" },
	    { "partNumber", SIGV4_NUMBER } };
	static const uint32_t numbers[] = { 0, 1, 9, 10, 99, 100, 9999, 10000,
	    UINT32_MAX };
	struct sigv4_request r = {
		.method = "PUT",
		.origin = "http://h:1",
		.params = p,
		.nparams = 2,
		.when = WHEN,
		.expires_s = 604800,
	};
	char path[160] = "/", number[16], *out;
	struct buf url = BUF_INIT(65536);
	struct sigv4_series s;
	struct fail f;
	size_t i, j, len;
	int same = 0, all = 0;

	/* Each path length shifts the hash's blocks by one byte. */
	for (i = 1; i < 130; i++) {
		path[i] = 'k';
		path[i + 1] = '\0';
		r.path = path;
		p[1].value = SIGV4_NUMBER;
		if (sigv4_series(&s, &aws, &r, &f) == -1 ||
		    (out = malloc(s.url_max)) == NULL)
			break;
		for (j = 0; j < sizeof(numbers) / sizeof(*numbers); j++) {
			len = sigv4_series_url(&s, numbers[j], out);
			snprintf(number, sizeof(number), "%u",
			    (unsigned)numbers[j]);
			p[1].value = number;
			buf_clear(&url);
			all++;
			same += len <= s.url_max &&
			    sigv4_presign(&aws, &r, &url, &f) == 0 &&
			    url.len == len && memcmp(url.data, out, len) == 0;
		}
		free(out);
		sigv4_series_free(&s);
	}
	UNIT_CHECK(all == 129 * 9 && same == all,
	    "a series gives the URLs that one by one gives (%d of %d)", same,
	    all);
	buf_free(&url);
}

static void
test_headers(void)
{
	static const struct {
		const char	*name, *method, *path, *query, *auth;
		struct sigv4_header h[6];
		size_t		 n;
	} examples[] = {
		{ "GET object", "GET", "/test.txt", "",
		    "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/" SCOPE
		    ",SignedHeaders=host;range;x-amz-content-sha256;"
		    "x-amz-date,Signature=f0e8bdb87c964420e857bd35b5d6ed310bd4"
		    "4f0170aba48dd91039c6036bdb41",
		    { { "Host", "examplebucket.s3.amazonaws.com" },
		      { "Range", "bytes=0-9" },
		      { "x-amz-content-sha256", EMPTY },
		      { "x-amz-date", "20130524T000000Z" } }, 4 },
		{ "PUT object", "PUT", "/test%24file.text", "",
		    "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/" SCOPE
		    ", SignedHeaders=date;host;x-amz-content-sha256;"
		    "x-amz-date;x-amz-storage-class, Signature=98ad721746da40"
		    "c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
		    { { "Date", "Fri, 24 May 2013 00:00:00 GMT" },
		      { "Host", "examplebucket.s3.amazonaws.com" },
		      { "x-amz-content-sha256", "44ce7dd67c959e0d3524ffac1771"
			"dfbba87d2b6b4b4e99e42034a8b803f8b072" },
		      { "x-amz-date", "20130524T000000Z" },
		      { "x-amz-storage-class", "REDUCED_REDUNDANCY" } }, 5 },
		{ "GET lifecycle", "GET", "/", "lifecycle",
		    "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/" SCOPE
		    ",SignedHeaders=host;x-amz-content-sha256;x-amz-date,"
		    "Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91"
		    "ac7a200a0136783543",
		    { { "HOST", "examplebucket.s3.amazonaws.com" },
		      { "X-Amz-Content-Sha256", EMPTY },
		      { "X-AMZ-DATE", "20130524T000000Z" } }, 3 },
		{ "list objects", "GET", "/", "prefix=J&max-keys=2",
		    "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/" SCOPE
		    ",SignedHeaders=host;x-amz-content-sha256;x-amz-date,"
		    "Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6"
		    "670ed5711ef69dc6f7",
		    { { "Host", "  examplebucket.s3.amazonaws.com  " },
		      { "x-amz-content-sha256", EMPTY },
		      { "x-amz-date", "20130524T000000Z" } }, 3 },
	};
	struct sigv4_header h[8];
	struct sigv4_incoming in = { .headers = h };
	struct sigv4_verdict v;
	size_t i;

	for (i = 0; i < sizeof(examples) / sizeof(*examples); i++) {
		memcpy(h, examples[i].h, sizeof(examples[i].h));
		h[examples[i].n] = (struct sigv4_header){ "authorization",
		    examples[i].auth };
		in.method = examples[i].method;
		in.path = examples[i].path;
		in.query = examples[i].query;
		in.nheaders = examples[i].n + 1;
		v = verify(&in, WHEN);
		UNIT_CHECK(v.status == 0, "AWS's example: %s (%s)",
		    examples[i].name, v.status == 0 ? "good" : v.code);
		v = verify(&in, WHEN + 901);
		UNIT_CHECK(v.status == 403 &&
		    strcmp(v.code, "RequestTimeTooSkewed") == 0,
		    "%s: not a quarter of an hour later", examples[i].name);
		in.method = "POST";
		UNIT_CHECK(verify(&in, WHEN).status == 403,
		    "%s: not for another method", examples[i].name);
		in.method = examples[i].method;
		in.query = "x";
		UNIT_CHECK(verify(&in, WHEN).status == 403,
		    "%s: not for another query", examples[i].name);
		in.query = examples[i].query;
		h[examples[i].n + 1] = (struct sigv4_header){ "X-Amz-Meta-A",
		    "b" };
		in.nheaders++;
		v = verify(&in, WHEN);
		UNIT_CHECK(v.status == 403 &&
		    strcmp(v.code, "AccessDenied") == 0,
		    "%s: not with one more x-amz- header", examples[i].name);
	}
}

/* What is malformed is refused before anything is read beyond its end. */
static void
test_malformed(void)
{
	static const char good[] = "X-Amz-Algorithm=AWS4-HMAC-SHA256"
	    "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1"
	    "%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z"
	    "&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature="
	    "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
	static const struct sigv4_header host = { "Host",
	    "examplebucket.s3.amazonaws.com" };
	struct sigv4_incoming in = {
		.method = "GET",
		.path = "/test.txt",
		.query = good,
		.headers = &host,
		.nheaders = 1,
	};
	char query[sizeof(good)];
	size_t i, refused = 0;

	UNIT_CHECK(verify(&in, WHEN).status == 0, "the query is good");
	UNIT_CHECK(verify(&in, WHEN + 86400).status == 0,
	    "to its last second");
	UNIT_CHECK(verify(&in, WHEN + 86401).status == 403, "and no longer");
	UNIT_CHECK(verify(&in, WHEN - 901).status == 403,
	    "nor before its time");
	for (i = 0; i < sizeof(good) - 1; i++) {
		memcpy(query, good, i);
		query[i] = '\0';
		in.query = query;
		refused += verify(&in, WHEN).status != 0;
	}
	UNIT_CHECK(refused == sizeof(good) - 1, "cut short anywhere");
	for (i = refused = 0; i < sizeof(good) - 1; i++) {
		memcpy(query, good, sizeof(good));
		query[i] = query[i] == '~' ? '!' : '~';
		refused += verify(&in, WHEN).status != 0;
	}
	UNIT_CHECK(refused == sizeof(good) - 1, "changed anywhere");
	/* The same, its escapes undone: shorter than what is made of it. */
	for (i = refused = 0; good[i] != '\0'; i++)
		if (strncmp(good + i, "%2F", 3) == 0) {
			query[refused++] = '/';
			i += 2;
		} else {
			query[refused++] = good[i];
		}
	query[refused] = '\0';
	UNIT_CHECK(verify(&in, WHEN).status == 0, "without escapes");
	in.query = good;
	in.path = "/test%2etxt";
	UNIT_CHECK(verify(&in, WHEN).status == 0,
	    "the same path in other escapes is the same");
	in.path = "/test.txt%";
	UNIT_CHECK(verify(&in, WHEN).status == 400, "a bad escape");
	in.path = "/test.txt";
	in.nheaders = 0;
	UNIT_CHECK(verify(&in, WHEN).status == 403, "no host header");
}

int
main(void)
{
	test_presign();
	test_series();
	test_headers();
	test_malformed();
	return unit_end();
}
