#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "region/platform/api_impl.h"
#include "region/platform/chain.h"
#include "region/sign/block.h"
#include "region/sign/multipart.h"
#include "region/sign/request.h"

#define IMAGES_MAX	256
/*
 * An upload of the legacy path is signed before anybody has said how large it
 * will be: these parts hold 100 GiB, in an answer of half a megabyte.
 */
#define LEGACY_PARTS	1024
#define LEGACY_PART	(100ULL << 20)

/* A template that the build reads. */
struct source {
	bool				known;
	struct platform_template	t;
	struct chain			below;
	struct span			asked;	/* of a local image */
};

struct prepare {
	struct build	 build;
	struct source	 parent;	/* unknown: there is none */
	struct source	*images;	/* additionalLocalImages */
	size_t		 nimages;
	bool		 legacy;
};

static void
source_free(struct source *s)
{
	platform_template_free(&s->t);
	chain_free(&s->below);
}

static void
prepare_free(struct prepare *p)
{
	while (p->nimages > 0)
		source_free(&p->images[--p->nimages]);
	free(p->images);
	source_free(&p->parent);
	build_free(&p->build);
}

/*
 * Find a template, and what lies below its snapshot: 1, 0 there is none, or -1
 * having answered.
 */
static int
source_find(struct api *a, struct serve_request *r, const char *project,
    const char *id, const char *member, struct source *s)
{
	struct fail f;
	int found = platform_template_by_id(a->platform, project, id, &s->t,
	    &f);

	if (found == 1 && chain_find(&s->below, a->platform, project, &s->t,
	    &f) == -1)
		found = -1;
	if (found == -1) {
		fail_in(&f, member);
		if (f.status == EX_UNAVAILABLE)
			serve_error(r, 409, "ancestor_unknown", "%s", f.msg);
		else
			api_refuse(r, &f);
	}
	s->known = found == 1;
	return found;
}

/* Find the parent template: 0, or -1 having answered. */
static int
find_parent(struct api *a, struct serve_request *r, const char *project,
    const struct span *asked, struct prepare *p)
{
	char *id = NULL, *name = NULL;
	struct fail f;
	int result = -1;

	if (json_string(asked, "templateId", JSON_NEED, &id, &f) == -1 ||
	    json_string(asked, "name", JSON_MAY, &name, &f) == -1) {
		fail_in(&f, "parentTemplate");
		api_refuse(r, &f);
		goto out;
	}
	switch (source_find(a, r, project, id, "parentTemplate",
	    &p->parent)) {
	case 1:
		p->build.parent_uri = strdup(p->parent.t.snapshot_uri);
		if (p->build.parent_uri != NULL)
			result = 0;
		else
			serve_error(r, 503, "unavailable", "out of memory");
		break;
	case 0:
		serve_error(r, 404, "template_not_found", "parentTemplate: "
		    "no template with the id %s (%s); look it up again", id,
		    name == NULL ? "no name given" : name);
		break;
	}
out:
	free(id);
	free(name);
	return result;
}

/* Find the local images' templates: 0, or -1 having answered. */
static int
find_images(struct api *a, struct serve_request *r, const char *project,
    const struct span *asked, struct prepare *p)
{
	const char *pos = NULL;
	struct source *s;
	struct span image;
	char *id, member[64];
	struct fail f;
	int found;

	while (asked->len > 0 && span_next(asked, &pos, NULL, &image) == 1) {
		if (p->nimages == IMAGES_MAX) {
			fail_set(&f, EX_DATAERR, "additionalLocalImages: more "
			    "than %d entries", IMAGES_MAX);
			goto refuse;
		}
		s = reallocarray(p->images, p->nimages + 1, sizeof(*s));
		if (s == NULL) {
			fail_set(&f, EX_OSERR, "out of memory");
			goto refuse;
		}
		p->images = s;
		s += p->nimages;
		*s = (struct source){ .t = PLATFORM_TEMPLATE_INIT,
		    .below = CHAIN_INIT, .asked = image };
		snprintf(member, sizeof(member), "additionalLocalImages[%zu]",
		    p->nimages++);
		id = NULL;
		if (!span_is_object(&image))
			fail_set(&f, EX_DATAERR, "%s: not an object", member);
		if (!span_is_object(&image) || json_string(&image,
		    "templateId", JSON_MAY, &id, &f) == -1)
			goto refuse;
		found = id == NULL ? 0 : source_find(a, r, project, id,
		    member, s);
		free(id);
		if (found == -1)
			return -1;
	}
	return 0;
refuse:
	api_refuse(r, &f);
	return -1;
}

