/*
 * What comes over the network in small: a store's XML, a completion's list of
 * parts, server-sent events, a builder's metadata, addresses with escapes, and
 * any of it shown in a message.
 */
#include "fuzz.h"

#include <sysexits.h>

#include "core/store.h"
#include "client/sandbox/events.h"
#include "client/stages/metadata.h"
#include "core/json.h"
#include "region/store/s3_impl.h"

static struct fail f;

static int
on_event(void *arg, const char *p, size_t n, struct fail *why)
{
	struct buf *b = arg;

	return buf_add(b, p, n, why) == -1 ? -1 : buf_add(b, "\n", 1, why);
}

/* Cut anywhere, it says the same. */
static void
events(const char *p, size_t n)
{
	struct buf whole = BUF_INIT(BUF_DOC_MAX), cut = BUF_INIT(BUF_DOC_MAX);
	struct events e;
	size_t i, len;

	events_init(&e, on_event, &whole);
	MUST(events_feed(&e, p, n, &f) == 0);
	events_free(&e);
	events_init(&e, on_event, &cut);
	for (i = 0; i < n; i += len) {
		len = 1 + (unsigned char)p[i] % 7;
		if (len > n - i)
			len = n - i;
		MUST(events_feed(&e, p + i, len, &f) == 0);
	}
	events_free(&e);
	MUST(whole.len == cut.len && (whole.len == 0 ||
	    memcmp(whole.data, cut.data, whole.len) == 0));
	buf_free(&whole);
	buf_free(&cut);
}

static void
parts(const char *text, size_t n)
{
	struct objects_part *list;
	size_t count, i;

	if (s3_parts_parse(text, n, &list, &count) == 0) {
		MUST(count >= 1 && count <= OBJECTS_PARTS_MAX);
		for (i = 0; i < count; i++)
			MUST(memchr(list[i].etag, '\0',
			    sizeof(list[i].etag)) != NULL);
	}
	free(list);
}

static void
metadata(const char *p, size_t n)
{
	static const char answer[] = "{\"buildId\":\"b\",\"snapshotId\":\"s\","
	    "\"rootfsNodeKind\":\"base\",\"snapshotUri\":\"s3://b/k\","
	    "\"builder\":{\"image\":\"i\",\"command\":\"c\",\"cpus\":1,"
	    "\"memoryMb\":1,\"diskMb\":1}}";
	struct buf text = BUF_INIT(BUF_SMALL_MAX), out = BUF_INIT(BUF_DOC_MAX);
	struct completion c = COMPLETION_INIT;
	struct prepared prepared;
	struct span doc;

	if (span_parse(&doc, p, n, &f) == -1)
		return;
	MUST(buf_adds(&text, answer, &f) == 0);
	MUST(prepared_parse(&prepared, &text, EX_DATAERR, &f) == 0);
	if (metadata_read(&c, &doc, &prepared, NULL, NULL, &f) == 0) {
		MUST(completion_body(&c, &out, &f) == 0);
		MUST(span_parse(&doc, out.data, out.len, &f) == 0);
		MUST(c.snapshot_uri[0] != '\0');
	}
	completion_free(&c);
	prepared_free(&prepared);
	buf_free(&out);
	buf_free(&text);
}

static void
address(char *text)
{
	static const char *const patterns[] = { "/a/{}/b", "/{}", "{}{}",
	    "/v1/namespaces/{}/sandboxes/{}" };
	struct serve_request r = { .path = text, .query = text };
	struct buf value = BUF_INIT(1 << 20);
	char seg[2][256];
	size_t i;
	int n, j;

	for (i = 0; i < sizeof(patterns) / sizeof(*patterns); i++) {
		n = serve_match(&r, patterns[i], seg, 2);
		MUST(n >= -1 && n <= 2);
		for (j = 0; j < n; j++)
			MUST(seg[j][0] != '\0' &&
			    memchr(seg[j], '\0', sizeof(seg[j])) != NULL);
	}
	n = serve_query(&r, "path", &value, &f);
	MUST(n == 1 || value.len == 0);
	MUST(value.len == 0 || strlen(value.data) == value.len);
	buf_free(&value);
}

static void
shown(const char *text)
{
	char out[64];
	size_t i;

	for (i = 1; i < sizeof(out); i += 9) {
		fail_show(out, i, text, i * 2);
		MUST(strlen(out) < i);
	}
	fail_show(out, sizeof(out), text, 60);
	for (i = 0; out[i] != '\0'; i++)
		MUST((unsigned char)out[i] >= 0x20 && out[i] != 0x7f);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	char *text = strndup((const char *)p, n);
	struct store_answer a;

	MUST(text != NULL);
	if (store_parse(&a, (const char *)p, n, &f) == 0)
		MUST(a.root[0] != '\0');
	parts(text, strlen(text));
	events((const char *)p, n);
	metadata((const char *)p, n);
	address(text);
	shown(text);
	free(text);
	return 0;
}

FUZZ_MAIN(((const char *const []){
	"<?xml version=\"1.0\"?><CompleteMultipartUpload xmlns='x'><Part>"
	"<PartNumber>1</PartNumber><ETag>&quot;a&quot;</ETag></Part><Part>"
	"<ETag>\"b\"</ETag><PartNumber> 2 </PartNumber></Part>"
	"</CompleteMultipartUpload>",
	"<Error><Code>Slow&#x44;own</Code><!-- c --><Message><![CDATA[m]]>"
	"</Message></Error>",
	"event: output\ndata: {\"line\":\"x\",\ndata: \"timestamp\":0}\r\n\r\n"
	": beat\rdata:a\r\rdata\n\n",
	"{\"snapshot_id\":\"s\",\"snapshotUri\":\"s3://b/k\","
	"\"snapshot_format_version\":\"durable_archive_v1\","
	"\"snapshot_size_bytes\":\"18446744073709551615\","
	"\"rootfs_disk_bytes\":+1,\"rootfs_node_kind\":\"base\"}",
	"/a/%41%2f..%20/b?path=%2Fx+y&path=z",
	"/v1/namespaces/default/sandboxes/sbx-1",
	"GET https://u:p@h:1/p?sig=1 \"http://h?x\" \302\233",
}));
