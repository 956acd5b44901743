#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "region/platform/api_impl.h"
#include "region/sign/path.h"

#define PAGE_DEFAULT	100
#define PAGE_MAX	1000

static void
reply_template(struct serve_request *r, unsigned status,
    const struct platform_template *t)
{
	struct buf b = BUF_INIT(BUF_DOC_MAX);
	struct jout j = JOUT_INIT(&b);

	platform_template_json(t, &j);
	serve_reply_json(r, status, &j);
}

/* Answer with the template that this finds by the path's word. */
static void
look(struct api *a, struct serve_request *r, struct api_call *c,
    int (*find)(struct platform *, const char *, const char *,
    struct platform_template *, struct fail *), const char *how)
{
	struct platform_template t;
	struct fail f;

	switch (find(a->platform, c->key.project, c->seg[0], &t, &f)) {
	case 1:
		reply_template(r, 200, &t);
		platform_template_free(&t);
		break;
	case 0:
		serve_error(r, 404, "template_not_found",
		    "no template %s %s", how, c->seg[0]);
		break;
	default:
		api_refuse(r, &f);
	}
}

/* GET sandbox-templates/by-name/{} */
void
api_template_named(struct api *a, struct serve_request *r, struct api_call *c)
{
	look(a, r, c, platform_template_named, "of the name");
}

/* GET sandbox-templates/{} */
void
api_template_get(struct api *a, struct serve_request *r, struct api_call *c)
{
	look(a, r, c, platform_template_by_id, "with the id");
}

/* DELETE sandbox-templates/{} */
void
api_template_delete(struct api *a, struct serve_request *r, struct api_call *c)
{
	struct fail f;

	switch (platform_template_delete(a->platform, c->key.project,
	    c->seg[0], &f)) {
	case 1:
		serve_reply(r, 204, NULL, "", 0);
		break;
	case 0:
		serve_error(r, 404, "template_not_found",
		    "this project has no template of the name %s", c->seg[0]);
		break;
	default:
		api_refuse(r, &f);
	}
}

struct page {
	struct jout	*j;
	unsigned	 left;
	int64_t		 last;		/* row of the last one shown */
	bool		 more;
};

static void
page_add(void *arg, const struct platform_template *t)
{
	struct page *p = arg;

	if (p->left == 0) {
		p->more = true;
		return;
	}
	p->left--;
	p->last = t->row;
	platform_template_json(t, p->j);
}

/* A number out of the query, within bounds; 0 or -1, answered. */
static int
query_number(struct serve_request *r, const char *name, uint64_t min,
    uint64_t max, uint64_t *n)
{
	struct buf b = BUF_INIT(64);
	struct span s;
	uint64_t got = 0;
	struct fail f;
	int found = serve_query(r, name, &b, &f);

	s = (struct span){ b.data, b.len };
	if (found == -1 || (found == 1 && (json_digits(&s, &got) == -1 ||
	    got < min || got > max))) {
		serve_error(r, 400, "bad_request",
		    "%s: not a number from %ju to %ju", name, (uintmax_t)min,
		    (uintmax_t)max);
		buf_free(&b);
		return -1;
	}
	if (found == 1)
		*n = got;
	buf_free(&b);
	return 0;
}

/* GET sandbox-templates */
void
api_template_list(struct api *a, struct serve_request *r, struct api_call *c)
{
	struct buf b = BUF_INIT(BUF_DOC_MAX);
	struct jout j = JOUT_INIT(&b);
	struct page p = { .j = &j };
	uint64_t size = PAGE_DEFAULT, behind = 0;
	char link[2048];
	struct fail f;

	if (query_number(r, "pageSize", 1, PAGE_MAX, &size) == -1 ||
	    query_number(r, "behind", 0, INT64_MAX, &behind) == -1)
		return;
	p.left = (unsigned)size;
	jout_object(&j);
	jout_key(&j, "items");
	jout_array(&j);
	/* One more than is shown says whether there is a next page. */
	if (platform_template_list(a->platform, c->key.project,
	    (int64_t)behind, (unsigned)size + 1, page_add, &p, &f) == -1) {
		api_refuse(r, &f);
		buf_free(&b);
		return;
	}
	jout_close(&j);
	jout_key(&j, "pagination");
	jout_object(&j);
	jout_key(&j, "next");
	if (p.more) {
		snprintf(link, sizeof(link), "%.1024s?pageSize=%ju&behind=%jd",
		    r->path, (uintmax_t)size, (intmax_t)p.last);
		jout_string(&j, link);
	} else
		jout_null(&j);
	jout_close(&j);
	jout_close(&j);
	serve_reply_json(r, 200, &j);
}