static int
kind_check(const char *kind, bool has_parent, struct fail *f)
{
	if (strcmp(kind, "base") != 0 && strcmp(kind, "diff") != 0)
		return fail_set(f, EX_DATAERR,
		    "rootfsNodeKind: must be base or diff");
	if (strcmp(kind, "diff") == 0 && !has_parent)
		return fail_set(f, EX_DATAERR,
		    "rootfsNodeKind: diff, but there is no parentTemplate");
	return 0;
}

/* Which of the two answers this request gets; 0 or -1, answered. */
static int
which_answer(const struct api *a, struct serve_request *r, bool *legacy)
{
	const char *wish = serve_header(r, "X-Tl-Answer");

	*legacy = wish == NULL ? a->legacy : strcmp(wish, "legacy") == 0;
	if (wish != NULL && !*legacy && strcmp(wish, "versioned") != 0) {
		serve_error(r, 400, "bad_request",
		    "X-Tl-Answer: must be versioned or legacy");
		return -1;
	}
	if (*legacy && a->signer == NULL) {
		serve_error(r, 400, "no_signer",
		    "this server was started without a signer, which legacy "
		    "answers need");
		return -1;
	}
	return 0;
}

/* Read the request and make a build of it: 0, or -1 having answered. */
static int
prepare_read(struct api *a, struct serve_request *r, const char *project,
    struct prepare *p)
{
	struct build *b = &p->build;
	struct span body, parent, images = { NULL, 0 };
	struct fail f;
	int has;

	if (which_answer(a, r, &p->legacy) == -1)
		return -1;
	if (serve_body_json(r, &body, &f) == -1 ||
	    json_string(&body, "name", JSON_NEED, &b->name, &f) == -1 ||
	    platform_template_name_check(b->name, &f) == -1 ||
	    json_string(&body, "dockerfile", JSON_NEED, &b->dockerfile,
	    &f) == -1 ||
	    json_string(&body, "baseImage", JSON_MAY, &b->base_image,
	    &f) == -1 ||
	    json_bool(&body, "public", JSON_MAY, &b->public, &f) == -1 ||
	    json_string(&body, "rootfsNodeKind", JSON_NEED, &b->node_kind,
	    &f) == -1 ||
	    json_sub(&body, "additionalLocalImages", JSON_MAY, '[',
	    &images, &f) == -1 ||
	    (has = json_sub(&body, "parentTemplate", JSON_MAY, '{', &parent,
	    &f)) == -1 || kind_check(b->node_kind, has == 1, &f) == -1)
		goto refuse;
	if ((has == 1 && find_parent(a, r, project, &parent, p) == -1) ||
	    find_images(a, r, project, &images, p) == -1)
		return -1;
	if ((b->project = strdup(project)) == NULL ||
	    (b->id = platform_new_id("sandbox_template_build_", &f)) == NULL ||
	    (b->snapshot_id = platform_new_id("snap_", &f)) == NULL ||
	    asprintf(&b->rel_path,
	    "projects/%s/sandbox-template-builds/%s/%s.tlsnap", project,
	    b->id, b->snapshot_id) == -1) {
		fail_set(&f, EX_OSERR, "out of memory");
		goto refuse;
	}
	b->created_at = time(NULL);
	return 0;
refuse:
	api_refuse(r, &f);
	return -1;
}

/* A signed block as a member of the answer. */
static int
block_json(struct jout *j, const char *key, const struct sign_request *what,
    const struct config *signer, const char *upload_id, struct fail *f)
{
	struct buf block = BUF_INIT(API_ANSWER_MAX);
	struct span text;
	int r = sign_block(&block, what, signer, upload_id, time(NULL), f);

	if (r == 0 && span_parse(&text, block.data, block.len, f) == -1)
		r = -1;
	if (r == 0) {
		jout_key(j, key);
		jout_span(j, &text);
	}
	buf_free(&block);
	return r;
}

static int
download_json(struct jout *j, const struct config *signer, const char *uri,
    struct fail *f)
{
	struct sign_request what = { .bucket = NULL };
	int r = sign_download(&what, uri, signer, f);

