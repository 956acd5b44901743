/*
 * Sign requests: whatever is asked, what is signed to be written lies below
 * the caller's own prefix, and what is signed to be read within the origins;
 * no key has a segment that leads elsewhere.
 */
#include "fuzz.h"

#include <sysexits.h>

#include "core/span.h"
#include "region/sign/block.h"
#include "region/sign/path.h"
#include "region/sign/request.h"

#define PREFIX	"projects/p-1/sandbox-template-builds/"

static char bucket[] = "own", other[] = "images", prefix[] = "pub/base";
static struct config_origin origin = { other, prefix };
static char endpoint[] = "http://h", region[] = "us-east-1", word[] = "x";
static const struct config config = { .bucket = bucket, .endpoint = endpoint,
    .region = region, .access_key = word, .secret_key = word,
    .expires_s = 60, .origins = &origin, .norigins = 1 };

static void
key_is_plain(const char *key)
{
	struct buf slashed = BUF_INIT(8192);
	struct fail f;
	const char *p;

	MUST(buf_addf(&slashed, &f, "/%s/", key) == 0);
	MUST(strstr(slashed.data, "//") == NULL &&
	    strstr(slashed.data, "/./") == NULL &&
	    strstr(slashed.data, "/../") == NULL);
	MUST(strlen(key) <= SIGN_PATH_MAX && strpbrk(key, "\\%") == NULL);
	for (p = key; *p != '\0'; p++)
		MUST((unsigned char)*p >= 0x20 && *p != 0x7f);
	buf_free(&slashed);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct buf block = BUF_INIT(BUF_DOC_MAX);
	struct sign_request r;
	struct span doc;
	struct fail f;

	if (sign_parse(&r, (const char *)p, n, "p-1", &config, &f) == -1) {
		MUST(f.status == EX_DATAERR || f.status == EX_NOPERM);
		MUST(strchr(f.msg, '\n') == NULL);
		return 0;
	}
	key_is_plain(r.key);
	if (r.kind == SIGN_SINGLE_GET)
		MUST(strcmp(r.bucket, bucket) == 0 ||
		    (strcmp(r.bucket, other) == 0 &&
		    strncmp(r.key, "pub/base", 8) == 0 &&
		    (r.key[8] == '/' || r.key[8] == '\0')));
	else
		MUST(strcmp(r.bucket, bucket) == 0 &&
		    strncmp(r.key, PREFIX, strlen(PREFIX)) == 0);
	if (r.kind == SIGN_MULTIPART_PUT) {
		MUST(r.parts >= 1 && r.parts <= SIGN_PARTS_MAX &&
		    r.part_bytes >= SIGN_PART_MIN &&
		    r.part_bytes <= SIGN_PART_MAX);
		r.parts = r.parts % 3 + 1;
	}
	/* And the block is JSON. */
	MUST(sign_block(&block, &r, &config,
	    r.kind == SIGN_MULTIPART_PUT ? "id" : NULL, 1000000000,
	    &f) == 0);
	MUST(span_parse(&doc, block.data, block.len, &f) == 0);
	buf_free(&block);
	sign_request_free(&r);
	return 0;
}

FUZZ_MAIN(((const char *const []){
	"{\"rel_path\":\"" PREFIX "b/s.tlsnap\",\"op\":{\"kind\":"
	"\"multipart_put\",\"parts\":16,\"part_size_bytes\":67108864}}",
	"{\"target\":{\"kind\":\"artifact\",\"rel_path\":\"" PREFIX "b\"},"
	"\"op\":{\"kind\":\"put_artifact\",\"multipart_hint\":{\"max_parts\":2,"
	"\"part_size_bytes\":5242880}}}",
	"{\"uri\":\"s3://images/pub/base/\\u00e9\",\"op\":{\"kind\":"
	"\"single_get\"}}",
	"{\"target\":{\"kind\":\"blob\",\"uri\":\"s3://own/a/b\"},"
	"\"op\":{\"kind\":\"get_blob\"}}",
	"{\"rel_path\":\"" PREFIX "x\",\"op\":{\"kind\":\"single_put\"}}",
}));
