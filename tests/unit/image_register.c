/*
 * What a snapshot must tell to be registered, and what is sent: byte for byte
 * (tl-wire(7), "Other template requests").
 */

#include <string.h>
#include <sysexits.h>

#include "client/images/image_register.h"
#include "unit.h"

#define REST	"\"sandbox_id\":\"x\",\"snapshot_uri\":\"s3://b/k\"," \
	"\"size_bytes\":5,\"rootfs_disk_bytes\":9"

static struct fail f;

static int
parse(struct image_source *s, const char *text)
{
	struct span doc;

	if (span_parse(&doc, text, strlen(text), &f) == -1)
		return -2;
	return image_source_read(s, &doc, &f);
}

static void
sends(const char *what, const char *text, const char *want)
{
	struct buf dockerfile = BUF_INIT(100), b = BUF_INIT(1000);
	struct image_registration g = { "a\"b", &dockerfile, "s-1", true };
	struct image_source s;

	UNIT_CHECK(buf_adds(&dockerfile, "FROM x\n", &f) == 0 &&
	    parse(&s, text) == 0 &&
	    image_register_body(&g, &s, &b, &f) == 0 &&
	    strcmp(b.data, want) == 0, "%s", what);
	image_source_free(&s);
	buf_free(&b);
	buf_free(&dockerfile);
}

static void
bad(int status, const char *says, const char *text)
{
	struct image_source s;

	UNIT_CHECK(parse(&s, text) == -1 && f.status == status &&
	    strstr(f.msg, says) != NULL && s.sandbox == NULL && s.uri == NULL,
	    "%d: %s", status, says);
	image_source_free(&s);
}

int
main(void)
{
	sends("snake names",
	    "{\"status\":\"completed\"," REST "}",
	    "{\"name\":\"a\\\"b\",\"dockerfile\":\"FROM x\\n\","
	    "\"snapshotId\":\"s-1\",\"snapshotSandboxId\":\"x\","
	    "\"snapshotUri\":\"s3://b/k\",\"snapshotSizeBytes\":5,"
	    "\"rootfsDiskBytes\":9,\"public\":true}");
	sends("camel names, a null besides, and what it stands on",
	    "{\"status\":\"completed\",\"sandboxId\":\"x\","
	    "\"sandbox_id\":null,\"snapshotUri\":\"s3://b/k\","
	    "\"sizeBytes\":18446744073709551615,\"rootfsDiskBytes\":9,"
	    "\"snapshotFormatVersion\":\"v1\",\"rootfsNodeKind\":\"diff\","
	    "\"parentManifestUri\":\"s3://b/p\"}",
	    "{\"name\":\"a\\\"b\",\"dockerfile\":\"FROM x\\n\","
	    "\"snapshotId\":\"s-1\",\"snapshotSandboxId\":\"x\","
	    "\"snapshotUri\":\"s3://b/k\",\"snapshotFormatVersion\":\"v1\","
	    "\"snapshotSizeBytes\":18446744073709551615,"
	    "\"rootfsDiskBytes\":9,\"public\":true,"
	    "\"rootfsNodeKind\":\"diff\",\"parentManifestUri\":\"s3://b/p\"}");

	bad(EX_TEMPFAIL, "in_progress", "{\"status\":\"in_progress\"," REST "}");
	bad(EX_TEMPFAIL, "snapshot", "{\"status\":\"\"," REST "}");
	bad(EX_DATAERR, "failed", "{\"status\":\"failed\"," REST "}");
	bad(EX_PROTOCOL, "status", "{" REST "}");
	bad(EX_PROTOCOL, "status", "{\"status\":\"completed\","
	    "\"status\":\"failed\"," REST "}");
	bad(EX_PROTOCOL, "sandboxId: missing", "{\"status\":\"completed\","
	    "\"snapshot_uri\":\"u\",\"size_bytes\":5,\"rootfs_disk_bytes\":9}");
	bad(EX_PROTOCOL, "snapshot_uri: empty", "{\"status\":\"completed\","
	    "\"sandbox_id\":\"x\",\"snapshot_uri\":\"\",\"size_bytes\":5,"
	    "\"rootfs_disk_bytes\":9}");
	bad(EX_PROTOCOL, "size_bytes: 0", "{\"status\":\"completed\","
	    "\"sandbox_id\":\"x\",\"snapshot_uri\":\"u\",\"size_bytes\":0,"
	    "\"rootfs_disk_bytes\":9}");
	bad(EX_PROTOCOL, "rootfsDiskBytes: missing", "{\"status\":"
	    "\"completed\",\"sandbox_id\":\"x\",\"snapshot_uri\":\"u\","
	    "\"size_bytes\":5}");
	bad(EX_PROTOCOL, "size_bytes", "{\"status\":\"completed\","
	    "\"sandbox_id\":\"x\",\"snapshot_uri\":\"u\",\"size_bytes\":1.5,"
	    "\"rootfs_disk_bytes\":9}");
	return unit_end();
}