	if (r == 0) {
		r = block_json(j, "download", &what, signer, NULL, f);
		sign_request_free(&what);
	}
	return r;
}

/* Open the upload of a legacy answer, and sign it. */
static int
upload_json(struct api *a, struct jout *j, struct build *b, struct fail *f)
{
	struct sign_request what = { .bucket = NULL };
	struct buf id = BUF_INIT(4096);
	struct http *h;
	int r;

	if ((h = pool_take(a->pool, f)) == NULL)
		return -1;
	r = sign_upload(&what, b->rel_path, b->project, LEGACY_PARTS,
	    LEGACY_PART, a->signer, f);
	if (r == 0) {
		r = multipart_create(h, a->signer, what.key, &id, f);
		if (r == 0 && (b->upload_id = strdup(id.data)) == NULL)
			r = fail_set(f, EX_OSERR, "out of memory");
		if (r == 0)
			r = block_json(j, "upload", &what, a->signer,
			    b->upload_id, f);
		sign_request_free(&what);
	}
	pool_give(a->pool, h);
	buf_free(&id);
	return r;
}

/* Abort what upload_json() opened, if it did. */
static void
upload_abort(struct api *a, struct serve *s, const struct build *b)
{
	struct http *h;
	struct fail f;

	if (b->upload_id == NULL || a->signer == NULL)
		return;
	if ((h = pool_take(a->pool, &f)) == NULL ||
	    multipart_abort(h, a->signer, b->rel_path, b->upload_id,
	    &f) == -1)
		serve_log(s, "upload of %s: not aborted: %s", b->id, f.msg);
	pool_give(a->pool, h);
}

/* Clients carry what they do not know to the builder, untouched. */
static int
ancestors_json(const struct api *a, struct jout *j, const struct source *s,
    struct fail *f)
{
	size_t i;

	if (s->below.n == 0)
		return 0;
	jout_key(j, "ancestors");
	jout_array(j);
	for (i = 0; i < s->below.n; i++) {
		jout_object(j);
		jout_member(j, "snapshotUri", s->below.uri[i]);
		if (download_json(j, a->reader, s->below.uri[i], f) == -1)
			return fail_in(f, s->t.name);
		jout_close(j);
	}
	jout_close(j);
	return 0;
}

static int
parent_json(const struct api *a, struct jout *j, const struct prepare *p,
    struct fail *f)
{
	const struct platform_template *t = &p->parent.t;
	int r = 0;

	jout_key(j, "parent");
	jout_object(j);
	jout_member(j, "templateId", t->id);
	jout_member(j, "parentManifestUri", t->snapshot_uri);
	if (t->rootfs_bytes != 0) {
		jout_key(j, "rootfsDiskBytes");
		jout_u64(j, t->rootfs_bytes);
	}
	if (p->legacy)
		r = download_json(j, a->reader, t->snapshot_uri, f);
	if (r == 0)
		r = ancestors_json(a, j, &p->parent, f);
	jout_close(j);
	return r;
}

/*
 * One entry as it was asked for, and where its snapshot is.  Only the newest
 * clients have one signed that comes without a download
 * (tl-wire(7), "Splicing"), so what can be read from here is signed here.
 */
static int
image_json(const struct api *a, struct jout *j, const struct source *s,
    bool legacy, struct fail *f)
{
	static const char *const kept[] = {
		"templateId", "name", "reference", "snapshotId",
	};
	struct fail why;
	char *text;
	bool public;
	size_t i;

	jout_object(j);
	for (i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		text = NULL;
		if (json_string(&s->asked, kept[i], JSON_MAY, &text, f) == -1)
			return -1;
		jout_member(j, kept[i], text);
		free(text);
	}
	if (s->known) {
		jout_member(j, "snapshotUri", s->t.snapshot_uri);
		if (download_json(j, a->reader, s->t.snapshot_uri,
		    &why) == -1 && legacy) {
			*f = why;
			return -1;
		}
		if (ancestors_json(a, j, s, f) == -1)
			return -1;
	}
	switch (json_bool(&s->asked, "public", JSON_MAY, &public, f)) {
	case 1:
		jout_key(j, "public");
		jout_bool(j, public);
		break;
	case -1:
		return -1;
	}
	jout_close(j);
	return 0;
}

