#include <limits.h>
#include <string.h>

#include "region/platform/api_impl.h"

/*
 * Snapshots as the sandbox lifecycle shows them (tl-wire(7), "Other template
 * requests"): here they are the ones that this project's templates stand for.
 */

/* The platform is not told of which sandbox a build's snapshot is. */
#define SANDBOX_UNTOLD	"untold"

static void
describe(struct jout *j, const struct platform_template *t)
{
	jout_object(j);
	jout_member(j, "snapshot_id", t->snapshot_id);
	jout_member(j, "status", "completed");
	jout_member(j, "sandbox_id", t->snapshot_sandbox_id != NULL ?
	    t->snapshot_sandbox_id : SANDBOX_UNTOLD);
	jout_member(j, "snapshot_uri", t->snapshot_uri);
	jout_key(j, "size_bytes");
	jout_u64(j, t->snapshot_bytes);
	jout_key(j, "rootfs_disk_bytes");
	jout_u64(j, t->rootfs_bytes);
	jout_member(j, "snapshot_format_version", t->snapshot_format);
	jout_member(j, "rootfs_node_kind", t->node_kind);
	jout_member(j, "parent_manifest_uri", t->parent_uri);
	jout_key(j, "created_at");
	jout_i64(j, t->created_at);
	jout_close(j);
}

/* GET snapshots/{} */
void
api_snapshot_get(struct api *a, struct serve_request *r, struct api_call *c)
{
	struct buf b = BUF_INIT(BUF_SMALL_MAX);
	struct jout j = JOUT_INIT(&b);
	struct platform_template t;
	struct fail f;

	switch (platform_template_by_snapshot(a->platform, c->key.project,
	    c->seg[0], &t, &f)) {
	case 1:
		describe(&j, &t);
		platform_template_free(&t);
		serve_reply_json(r, 200, &j);
		break;
	case 0:
		serve_error(r, 404, "snapshot_not_found",
		    "this project has no snapshot %s", c->seg[0]);
		break;
	default:
		api_refuse(r, &f);
	}
}

struct own {
	struct jout	*j;
	const char	*project;
};

static void
add(void *arg, const struct platform_template *t)
{
	struct own *own = arg;

	if (strcmp(t->project, own->project) == 0)
		describe(own->j, t);
}

/* GET snapshots */
void
api_snapshot_list(struct api *a, struct serve_request *r, struct api_call *c)
{
	struct buf b = BUF_INIT(BUF_DOC_MAX);
	struct jout j = JOUT_INIT(&b);
	struct own own = { &j, c->key.project };
	struct fail f;

	jout_object(&j);
	jout_key(&j, "snapshots");
	jout_array(&j);
	if (platform_template_list(a->platform, c->key.project, 0, UINT_MAX,
	    add, &own, &f) == -1) {
		api_refuse(r, &f);
		buf_free(&b);
		return;
	}
	jout_close(&j);
	jout_close(&j);
	serve_reply_json(r, 200, &j);
}
