#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "client/stages/disk.h"
#include "client/stages/metadata.h"
#include "core/json.h"

#define CAS_FORMAT	"cas-streaming"
#define CAS_VERSION	"content_addressed_streaming_v1"

/*
 * A value under its snake name, else its camel name.  A snake name that is
 * there hides the other, whatever it holds
 * (tl-wire(7), "Metadata and complete"): 1 and the value, 0 without one.
 */
static int
either(const struct span *doc, const char *snake, const char *camel,
    struct span *value, struct fail *f)
{
	int r;

	if ((r = span_get(doc, snake, value, f)) != 0)
		return r;
	return span_get(doc, camel, value, f);
}

/* A string, or nothing: another type counts as missing. */
static int
string(const struct span *doc, const char *snake, const char *camel,
    char **out, struct fail *f)
{
	struct span value;
	int r;

	if ((r = either(doc, snake, camel, &value, f)) != 1)
		return r;
	if (!span_is_string(&value))
		return 0;
	r = span_get(doc, snake, &value, f);
	return json_string(doc, r == 1 ? snake : camel, JSON_MAY, out, f);
}

/* A string that must not be empty where it is there. */
static int
uri(const struct span *doc, const char *snake, const char *camel, char **out,
    struct fail *f)
{
	if (string(doc, snake, camel, out, f) == -1)
		return -1;
	if (*out != NULL && **out == '\0')
		return fail_set(f, EX_DATAERR, "%s: empty", snake);
	return 0;
}

/* Plain digits, or a string of them, a '+' before them allowed. */
static int
number(const struct span *doc, const char *snake, const char *camel,
    uint64_t *out, struct fail *f)
{
	struct buf text = BUF_INIT(BUF_SMALL_MAX);
	struct span value, digits;
	int r;

	if ((r = either(doc, snake, camel, &value, f)) == -1)
		return -1;
	if (r == 0)
		return fail_set(f, EX_DATAERR, "%s: missing", snake);
	digits = value;
	if (span_is_string(&value)) {
		if (span_string(&value, &text, f) == -1 ||
		    buf_add(&text, "", 0, f) == -1) {
			buf_free(&text);
			return fail_in(f, snake);
		}
		digits.at = text.data;
		digits.len = text.len;
		if (digits.len > 1 && *digits.at == '+') {
			digits.at++;
			digits.len--;
		}
		/* Zeros in front are digits too, but not the 20 that count. */
		while (digits.len > 1 && *digits.at == '0') {
			digits.at++;
			digits.len--;
		}
	}
	r = json_digits(&digits, out);
	buf_free(&text);
	if (r == -1)
		return fail_set(f, EX_DATAERR, "%s: must be a whole number "
		    "from 0 to 2^64-1, or a string of its digits", snake);
	return 0;
}

/* A SHA-256 in lower case, or none: our builder's own word. */
static int
sum(const struct span *doc, char **out, struct fail *f)
{
	struct span value;
	int r = either(doc, "snapshot_sha256", "snapshotSha256", &value, f);

	if (r != 1 || span_is_null(&value))
		return r == 1 ? 0 : r;
	if (string(doc, "snapshot_sha256", "snapshotSha256", out, f) == -1)
		return -1;
	if (*out == NULL || strlen(*out) != 64 ||
	    strspn(*out, "0123456789abcdef") != 64)
		return fail_set(f, EX_DATAERR, "snapshot_sha256: not a "
		    "SHA-256 of 64 digits");
	return 0;
}

