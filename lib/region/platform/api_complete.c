#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "region/platform/api_impl.h"
#include "region/sign/path.h"

/* What completes a build, tl-wire(7), "Complete". */
struct completion {
	struct platform_template	t;	/* of the snapshot */
	struct buf			text;	/* in one spelling */
	struct span			attestation;	/* at NULL: none */
	struct receipt			receipt;	/* out of it, believed */
};

static int
completion_read(struct completion *k, const struct serve_request *r,
    struct fail *f)
{
	struct jout j = JOUT_INIT(&k->text);
	struct platform_template *t = &k->t;
	struct span doc;

	if (serve_body_json(r, &doc, f) == -1 ||
	    json_string(&doc, "snapshotId", JSON_NEED, &t->snapshot_id,
	    f) == -1 ||
	    json_string(&doc, "snapshotUri", JSON_NEED, &t->snapshot_uri,
	    f) == -1 ||
	    json_string(&doc, "snapshotFormatVersion", JSON_NEED,
	    &t->snapshot_format, f) == -1 ||
	    json_u64(&doc, "snapshotSizeBytes", JSON_NEED, &t->snapshot_bytes,
	    f) == -1 ||
	    json_u64(&doc, "rootfsDiskBytes", JSON_NEED, &t->rootfs_bytes,
	    f) == -1 ||
	    json_string(&doc, "rootfsNodeKind", JSON_NEED, &t->node_kind,
	    f) == -1 ||
	    json_string(&doc, "parentManifestUri", JSON_MAY, &t->parent_uri,
	    f) == -1 ||
	    json_string(&doc, "rootfsFormat", JSON_MAY, &t->rootfs_format,
	    f) == -1 ||
	    json_string(&doc, "snapshotSha256", JSON_MAY,
	    &t->snapshot_sha256, f) == -1 ||
	    json_member(&doc, "attestation", JSON_MAY, &k->attestation,
	    f) == -1)
		return -1;
	jout_object(&j);
	jout_member(&j, "snapshotId", t->snapshot_id);
	jout_member(&j, "snapshotUri", t->snapshot_uri);
	jout_member(&j, "snapshotFormatVersion", t->snapshot_format);
	jout_key(&j, "snapshotSizeBytes");
	jout_u64(&j, t->snapshot_bytes);
	jout_key(&j, "rootfsDiskBytes");
	jout_u64(&j, t->rootfs_bytes);
	jout_member(&j, "rootfsNodeKind", t->node_kind);
	jout_member(&j, "parentManifestUri", t->parent_uri);
	jout_member(&j, "rootfsFormat", t->rootfs_format);
	jout_member(&j, "snapshotSha256", t->snapshot_sha256);
	jout_close(&j);
	return jout_end(&j, f);
}

/* The completion against what prepare gave out. */
static int
completion_check(const struct completion *k, const struct build *b,
    struct fail *f)
{
	const struct platform_template *t = &k->t;

	if (strcmp(t->snapshot_id, b->snapshot_id) != 0)
		return fail_set(f, EX_DATAERR,
		    "snapshotId: not the one of this build");
	if (strcmp(t->node_kind, b->node_kind) != 0)
		return fail_set(f, EX_DATAERR, "rootfsNodeKind: prepared as "
		    "%s", b->node_kind);
	if (t->parent_uri != NULL && (b->parent_uri == NULL ||
	    strcmp(t->parent_uri, b->parent_uri) != 0))
		return fail_set(f, EX_DATAERR, b->parent_uri == NULL ?
		    "parentManifestUri: prepared without a parent" :
		    "parentManifestUri: not the prepared parent's");
	if (t->parent_uri == NULL && strcmp(b->node_kind, "diff") == 0)
		return fail_set(f, EX_DATAERR,
		    "parentManifestUri: missing, the build is a diff");
	if (t->snapshot_format[0] == '\0')
		return fail_set(f, EX_DATAERR, "snapshotFormatVersion: empty");
	if (t->snapshot_bytes == 0 ||
	    t->snapshot_bytes > PLATFORM_TEMPLATE_SIZE_MAX)
		return fail_set(f, EX_DATAERR,
		    "snapshotSizeBytes: 0 or too large");
	if (t->rootfs_bytes == 0 ||
	    t->rootfs_bytes > PLATFORM_TEMPLATE_SIZE_MAX)
		return fail_set(f, EX_DATAERR,
		    "rootfsDiskBytes: 0 or too large");
	return platform_template_sum_check(t->snapshot_sha256, f);
}

/*
 * The URI: in an allowed bucket, its path the build's own to the byte, and the
 * object there, the same that a receipt was given for.  0, or -1 having
 * answered.
 */
