/*
 * The store's check of signatures.  Nobody without the secret passes it,
 * whatever the request; what was signed passes as it was sent, and no longer
 * once a byte of it is another.
 *
 * Input: lines "METHOD PATH?QUERY" and "NAME: VALUE".
 */
#include "fuzz.h"

#include "core/hex.h"
#include "region/sign/sigv4.h"

#define WHEN	1369353600
#define HEADERS	40

static const struct sigv4_credentials ours = {
	.access_key = "AK", .region = "us-east-1",
	.secret_key = "a secret that no input will guess",
};
static struct fail f;

static const char *
secret(void *arg, const char *access)
{
	(void)arg;
	return strcmp(access, "AK") == 0 ? ours.secret_key : NULL;
}

static unsigned
verify(const struct sigv4_incoming *in)
{
	struct sigv4_verdict v;

	MUST(sigv4_verify(in, "us-east-1", WHEN + 10, secret, NULL, &v,
	    &f) == 0);
	MUST(v.status == 0 || (v.code != NULL && v.message != NULL));
	MUST(strlen(v.access_key) < sizeof(v.access_key));
	MUST(v.payload[0] == '\0' || strlen(v.payload) == SIGV4_HEX);
	return v.status;
}

/* Any request at all. */
static void
forged(char *text)
{
	struct sigv4_header h[HEADERS];
	struct sigv4_incoming in = { .query = "", .headers = h };
	char *line = strsep(&text, "\n"), *colon;

	in.method = strsep(&line, " ");
	in.path = line == NULL ? "/" : strsep(&line, "?");
	if (line != NULL)
		in.query = line;
	while ((line = strsep(&text, "\n")) != NULL && in.nheaders < HEADERS) {
		if ((colon = strchr(line, ':')) == NULL)
			continue;
		*colon++ = '\0';
		h[in.nheaders++] = (struct sigv4_header){ line,
		    colon + strspn(colon, " ") };
	}
	MUST(verify(&in) != 0);
}

/* Where a byte counts no more: it means the same in another spelling. */
static bool
same(const char *a, const char *b)
{
	struct buf x = BUF_INIT(1 << 20), y = BUF_INIT(1 << 20);
	bool is = hex_unescape(&x, a, strlen(a), true, &f) == 0 &&
	    hex_unescape(&y, b, strlen(b), true, &f) == 0 && x.len == y.len &&
	    memcmp(x.data, y.data, x.len) == 0;

	buf_free(&x);
	buf_free(&y);
	return is;
}

/* A key and a parameter made of the input, signed, then sent. */
static void
signed_by_us(const char *text, size_t n)
{
	struct buf path = BUF_INIT(4096), url = BUF_INIT(1 << 20);
	struct sigv4_header host = { "Host", "h:9" };
	struct sigv4_param param = { "uploadId", NULL };
	struct sigv4_request r = { .method = "PUT", .origin = "http://h:9",
	    .params = &param, .nparams = 1, .when = WHEN, .expires_s = 60 };
	struct sigv4_incoming in = { .method = "PUT", .headers = &host,
	    .nheaders = 1 };
	char *query, *was, c;
	size_t at;

	if (n > 1000 || strlen(text) != n)
		return;
	MUST(buf_addf(&path, &f, "/b/%s", text) == 0);
	r.path = path.data;
	param.value = text;
	MUST(sigv4_presign(&ours, &r, &url, &f) == 0);
	MUST(memcmp(url.data, "http://h:9/", 11) == 0);
	query = strchr(url.data, '?');
	*query++ = '\0';
	in.path = url.data + 10;
	in.query = query;
	MUST(verify(&in) == 0);
	in.method = "GET";
	MUST(verify(&in) != 0);
	in.method = "PUT";
	host.value = "h:8";
	MUST(verify(&in) != 0);
	host.value = "h:9";
	/* One byte of the query, in turn over the rounds. */
	was = strdup(query);
	at = (n * 131 + (n > 0 ? (unsigned char)text[n / 2] : 0)) %
	    strlen(query);
	c = query[at];
	query[at] = c == 'z' ? 'y' : 'z';
	MUST(same(was, query) || verify(&in) != 0);
	free(was);
	buf_free(&path);
	buf_free(&url);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	char *text = strndup((const char *)p, n);

	MUST(text != NULL);
	signed_by_us(text, strlen(text));
	forged(text);
	free(text);
	return 0;
}

#define SCOPE	"AK/20130524/us-east-1/s3/aws4_request"
#define ZEROS	"00000000000000000000000000000000" \
		"00000000000000000000000000000000"

FUZZ_MAIN(((const char *const []){
	"GET /b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AK%2F"
	"20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z"
	"&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=" ZEROS
	"\nHost: h:9\n",
	"PUT /b/a%20b/c?partNumber=1&uploadId=x\nHost: h:9\n"
	"X-Amz-Date: 20130524T000000Z\nx-amz-content-sha256: UNSIGNED-PAYLOAD\n"
	"Authorization: AWS4-HMAC-SHA256 Credential=" SCOPE ", SignedHeaders="
	"host;x-amz-content-sha256;x-amz-date, Signature=" ZEROS "\n",
}));