static int
copy(char **out, const char *s, struct fail *f)
{
	if ((*out = strdup(s)) == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	return 0;
}

static int
need(const char *s, const char *name, struct fail *f)
{
	if (s != NULL)
		return 0;
	return fail_set(f, EX_DATAERR, "%s: missing", name);
}

/*
 * tl-wire(7), "Snapshot URI", the merged rule, the seed's without a signed
 * URI.
 */
static int
choose_uri(struct completion *c, const struct span *doc,
    const struct prepared *p, const char *signed_uri, struct fail *f)
{
	char there[140], here[140];

	if (uri(doc, "snapshot_uri", "snapshotUri", &c->snapshot_uri, f) == -1)
		return -1;
	if (signed_uri != NULL) {
		if (*signed_uri == '\0')
			return fail_set(f, EX_DATAERR,
			    "the signed uri is empty");
		if (c->snapshot_uri == NULL)
			return copy(&c->snapshot_uri, signed_uri, f);
		if (strcmp(c->snapshot_uri, signed_uri) == 0)
			return 0;
		return fail_set(f, EX_DATAERR, "snapshot_uri: the builder "
		    "says %s, signed was %s",
		    fail_show(there, sizeof(there), c->snapshot_uri, 120),
		    fail_show(here, sizeof(here), signed_uri, 120));
	}
	if (c->snapshot_uri != NULL)
		return 0;
	if (p->snapshot_uri == NULL)
		return fail_set(f, EX_DATAERR, "snapshot_uri: missing, also "
		    "in the signed upload and in the prepared answer");
	if (*p->snapshot_uri == '\0')
		return fail_set(f, EX_DATAERR,
		    "the prepared snapshotUri is empty");
	return copy(&c->snapshot_uri, p->snapshot_uri, f);
}

int
metadata_uri(const struct span *doc, const struct prepared *p, char **out,
    struct fail *f)
{
	struct completion c = COMPLETION_INIT;

	if (!span_is_object(doc))
		return fail_set(f, EX_DATAERR,
		    "not a JSON object, expected metadata");
	if (choose_uri(&c, doc, p, NULL, f) == -1) {
		free(c.snapshot_uri);
		return -1;
	}
	*out = c.snapshot_uri;
	return 0;
}

static int
choose_parent(struct completion *c, const struct span *doc,
    const struct prepared *p, struct fail *f)
{
	if (uri(doc, "parent_manifest_uri", "parentManifestUri",
	    &c->parent_uri, f) == -1)
		return -1;
	if (c->parent_uri != NULL || strcmp(c->node_kind, "diff") != 0)
		return 0;
	if (p->parent_uri == NULL || *p->parent_uri == '\0')
		return fail_set(f, EX_DATAERR, "parent_manifest_uri: missing, "
		    "and the prepared answer names no parent: a diff needs "
		    "one");
	return copy(&c->parent_uri, p->parent_uri, f);
}

/* The format and the sizes, which the streaming format tells its own way. */
static int
read_sizes(struct completion *c, const struct span *doc,
    const struct prepared *p, const uint64_t *disk, struct fail *f)
{
	if (c->rootfs_format != NULL &&
	    strcmp(c->rootfs_format, CAS_FORMAT) == 0) {
		if (copy(&c->format_version, CAS_VERSION, f) == -1 ||
		    number(doc, "image_size_bytes", "imageSizeBytes",
		    &c->snapshot_bytes, f) == -1)
			return -1;
		return disk_bytes(&p->doc, disk, &c->disk_bytes, f);
	}
	if (string(doc, "snapshot_format_version", "snapshotFormatVersion",
	    &c->format_version, f) == -1 ||
	    need(c->format_version, "snapshot_format_version", f) == -1 ||
	    number(doc, "snapshot_size_bytes", "snapshotSizeBytes",
	    &c->snapshot_bytes, f) == -1)
		return -1;
	return number(doc, "rootfs_disk_bytes", "rootfsDiskBytes",
	    &c->disk_bytes, f);
}

static int
read_all(struct completion *c, const struct span *doc,
    const struct prepared *p, const char *signed_uri, const uint64_t *disk,
    struct fail *f)
{
	if (!span_is_object(doc))
		return fail_set(f, EX_DATAERR,
		    "not a JSON object, expected metadata");
	if (string(doc, "snapshot_id", "snapshotId", &c->snapshot_id, f)
	    == -1 ||
	    (c->snapshot_id == NULL &&
	    copy(&c->snapshot_id, p->snapshot_id, f) == -1) ||
	    string(doc, "rootfs_node_kind", "rootfsNodeKind", &c->node_kind, f)
	    == -1 ||
	    (c->node_kind == NULL &&
	    copy(&c->node_kind, p->node_kind, f) == -1) ||
	    string(doc, "rootfs_format", "rootfsFormat", &c->rootfs_format, f)
	    == -1 || sum(doc, &c->sha256, f) == -1)
		return -1;
	if (read_sizes(c, doc, p, disk, f) == -1 ||
	    choose_uri(c, doc, p, signed_uri, f) == -1)
		return -1;
	return choose_parent(c, doc, p, f);
}

int
metadata_read(struct completion *c, const struct span *metadata,
    const struct prepared *p, const char *signed_uri, const uint64_t *disk,
    struct fail *f)
{
	*c = (struct completion)COMPLETION_INIT;
	if (read_all(c, metadata, p, signed_uri, disk, f) == 0)
		return 0;
	completion_free(c);
	return -1;
}

int
completion_body(const struct completion *c, struct buf *b, struct fail *f)
{
	struct jout j = JOUT_INIT(b);

	jout_object(&j);
	jout_member(&j, "snapshotId", c->snapshot_id);
	jout_member(&j, "snapshotUri", c->snapshot_uri);
	jout_member(&j, "snapshotFormatVersion", c->format_version);
	jout_key(&j, "snapshotSizeBytes");
	jout_u64(&j, c->snapshot_bytes);
	jout_key(&j, "rootfsDiskBytes");
	jout_u64(&j, c->disk_bytes);
	jout_member(&j, "rootfsNodeKind", c->node_kind);
	jout_member(&j, "parentManifestUri", c->parent_uri);
	jout_member(&j, "rootfsFormat", c->rootfs_format);
	jout_member(&j, "snapshotSha256", c->sha256);
	if (c->attestation.at != NULL) {
		jout_key(&j, "attestation");
		jout_span(&j, &c->attestation);
	}
	jout_close(&j);
	return jout_end(&j, f);
}

void
completion_free(struct completion *c)
{
	free(c->snapshot_id);
	free(c->snapshot_uri);
	free(c->format_version);
	free(c->node_kind);
	free(c->parent_uri);
	free(c->rootfs_format);
	free(c->sha256);
	*c = (struct completion)COMPLETION_INIT;
}
