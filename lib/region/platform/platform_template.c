#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "core/date.h"
#include "region/platform/platform_template.h"

void
platform_template_free(struct platform_template *t)
{
	free(t->id);
	free(t->project);
	free(t->name);
	free(t->snapshot_id);
	free(t->snapshot_sandbox_id);
	free(t->snapshot_uri);
	free(t->snapshot_format);
	free(t->snapshot_sha256);
	free(t->node_kind);
	free(t->rootfs_format);
	free(t->parent_uri);
	free(t->base_image);
	free(t->dockerfile);
	*t = (struct platform_template)PLATFORM_TEMPLATE_INIT;
}

static void
size_json(struct jout *j, const char *key, uint64_t n)
{
	if (n == 0)
		return;
	jout_key(j, key);
	jout_u64(j, n);
}

void
platform_template_json(const struct platform_template *t, struct jout *j)
{
	char when[DATE_TEXT];

	date_text(when, (time_t)t->created_at);
	jout_object(j);
	jout_member(j, "id", t->id);
	jout_member(j, "name", t->name);
	jout_member(j, "snapshotId", t->snapshot_id);
	jout_member(j, "snapshotSandboxId", t->snapshot_sandbox_id);
	jout_member(j, "snapshotUri", t->snapshot_uri);
	jout_member(j, "snapshotFormatVersion", t->snapshot_format);
	size_json(j, "snapshotSizeBytes", t->snapshot_bytes);
	jout_member(j, "snapshotSha256", t->snapshot_sha256);
	size_json(j, "rootfsDiskBytes", t->rootfs_bytes);
	jout_member(j, "rootfsNodeKind", t->node_kind);
	jout_member(j, "rootfsFormat", t->rootfs_format);
	jout_member(j, "parentManifestUri", t->parent_uri);
	jout_member(j, "baseImage", t->base_image);
	jout_key(j, "public");
	jout_bool(j, t->public);
	jout_member(j, "dockerfile", t->dockerfile);
	jout_member(j, "createdAt", when);
	jout_close(j);
}

int
platform_template_name_check(const char *name, struct fail *f)
{
	size_t n;

	for (n = 0; name[n] != '\0'; n++)
		if ((unsigned char)name[n] < 0x20 || name[n] == 0x7f)
			return fail_set(f, EX_DATAERR,
			    "name: a control character in it");
	if (n == 0 || n > 255)
		return fail_set(f, EX_DATAERR, "name: not 1 to 255 bytes");
	return 0;
}

int
platform_template_sum_check(const char *sum, struct fail *f)
{
	if (sum == NULL || (strlen(sum) == 64 &&
	    strspn(sum, "0123456789abcdef") == 64))
		return 0;
	return fail_set(f, EX_DATAERR, "snapshotSha256: not a SHA-256 of 64 "
	    "digits");
}

static int
size_read(const struct span *obj, const char *name, uint64_t *n,
    struct fail *f)
{
	if (json_u64(obj, name, JSON_MAY, n, f) == -1)
		return -1;
	if (*n > PLATFORM_TEMPLATE_SIZE_MAX)
		return fail_set(f, EX_DATAERR, "%s: too large", name);
	return 0;
}

int
platform_template_read(struct platform_template *t, const struct span *obj,
    struct fail *f)
{
	const struct {
		const char	*name;
		enum json_want	 want;
		char		**to;
	} strings[] = {
		{ "id", JSON_MAY, &t->id },
		{ "name", JSON_NEED, &t->name },
		{ "snapshotId", JSON_NEED, &t->snapshot_id },
		{ "snapshotSandboxId", JSON_MAY, &t->snapshot_sandbox_id },
		{ "snapshotUri", JSON_NEED, &t->snapshot_uri },
		{ "snapshotFormatVersion", JSON_MAY, &t->snapshot_format },
		{ "snapshotSha256", JSON_MAY, &t->snapshot_sha256 },
		{ "rootfsNodeKind", JSON_MAY, &t->node_kind },
		{ "rootfsFormat", JSON_MAY, &t->rootfs_format },
		{ "parentManifestUri", JSON_MAY, &t->parent_uri },
		{ "baseImage", JSON_MAY, &t->base_image },
		{ "dockerfile", JSON_MAY, &t->dockerfile },
	};
	size_t i;

	*t = (struct platform_template)PLATFORM_TEMPLATE_INIT;
	if (!span_is_object(obj))
		return fail_set(f, EX_DATAERR, "not an object");
	for (i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
		if (json_string(obj, strings[i].name, strings[i].want,
		    strings[i].to, f) == -1)
			goto fail;
	if (size_read(obj, "snapshotSizeBytes", &t->snapshot_bytes, f) == -1 ||
	    size_read(obj, "rootfsDiskBytes", &t->rootfs_bytes, f) == -1 ||
	    json_bool(obj, "public", JSON_MAY, &t->public, f) == -1 ||
	    platform_template_sum_check(t->snapshot_sha256, f) == -1 ||
	    platform_template_name_check(t->name, f) == -1)
		goto fail;
	if (t->snapshot_id[0] == '\0' || t->snapshot_uri[0] == '\0') {
		fail_set(f, EX_DATAERR, "%s: empty",
		    t->snapshot_id[0] == '\0' ? "snapshotId" : "snapshotUri");
		goto fail;
	}
	return 0;
fail:
	platform_template_free(t);
	return -1;
}