static int
uri_check(struct api *a, struct serve_request *r, const struct completion *k,
    const struct build *b)
{
	char *bucket = NULL, *key = NULL;
	struct fail f;
	int result = -1;

	if (sign_uri_split(k->t.snapshot_uri, &bucket, &key, &f) == -1)
		serve_error(r, 400, "bad_request", "snapshotUri: %s", f.msg);
	else if (strcmp(key, b->rel_path) != 0)
		serve_error(r, 400, "uri_not_allowed",
		    "snapshotUri: its path is not %s", b->rel_path);
	else if (!sign_readable(a->reader, bucket, key))
		serve_error(r, 400, "uri_not_allowed",
		    "snapshotUri: not in a bucket of this region");
	else
		result = api_object(a, r, bucket, key, k->t.snapshot_bytes,
		    k->receipt.etag);
	free(bucket);
	free(key);
	return result;
}

/* Take over from the build what a template is besides its snapshot. */
static int
named(struct completion *k, const struct build *b, struct fail *f)
{
	struct platform_template *t = &k->t;

	t->public = b->public;
	t->project = strdup(b->project);
	t->name = strdup(b->name);
	t->dockerfile = strdup(b->dockerfile);
	if (b->base_image != NULL)
		t->base_image = strdup(b->base_image);
	if (t->project == NULL || t->name == NULL || t->dockerfile == NULL ||
	    (t->base_image == NULL && b->base_image != NULL))
		return fail_set(f, EX_OSERR, "out of memory");
	return 0;
}

/* A build that is completed: by this very request, or by another. */
static void
completed(struct serve_request *r, const struct completion *k,
    const struct build *b)
{
	if (strcmp(k->text.data, b->request) == 0)
		serve_reply(r, 200, "application/json", b->answer,
		    strlen(b->answer));
	else
		serve_error(r, 409, "already_completed",
		    "build %s was completed with other values", b->id);
}

static void
complete_build(struct api *a, struct serve_request *r,
    const struct platform_once *once, struct completion *k, struct build *b)
{
	struct buf answer = BUF_INIT(API_ANSWER_MAX);
	char *project = NULL, *id = NULL;
	struct fail f;

	if (b->answer != NULL) {
		completed(r, k, b);
		return;
	}
	if (completion_check(k, b, &f) == -1 || named(k, b, &f) == -1) {
		api_refuse(r, &f);
		return;
	}
	if (api_attest(a, r, &k->attestation, b, &k->t, &k->receipt) == -1 ||
	    uri_check(a, r, k, b) == -1)
		return;
	switch (platform_build_complete(a->platform, b->id, k->text.data,
	    &k->t, once, &answer, &f)) {
	case 1:
		serve_log(r->serve, "%s: registered as %s of %s%s%s", b->id,
		    k->t.id, b->project, k->receipt.uri != NULL ?
		    ", attested by " : "", k->receipt.key_id);
		serve_reply(r, 200, "application/json", answer.data,
		    answer.len);
		break;
	case 0:
		/* Somebody was faster, perhaps with the same request. */
		project = strdup(b->project);
		id = strdup(b->id);
		build_free(b);
		if (project != NULL && id != NULL &&
		    platform_build_get(a->platform, project, id, b, &f) == 1 &&
		    b->answer != NULL)
			completed(r, k, b);
		else
			serve_error(r, 404, "build_not_found",
			    "the build has expired");
		break;
	default:
		api_refuse(r, &f);
	}
	free(project);
	free(id);
	buf_free(&answer);
}

/* POST sandbox-template-builds/{}/complete */
void
api_complete(struct api *a, struct serve_request *r, struct api_call *c)
{
	struct completion k = { .t = PLATFORM_TEMPLATE_INIT,
	    .text = BUF_INIT(BUF_DOC_MAX), .receipt = RECEIPT_INIT };
	struct build b = BUILD_INIT;
	struct platform_once once;
	char print[API_PRINT_SIZE], operation[320];
	struct fail f;
	int found;

	snprintf(operation, sizeof(operation), "complete %s", c->seg[0]);
	if (api_once_read(r, operation, &once, print) == -1 ||
	    api_again(a, r, c, &once) == 1)
		return;
	found = platform_build_get(a->platform, c->key.project, c->seg[0], &b,
	    &f);
	/* Past its time it is gone, whether it was swept up already or not. */
	if (found == 0 || (found == 1 && b.answer == NULL &&
	    b.created_at < time(NULL) - a->expire_s))
		serve_error(r, 404, "build_not_found",
		    "no build %s, or it has expired", c->seg[0]);
	else if (found == -1 || completion_read(&k, r, &f) == -1)
		api_refuse(r, &f);
	else
		complete_build(a, r, &once, &k, &b);
	platform_template_free(&k.t);
	receipt_free(&k.receipt);
	buf_free(&k.text);
	build_free(&b);
}