static int
images_json(const struct api *a, struct jout *j, const struct prepare *p,
    struct fail *f)
{
	size_t i;

	jout_key(j, "additionalLocalImages");
	jout_array(j);
	for (i = 0; i < p->nimages; i++)
		if (image_json(a, j, &p->images[i], p->legacy, f) == -1)
			return -1;
	jout_close(j);
	return 0;
}

/* The answer to prepare, tl-wire(7), "Prepare". */
static int
prepare_json(struct api *a, struct prepare *p, struct buf *out,
    struct fail *f)
{
	struct jout j = JOUT_INIT(out);
	struct build *b = &p->build;
	char *uri;

	jout_object(&j);
	jout_member(&j, "buildId", b->id);
	jout_member(&j, "snapshotId", b->snapshot_id);
	jout_member(&j, "rootfsNodeKind", b->node_kind);
	jout_key(&j, "builder");
	jout_object(&j);
	jout_member(&j, "image", a->builder.image);
	jout_member(&j, "command", a->builder.command);
	jout_key(&j, "cpus");
	jout_double(&j, a->builder.cpus);
	jout_key(&j, "memoryMb");
	jout_u64(&j, a->builder.memory_mb);
	jout_key(&j, "diskMb");
	jout_u64(&j, a->builder.disk_mb);
	jout_close(&j);
	if (p->parent.known && parent_json(a, &j, p, f) == -1)
		return -1;
	if (images_json(a, &j, p, f) == -1)
		return -1;
	if (!p->legacy)
		jout_member(&j, "snapshotRelPath", b->rel_path);
	else {
		if (asprintf(&uri, "s3://%s/%s", a->signer->bucket,
		    b->rel_path) == -1)
			return fail_set(f, EX_OSERR, "out of memory");
		jout_member(&j, "snapshotUri", uri);
		free(uri);
		/* Last: once it is open, little is left that can fail. */
		if (upload_json(a, &j, b, f) == -1)
			return -1;
	}
	jout_close(&j);
	return jout_end(&j, f) == -1 ? -1 : buf_adds(out, "\n", f);
}

struct stale {
	struct build	*list;
	size_t		 n;
};

static void
take_stale(void *arg, struct build *b)
{
	struct stale *s = arg;
	struct build *list;

	list = reallocarray(s->list, s->n + 1, sizeof(*list));
	if (list == NULL)
		return;
	s->list = list;
	s->list[s->n++] = *b;
	*b = (struct build)BUILD_INIT;
}

/* Forget what is past its time, and abort its uploads. */
static int
expire(struct api *a, struct serve *serve, struct fail *f)
{
	struct stale s = { NULL, 0 };
	int r = platform_expire(a->platform, time(NULL) - a->expire_s,
	    take_stale, &s, f);

	while (s.n > 0) {
		if (r == 0)
			upload_abort(a, serve, &s.list[s.n - 1]);
		build_free(&s.list[--s.n]);
	}
	free(s.list);
	return r;
}

/* POST sandbox-template-builds */
void
api_prepare(struct api *a, struct serve_request *r, struct api_call *c)
{
	struct prepare p = { .build = BUILD_INIT, .parent = {
	    .t = PLATFORM_TEMPLATE_INIT, .below = CHAIN_INIT } };
	struct buf answer = BUF_INIT(API_ANSWER_MAX);
	struct platform_once once;
	char print[API_PRINT_SIZE];
	struct fail f;
	int kept = -1;

	if (api_once_read(r, "prepare", &once, print) == -1 ||
	    api_again(a, r, c, &once) == 1)
		return;
	if (expire(a, r->serve, &f) == -1) {
		api_refuse(r, &f);
		return;
	}
	if (prepare_read(a, r, c->key.project, &p) == 0) {
		if (prepare_json(a, &p, &answer, &f) == -1 ||
		    (kept = platform_build_add(a->platform, &p.build, &once,
		    &answer, &f)) == -1)
			api_refuse(r, &f);
		else if (kept == 1)
			serve_reply(r, 200, "application/json", answer.data,
			    answer.len);
		else if (api_again(a, r, c, &once) == 0)
			/* Its twin was faster, and then expired. */
			serve_error(r, 503, "unavailable", "try again");
	}
	if (kept != 1)
		upload_abort(a, r->serve, &p.build);
	prepare_free(&p);
	buf_free(&answer);
}
