/*
 * metadata.json: the tables of tl-wire(7), "Metadata and complete", name by
 * name.
 */

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "client/stages/metadata.h"
#include "unit.h"

#define PREPARED(rest)							\
	"{\"buildId\":\"b\",\"snapshotId\":\"prep-snap\","		\
	"\"rootfsNodeKind\":\"base\",\"builder\":{\"image\":\"i\","	\
	"\"command\":\"c\",\"cpus\":1,\"memoryMb\":1,\"diskMb\":1}" rest "}"
#define NEW	",\"snapshotRelPath\":\"projects/p/x\""
#define PARENT								\
	",\"parent\":{\"parentManifestUri\":\"s3://prep-parent\","		\
	"\"rootfsDiskBytes\":42}"

#define FMT	"\"snapshot_format_version\":\"v\","
#define SIZE	"\"snapshot_size_bytes\":1,"
#define DISK	"\"rootfs_disk_bytes\":2,"
#define URI	"\"snapshot_uri\":\"s3://m\","
#define DOC(rest)	"{" FMT SIZE DISK rest "\"x\":0}"

static struct fail f;
static struct completion c;

static int
read_it(const char *prepared, const char *metadata, const char *uri,
    const uint64_t *mb)
{
	struct buf text = BUF_INIT(BUF_SMALL_MAX);
	struct prepared p;
	struct span doc;
	int r = -2;

	completion_free(&c);
	if (buf_adds(&text, prepared, &f) == 0 &&
	    prepared_parse(&p, &text, EX_DATAERR, &f) == 0 &&
	    span_parse(&doc, metadata, strlen(metadata), &f) == 0)
		r = metadata_read(&c, &doc, &p, uri, mb, &f);
	else
		printf("# %s\n", f.msg);
	prepared_free(&p);
	buf_free(&text);
	return r;
}

static bool
is(const char *got, const char *want)
{
	return got != NULL && strcmp(got, want) == 0;
}

static void
bad(const char *says, const char *prepared, const char *metadata,
    const char *uri)
{
	UNIT_CHECK(read_it(prepared, metadata, uri, NULL) == -1 &&
	    f.status == EX_DATAERR && strstr(f.msg, says) != NULL,
	    "refused: %s", says);
	if (strstr(f.msg, says) == NULL)
		printf("# %s\n", f.msg);
}

static void
body(const char *want)
{
	struct buf b = BUF_INIT(BUF_SMALL_MAX);

	UNIT_CHECK(completion_body(&c, &b, &f) == 0 && is(b.data, want),
	    "body: %s", want);
	if (b.data != NULL)
		printf("# %s\n", b.data);
	buf_free(&b);
}

#define SHA	"0123456789abcdef0123456789abcdef" \
		"0123456789abcdef0123456789abcdef"