/*
 * What a diff that is registered stands on: named by its URI, or as prepare
 * has it by the template.  It is read by all who build on the diff, so it must
 * be one that the project may build on.  0 or -1, answered.
 */
static int
register_parent(struct api *a, struct serve_request *r, const char *project,
    const struct span *body, struct platform_template *t)
{
	struct platform_template parent = PLATFORM_TEMPLATE_INIT;
	struct span member;
	char *id = NULL;
	struct fail f;
	int found;

	if (t->node_kind == NULL || strcmp(t->node_kind, "diff") != 0)
		return 0;
	if ((found = json_sub(body, "parentTemplate", JSON_MAY, '{', &member,
	    &f)) == 1 && (found = json_string(&member, "templateId",
	    JSON_NEED, &id, &f)) == 1)
		found = platform_template_by_id(a->platform, project, id,
		    &parent, &f);
	else if (found == 0 && t->parent_uri != NULL)
		found = platform_snapshot_visible(a->platform, project,
		    t->parent_uri, &f);
	free(id);
	if (found == 1 && parent.id != NULL) {
		free(t->parent_uri);
		t->parent_uri = parent.snapshot_uri;
		parent.snapshot_uri = NULL;
	}
	platform_template_free(&parent);
	if (found == -1)
		api_refuse(r, &f);
	else if (found == 0)
		serve_error(r, 400, "parent_unknown", "rootfsNodeKind: diff, "
		    "but parentTemplate (or parentManifestUri) names nothing "
		    "that this project may build on");
	return found == 1 ? 0 : -1;
}

/* Whether a project may register what is at a URI; 0 or -1, answered. */
static int
register_check(struct api *a, struct serve_request *r, const char *project,
    const struct platform_template *t)
{
	char *bucket = NULL, *key = NULL, own[128];
	struct fail f;
	int result = -1;

	snprintf(own, sizeof(own), "projects/%s/", project);
	if (sign_uri_split(t->snapshot_uri, &bucket, &key, &f) == -1 ||
	    sign_path_check(key, &f) == -1)
		serve_error(r, 400, "bad_request", "snapshotUri: %s", f.msg);
	else if (!sign_readable(a->reader, bucket, key))
		serve_error(r, 400, "uri_not_allowed",
		    "snapshotUri: not in a bucket of this region");
	/* A template can be read by all who may use it. */
	else if (strcmp(bucket, a->reader->bucket) == 0 &&
	    strncmp(key, own, strlen(own)) != 0)
		serve_error(r, 403, "forbidden",
		    "snapshotUri: not a snapshot of this project");
	else
		result = api_object(a, r, bucket, key, t->snapshot_bytes,
		    NULL);
	free(bucket);
	free(key);
	return result;
}

/* POST sandbox-templates */
void
api_template_register(struct api *a, struct serve_request *r,
    struct api_call *c)
{
	struct platform_template t;
	struct span body;
	struct fail f;

	if (serve_body_json(r, &body, &f) == -1 ||
	    platform_template_read(&t, &body, &f) == -1) {
		api_refuse(r, &f);
		return;
	}
	/* Its id is ours to give. */
	free(t.id);
	t.id = NULL;
	if (t.snapshot_bytes == 0)
		serve_error(r, 400, "bad_request",
		    "snapshotSizeBytes: missing");
	else if (register_parent(a, r, c->key.project, &body, &t) == 0 &&
	    register_check(a, r, c->key.project, &t) == 0) {
		if ((t.project = strdup(c->key.project)) == NULL)
			fail_set(&f, EX_OSERR, "out of memory");
		if (t.project == NULL ||
		    platform_template_put(a->platform, &t, &f) == -1)
			api_refuse(r, &f);
		else
			reply_template(r, 201, &t);
	}
	platform_template_free(&t);
}
