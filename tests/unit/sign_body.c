/*
 * The two dialects of a sign request, byte for byte
 * (tl-wire(7), "Sign request").
 */

#include <string.h>

#include "client/stages/sign.h"
#include "unit.h"

static void
put(enum sign_dialect d, const char *want)
{
	struct buf b = BUF_INIT(BUF_SMALL_MAX);
	struct fail f;

	UNIT_CHECK(sign_put_body(&b, d, "projects/p/\"x\"", 160, 67108864, &f)
	    == 0 && strcmp(b.data, want) == 0, "%s", want);
	buf_free(&b);
}

static void
get(enum sign_dialect d, const char *want)
{
	struct buf b = BUF_INIT(BUF_SMALL_MAX);
	struct fail f;

	UNIT_CHECK(sign_get_body(&b, d, "s3://b/p", &f) == 0 &&
	    strcmp(b.data, want) == 0, "%s", want);
	buf_free(&b);
}

int
main(void)
{
	enum sign_dialect d = SIGN_AUTO;

	put(SIGN_SEED, "{\"rel_path\":\"projects/p/\\\"x\\\"\",\"op\":{"
	    "\"kind\":\"multipart_put\",\"parts\":160,"
	    "\"part_size_bytes\":67108864}}");
	put(SIGN_MERGED, "{\"target\":{\"kind\":\"artifact\","
	    "\"rel_path\":\"projects/p/\\\"x\\\"\"},\"op\":{"
	    "\"kind\":\"put_artifact\",\"multipart_hint\":{"
	    "\"max_parts\":160,\"part_size_bytes\":67108864}}}");
	get(SIGN_SEED, "{\"uri\":\"s3://b/p\",\"op\":{"
	    "\"kind\":\"single_get\"}}");
	get(SIGN_MERGED, "{\"target\":{\"kind\":\"blob\","
	    "\"uri\":\"s3://b/p\"},\"op\":{\"kind\":\"get_blob\"}}");
	UNIT_CHECK(sign_dialect("merged", &d) == 0 && d == SIGN_MERGED &&
	    sign_dialect("seed", &d) == 0 && d == SIGN_SEED &&
	    sign_dialect("auto", &d) == 0 && d == SIGN_AUTO,
	    "the words");
	UNIT_CHECK(sign_dialect("Seed", &d) == -1 &&
	    sign_dialect("", &d) == -1, "no other word");
	return unit_end();
}