static void
names(void)
{
	UNIT_CHECK(read_it(PREPARED(), "{\"snapshotId\":\"ms\","
	    "\"snapshotUri\":\"s3://m\",\"snapshotFormatVersion\":\"v\","
	    "\"snapshotSizeBytes\":7,\"rootfsDiskBytes\":\"8\","
	    "\"rootfsNodeKind\":\"diff\",\"parentManifestUri\":\"s3://q\","
	    "\"rootfsFormat\":\"ext4\"}", NULL, NULL) == 0, "camel names");
	body("{\"snapshotId\":\"ms\",\"snapshotUri\":\"s3://m\","
	    "\"snapshotFormatVersion\":\"v\",\"snapshotSizeBytes\":7,"
	    "\"rootfsDiskBytes\":8,\"rootfsNodeKind\":\"diff\","
	    "\"parentManifestUri\":\"s3://q\",\"rootfsFormat\":\"ext4\"}");
	UNIT_CHECK(read_it(PREPARED(), DOC(URI "\"snapshot_sha256\":\""
	    SHA "\","), NULL, NULL) == 0, "a sum");
	UNIT_CHECK(c.sha256 != NULL && is(c.sha256, SHA), "is kept");
	UNIT_CHECK(read_it(PREPARED(), DOC(URI "\"snapshotSha256\":null,"),
	    NULL, NULL) == 0 && c.sha256 == NULL, "none");
	UNIT_CHECK(read_it(PREPARED(), DOC(URI "\"snapshot_id\":\"a\","
	    "\"snapshotId\":\"b\","), NULL, NULL) == 0 &&
	    is(c.snapshot_id, "a"), "snake before camel");
	UNIT_CHECK(read_it(PREPARED(), DOC(URI "\"snapshot_id\":null,"
	    "\"snapshotId\":\"b\","), NULL, NULL) == 0 &&
	    is(c.snapshot_id, "prep-snap"), "a null snake hides camel");
	UNIT_CHECK(read_it(PREPARED(), DOC(URI "\"snapshot_id\":5,"
	    "\"snapshotId\":\"b\","), NULL, NULL) == 0 &&
	    is(c.snapshot_id, "prep-snap"), "so does one of another type");
	bad("snapshot_size_bytes: ", PREPARED(), "{" FMT DISK URI
	    "\"snapshot_size_bytes\":null,\"snapshotSizeBytes\":1}", NULL);
	bad("snapshot_id", PREPARED(), DOC(URI "\"snapshot_id\":\"a\","
	    "\"snapshot_id\":\"b\","), NULL);
	UNIT_CHECK(read_it(PREPARED(), DOC(URI), NULL, NULL) == 0,
	    "only what must be there");
	body("{\"snapshotId\":\"prep-snap\",\"snapshotUri\":\"s3://m\","
	    "\"snapshotFormatVersion\":\"v\",\"snapshotSizeBytes\":1,"
	    "\"rootfsDiskBytes\":2,\"rootfsNodeKind\":\"base\"}");
	bad("snapshot_sha256: not a SHA-256", PREPARED(),
	    DOC(URI "\"snapshot_sha256\":5,"), NULL);
	bad("snapshot_sha256: not a SHA-256", PREPARED(),
	    DOC(URI "\"snapshotSha256\":\"0" SHA "\","), NULL);
	bad("snapshot_format_version: missing", PREPARED(),
	    "{" SIZE DISK URI "\"x\":0}", NULL);
	bad("snapshot_size_bytes: missing", PREPARED(),
	    "{" FMT DISK URI "\"x\":0}", NULL);
	bad("rootfs_disk_bytes: missing", PREPARED(),
	    "{" FMT SIZE URI "\"x\":0}", NULL);
	bad("not a JSON object", PREPARED(), "[]", NULL);
}

static void
numbers(void)
{
	static const struct {
		const char *text;
		bool good;
		uint64_t n;
	} t[] = {
		{ "0", true, 0 },
		{ "18446744073709551615", true, UINT64_MAX },
		{ "18446744073709551616", false, 0 },
		{ "\"18446744073709551615\"", true, UINT64_MAX },
		{ "\"18446744073709551616\"", false, 0 },
		{ "\"+5\"", true, 5 },
		{ "\"0000000000000000000000000005\"", true, 5 },
		{ "\"\\u0035\"", true, 5 },
		{ "\"+\"", false, 0 },
		{ "\"++5\"", false, 0 },
		{ "\"-5\"", false, 0 },
		{ "\"-0\"", false, 0 },
		{ "\"\"", false, 0 },
		{ "\" 5\"", false, 0 },
		{ "\"5 \"", false, 0 },
		{ "\"5.0\"", false, 0 },
		{ "\"1e3\"", false, 0 },
		{ "\"0x5\"", false, 0 },
		{ "\"5\\u0000\"", false, 0 },
		{ "1.0", false, 0 },
		{ "1e3", false, 0 },
		{ "-1", false, 0 },
		{ "true", false, 0 },
		{ "[5]", false, 0 },
		{ "null", false, 0 },
	};
	char doc[256];
	size_t i;
	int r;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		snprintf(doc, sizeof(doc), "{" FMT DISK URI
		    "\"snapshot_size_bytes\":%s}", t[i].text);
		r = read_it(PREPARED(), doc, NULL, NULL);
		UNIT_CHECK(r == (t[i].good ? 0 : -1) &&
		    (!t[i].good || c.snapshot_bytes == t[i].n),
		    "size %s", t[i].text);
	}
}

