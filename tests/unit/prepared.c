/* What a prepared answer must hold: the table of tl-wire(7), "Prepare". */

#include <string.h>
#include <sysexits.h>

#include "client/stages/prepared.h"
#include "unit.h"

#define BUILDER	"\"builder\":{\"image\":\"i\",\"command\":\"c\"," \
	"\"cpus\":2,\"memoryMb\":4096,\"diskMb\":1}"
#define HEAD	"{\"buildId\":\"b-1\",\"snapshotId\":\"s\"," \
	"\"rootfsNodeKind\":\"base\"," BUILDER

static struct fail f;

static int
parse(struct prepared *p, struct buf *text, const char *s)
{
	struct fail g;

	buf_clear(text);
	if (buf_adds(text, s, &g) == -1)
		return -2;
	return prepared_parse(p, text, EX_PROTOCOL, &f);
}

static void
good(const char *what, const char *s)
{
	struct buf text = BUF_INIT(BUF_SMALL_MAX);
	struct prepared p;

	UNIT_CHECK(parse(&p, &text, s) == 0, "%s", what);
	prepared_free(&p);
	buf_free(&text);
}

static void
bad(const char *says, const char *s)
{
	struct buf text = BUF_INIT(BUF_SMALL_MAX);
	struct prepared p;

	UNIT_CHECK(parse(&p, &text, s) == -1 && f.status == EX_PROTOCOL &&
	    strstr(f.msg, says) != NULL && p.build_id == NULL,
	    "refused: %s", says);
	prepared_free(&p);
	buf_free(&text);
}

static void
fields(void)
{
	struct buf text = BUF_INIT(BUF_SMALL_MAX);
	struct prepared p;

	UNIT_CHECK(parse(&p, &text, HEAD ",\"snapshotRelPath\":\"\",\"parent\""
	    ":{\"parentManifestUri\":\"s3://p\",\"rootfsDiskBytes\":"
	    "18446744073709551615},\"additionalLocalImages\":[1],"
	    "\"snapshot_uri\":5,\"new\":1e999}") == 0, "all of it");
	UNIT_CHECK(strcmp(p.build_id, "b-1") == 0 &&
	    strcmp(p.snapshot_id, "s") == 0 &&
	    strcmp(p.node_kind, "base") == 0 &&
	    strcmp(p.builder.image, "i") == 0 &&
	    strcmp(p.builder.command, "c") == 0 && p.builder.cpus == 2 &&
	    p.builder.memory_mb == 4096 && p.builder.disk_mb == 1,
	    "the required ones");
	UNIT_CHECK(p.rel_path != NULL && *p.rel_path == '\0',
	    "an empty rel path is the new path");
	UNIT_CHECK(p.has_parent && p.has_parent_disk &&
	    p.parent_disk_bytes == UINT64_MAX &&
	    strcmp(p.parent_uri, "s3://p") == 0 && p.parent.at[0] == '{',
	    "the parent");
	UNIT_CHECK(p.has_local_images && p.local_images.len == 3,
	    "the local images");
	prepared_free(&p);

	UNIT_CHECK(parse(&p, &text, HEAD ",\"snapshotRelPath\":null,"
	    "\"snapshotUri\":\"u\",\"parent\":null,"
	    "\"snapshot_rel_path\":\"x\"}") == 0 && p.rel_path == NULL &&
	    !p.has_parent && strcmp(p.snapshot_uri, "u") == 0,
	    "null rel path and parent: the legacy path");
	prepared_free(&p);
	UNIT_CHECK(parse(&p, &text, HEAD "}") == 0 && p.rel_path == NULL &&
	    p.snapshot_uri == NULL && !p.has_local_images,
	    "neither rel path nor upload: the legacy path");
	prepared_free(&p);
	buf_free(&text);
}

#define WITHOUT(id, snap, kind, builder)				\
	"{" id snap kind builder "\"x\":1}"
#define ID	"\"buildId\":\"b\","
#define SNAP	"\"snapshotId\":\"s\","
#define KIND	"\"rootfsNodeKind\":\"base\","
#define B(img, cmd, cpus, mem, disk)					\
	"\"builder\":{" img cmd cpus mem disk "\"x\":1},"
#define IMG	"\"image\":\"i\","
#define CMD	"\"command\":\"c\","
#define CPUS	"\"cpus\":0.5,"
#define MEM	"\"memoryMb\":-1,"
#define DISK	"\"diskMb\":0,"
#define WITH_B(b)	WITHOUT(ID, SNAP, KIND, b)
#define ID_IS(s)	WITHOUT("\"buildId\":" s ",", SNAP, KIND,	\
	B(IMG, CMD, CPUS, MEM, DISK))

int
main(void)
{
	fields();
	good("odd but allowed numbers",
	    WITH_B(B(IMG, CMD, CPUS, MEM, DISK)));
	good("members that nobody knows may repeat",
	    HEAD ",\"x\":1,\"x\":2,\"upload\":1,\"upload\":2}");

	bad("empty", "");
	bad("not a JSON object", "[]");
	bad("buildId: missing", WITHOUT("", SNAP, KIND, ""));
	bad("buildId: not a string", ID_IS("7"));
	bad("buildId: null", ID_IS("null"));
	bad("buildId: empty", ID_IS("\"\""));
	bad("buildId: \"../x\"", ID_IS("\"../x\""));
	bad("buildId: \"..\"", ID_IS("\"..\""));
	bad("buildId: \"a?b\"", ID_IS("\"a?b\""));
	bad("buildId: \"a?b\"", ID_IS("\"a\\nb\""));
	bad("buildId: \"a%2fb\"", ID_IS("\"a%2fb\""));
	bad("snapshotId: missing", WITHOUT(ID, "", KIND, ""));
	bad("rootfsNodeKind: missing", WITHOUT(ID, SNAP, "", ""));
	bad("builder: missing", WITHOUT(ID, SNAP, KIND, ""));
	bad("builder: ", WITH_B("\"builder\":[],"));
	bad("image: missing", WITH_B(B("", CMD, CPUS, MEM, DISK)));
	bad("command: missing", WITH_B(B(IMG, "", CPUS, MEM, DISK)));
	bad("cpus: missing", WITH_B(B(IMG, CMD, "", MEM, DISK)));
	bad("cpus: not a number",
	    WITH_B(B(IMG, CMD, "\"cpus\":\"2\",", MEM, DISK)));
	bad("memoryMb: ", WITH_B(B(IMG, CMD, CPUS, "\"memoryMb\":4096.0,",
	    DISK)));
	bad("diskMb: ", WITH_B(B(IMG, CMD, CPUS, MEM, "\"diskMb\":-1,")));
	bad("diskMb: ", WITH_B(B(IMG, CMD, CPUS, MEM, "\"diskMb\":\"1\",")));
	bad("parent: ", HEAD ",\"parent\":\"p\"}");
	bad("parentManifestUri: missing", HEAD ",\"parent\":{}}");
	bad("parent: rootfsDiskBytes: ", HEAD ",\"parent\":{"
	    "\"parentManifestUri\":\"u\",\"rootfsDiskBytes\":1.5}}");
	bad("snapshotRelPath: ", HEAD ",\"snapshotRelPath\":false}");
	bad("snapshotUri: ", HEAD ",\"snapshotUri\":{}}");
	bad("snapshotRelPath: ", HEAD ",\"snapshotRelPath\":\"a\","
	    "\"snapshot\\u0052elPath\":\"b\"}");
	bad("", HEAD ",\"parent\":null,\"parent\":null}");
	bad("", HEAD "} x");
	return unit_end();
}
