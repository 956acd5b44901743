/* What a sign request opens, for who passes it on: the dataplane's reading. */

#include <stdlib.h>
#include <string.h>

#include "region/sign/request.h"
#include "unit.h"

#define P	"projects/p1/sandbox-template-builds/"
#define PUT	"\"op\":{\"kind\":\"multipart_put\",\"parts\":1,"	\
		"\"part_size_bytes\":5242880}"

static const struct {
	const char	*text;
	const char	*key;	/* or NULL: it opens nothing */
} cases[] = {
	{ "{\"rel_path\":\"" P "b/s\"," PUT "}", P "b/s" },
	{ "{" PUT ",\"rel_path\":\"\\u0070rojects/p1/sandbox-template-builds/"
	    "b/\\u00e9\"}", P "b/\303\251" },
	{ "{\"target\":{\"kind\":\"artifact\",\"rel_path\":\"" P "b/s\"},"
	    "\"op\":{\"kind\":\"put_artifact\"}}", P "b/s" },
	{ "{\"rel_path\":\"" P "b/s\",\"op\":{\"kind\":\"single_put\"}}",
	    NULL },
	{ "{\"rel_path\":\"" P "b/s\",\"op\":{\"kind\":\"single_get\"}}",
	    NULL },
	{ "{\"uri\":\"s3:///" P "b/s\",\"op\":{\"kind\":\"single_get\"}}",
	    NULL },
	{ "{\"target\":{\"kind\":\"blob\",\"uri\":\"s3://b/k\"},"
	    "\"op\":{\"kind\":\"get_blob\"}}", NULL },
	{ "{\"rel_path\":\"projects/p2/sandbox-template-builds/b/s\"," PUT
	    "}", NULL },
	{ "{\"rel_path\":\"" P "../s\"," PUT "}", NULL },
	{ "{\"rel_path\":\"" P "b\\ns\"," PUT "}", NULL },
	{ "{\"rel_path\":\"" P "a\",\"rel_path\":\"" P "b\"," PUT "}", NULL },
	{ "{\"rel_path\":\"" P "a\",\"target\":{\"kind\":\"artifact\","
	    "\"rel_path\":\"" P "b\"}," PUT "}", NULL },
	{ "[]", NULL },
	{ "", NULL },
};

int
main(void)
{
	struct buf key = BUF_INIT(4096);
	struct fail f;
	size_t i;
	int rc;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		buf_clear(&key);
		rc = sign_opens(cases[i].text, strlen(cases[i].text), "p1",
		    &key, &f);
		UNIT_CHECK(cases[i].key == NULL ? rc == 0 && key.len == 0 :
		    rc == 1 && strcmp(key.data, cases[i].key) == 0,
		    "%.60s: %s", cases[i].text,
		    cases[i].key == NULL ? "nothing" : "its key");
	}
	buf_free(&key);
	return unit_end();
}