static void
uris(void)
{
	UNIT_CHECK(read_it(PREPARED(NEW), DOC(), "s3://signed", NULL) == 0 &&
	    is(c.snapshot_uri, "s3://signed"), "signed, metadata silent");
	UNIT_CHECK(read_it(PREPARED(NEW), DOC(URI), "s3://m", NULL) == 0 &&
	    is(c.snapshot_uri, "s3://m"), "signed and metadata agree");
	bad("signed was s3://signed", PREPARED(NEW), DOC(URI), "s3://signed");
	UNIT_CHECK(read_it(PREPARED(NEW ",\"snapshotUri\":\"s3://p\""),
	    DOC(), "s3://signed", NULL) == 0 &&
	    is(c.snapshot_uri, "s3://signed"), "never the prepared one");
	UNIT_CHECK(read_it(PREPARED(",\"snapshotUri\":\"s3://p\""),
	    DOC(URI), NULL, NULL) == 0 && is(c.snapshot_uri, "s3://m"),
	    "unsigned: metadata wins");
	UNIT_CHECK(read_it(PREPARED(",\"snapshotUri\":\"s3://p\""),
	    DOC(), NULL, NULL) == 0 && is(c.snapshot_uri, "s3://p"),
	    "unsigned: else prepared");
	bad("snapshot_uri: missing", PREPARED(), DOC(), NULL);
	bad("snapshot_uri: empty", PREPARED(",\"snapshotUri\":\"s3://p\""),
	    DOC("\"snapshot_uri\":\"\","), NULL);
	bad("snapshot_uri: empty", PREPARED(NEW),
	    DOC("\"snapshot_uri\":\"\","), "s3://signed");
	bad("prepared snapshotUri is empty",
	    PREPARED(",\"snapshotUri\":\"\""), DOC(), NULL);
	bad("signed uri is empty", PREPARED(NEW), DOC(URI), "");
	bad("https://h/x?", PREPARED(NEW),
	    DOC("\"snapshot_uri\":\"https://h/x?secret=1\","), "s3://m");
	UNIT_CHECK(strstr(f.msg, "secret") == NULL, "no query in a message");
}

#define KIND(k)	"\"rootfs_node_kind\":\"" k "\","

static void
parents(void)
{
	UNIT_CHECK(read_it(PREPARED(PARENT), DOC(URI KIND("diff")), NULL,
	    NULL) == 0 && is(c.parent_uri, "s3://prep-parent"),
	    "a diff takes the prepared parent");
	UNIT_CHECK(read_it(PREPARED(PARENT), DOC(URI KIND("diff")
	    "\"parent_manifest_uri\":\"s3://q\","), NULL, NULL) == 0 &&
	    is(c.parent_uri, "s3://q"), "metadata's parent wins");
	UNIT_CHECK(read_it(PREPARED(PARENT), DOC(URI), NULL, NULL) == 0 &&
	    c.parent_uri == NULL, "a base takes no prepared parent");
	UNIT_CHECK(read_it(PREPARED(), DOC(URI
	    "\"parentManifestUri\":\"s3://q\","), NULL, NULL) == 0 &&
	    is(c.parent_uri, "s3://q"), "but sends metadata's");
	bad("parent_manifest_uri: missing", PREPARED(),
	    DOC(URI KIND("diff")), NULL);
	bad("parent_manifest_uri: empty", PREPARED(PARENT),
	    DOC(URI KIND("diff") "\"parent_manifest_uri\":\"\","), NULL);
}

static void
streaming(void)
{
	static const uint64_t mb = 3;
	const char *cas = "{\"rootfs_format\":\"cas-streaming\","
	    "\"image_size_bytes\":9,\"snapshot_uri\":\"s3://m\","
	    "\"snapshot_format_version\":\"ignored\","
	    "\"snapshot_size_bytes\":\"ignored\"}";

	UNIT_CHECK(read_it(PREPARED(), cas, NULL, NULL) == 0 &&
	    c.disk_bytes == UINT64_C(10737418240), "the default disk");
	body("{\"snapshotId\":\"prep-snap\",\"snapshotUri\":\"s3://m\","
	    "\"snapshotFormatVersion\":\"content_addressed_streaming_v1\","
	    "\"snapshotSizeBytes\":9,\"rootfsDiskBytes\":10737418240,"
	    "\"rootfsNodeKind\":\"base\",\"rootfsFormat\":\"cas-streaming\"}");
	UNIT_CHECK(read_it(PREPARED(PARENT), cas, NULL, NULL) == 0 &&
	    c.disk_bytes == 42, "the parent's disk");
	UNIT_CHECK(read_it(PREPARED(PARENT), cas, NULL, &mb) == 0 &&
	    c.disk_bytes == 3 << 20, "the disk that was asked for");
	bad("image_size_bytes: missing", PREPARED(),
	    "{\"rootfsFormat\":\"cas-streaming\",\"snapshot_uri\":\"u\"}",
	    NULL);
}

int
main(void)
{
	names();
	numbers();
	uris();
	parents();
	streaming();
	completion_free(&c);
	return unit_end();
}
