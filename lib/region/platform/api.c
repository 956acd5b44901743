#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "region/platform/api.h"
#include "region/serve/forward.h"
#include "region/sign/sign.h"

#define PAGE_DEFAULT	100
#define PAGE_MAX	1000
#define SEEDS_MAX	1000

static const char short_prefix[] = "/platform/v1/";
static const char lifecycle_prefix[] = "/v1/namespaces/";

void
api_refuse(struct serve_request *r, const struct fail *f)
{
	switch (f->status) {
	case EX_DATAERR:
		serve_error(r, 400, "bad_request", "%s", f->msg);
		break;
	case EX_NOPERM:
		serve_error(r, 403, "forbidden", "%s", f->msg);
		break;
	case EX_TEMPFAIL:
		serve_log(r->serve, "%s", f->msg);
		serve_add_header(r, "Retry-After", "1");
		serve_error(r, 503, "unavailable", "try again: %s", f->msg);
		break;
	default:
		serve_log(r->serve, "%s", f->msg);
		serve_error(r, 500, "internal",
		    "the server failed; its log says why");
	}
}

static void
reply_json(struct serve_request *r, unsigned status, struct jout *j)
{
	struct fail f;

	if (jout_end(j, &f) == -1 || buf_adds(j->b, "\n", &f) == -1)
		api_refuse(r, &f);
	else
		serve_reply(r, status, "application/json", j->b->data,
		    j->b->len);
}

static void
reply_template(struct serve_request *r, unsigned status,
    const struct platform_template *t)
{
	struct buf b = BUF_INIT(BUF_DOC_MAX);
	struct jout j = JOUT_INIT(&b);

	platform_template_json(t, &j);
	reply_json(r, status, &j);
	buf_free(&b);
}

/* POST keys/introspect */
static void
introspect(struct api *a, struct serve_request *r, struct api_call *c)
{
	struct buf b = BUF_INIT(4096);
	struct jout j = JOUT_INIT(&b);

	(void)a;
	jout_object(&j);
	jout_member(&j, "id", c->key.id);
	jout_member(&j, "organizationId", c->key.org);
	jout_member(&j, "projectId", c->key.project);
	jout_close(&j);
	reply_json(r, 200, &j);
	buf_free(&b);
}

/* What a look for a template has found: 1 with the template, 0 or -1. */
static void
answer_template(struct serve_request *r, int found,
    struct platform_template *t, const char *how, const char *word,
    const struct fail *f)
{
	if (found == 1) {
		reply_template(r, 200, t);
		platform_template_free(t);
	} else if (found == 0)
		serve_error(r, 404, "template_not_found",
		    "no template %s %s", how, word);
	else
		api_refuse(r, f);
}

/* GET sandbox-templates/by-name/{} */
static void
by_name(struct api *a, struct serve_request *r, struct api_call *c)
{
	struct platform_template t;
	struct fail f;
	int found;

	found = platform_template_named(a->platform, c->key.project,
	    c->seg[0], &t, &f);
	answer_template(r, found, &t, "of the name", c->seg[0], &f);
}

/* GET sandbox-templates/{} */
static void
by_id(struct api *a, struct serve_request *r, struct api_call *c)
{
	struct platform_template t;
	struct fail f;
	int found;

	found = platform_template_by_id(a->platform, c->key.project,
	    c->seg[0], &t, &f);
	answer_template(r, found, &t, "with the id", c->seg[0], &f);
}

/* DELETE sandbox-templates/{} */
static void
delete(struct api *a, struct serve_request *r, struct api_call *c)
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
static void
list(struct api *a, struct serve_request *r, struct api_call *c)
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
	reply_json(r, 200, &j);
	buf_free(&b);
}

int
api_object(struct api *a, struct serve_request *r, const char *bucket,
    const char *key, uint64_t bytes)
{
	struct http_reply reply = HTTP_REPLY_INIT;
	struct http_request q = { .method = "HEAD", .timeout_ms = 30000,
	    .no_redirect = true };
	struct buf url = BUF_INIT(64UL << 10);
	struct http *h = NULL;
	struct fail f;
	int result = -1;

	if (sign_url(&url, a->reader, "HEAD", bucket, key, NULL, 0,
	    time(NULL), 60, &f) == -1) {
		api_refuse(r, &f);
		goto out;
	}
	q.url = url.data;
	if ((h = pool_take(a->pool, &f)) == NULL ||
	    http_do(h, &q, &reply, &f) == -1) {
		fail_in(&f, "object store");
		api_refuse(r, &f);
	} else if (reply.status == 404)
		serve_error(r, 400, "snapshot_missing",
		    "s3://%s/%s: no object is there", bucket, key);
	else if (reply.status / 100 != 2) {
		serve_log(r->serve, "object store: HEAD of s3://%s/%s: "
		    "refused (%ld)", bucket, key, reply.status);
		serve_error(r, reply.status >= 500 ||
		    reply.status == 429 ? 503 : 502,
		    "store_refused", "s3://%s/%s: the object store refuses to "
		    "tell whether it is there (%ld)", bucket, key,
		    reply.status);
	} else if (reply.length != bytes)
		serve_error(r, 400, "snapshot_size", "snapshotSizeBytes: %ju, "
		    "but the object has %ju bytes", (uintmax_t)bytes,
		    (uintmax_t)(reply.length == HTTP_LEN_UNKNOWN ? 0 :
		    reply.length));
	else
		result = 0;
out:
	pool_give(a->pool, h);
	http_reply_free(&reply);
	buf_free(&url);
	return result;
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
		result = api_object(a, r, bucket, key, t->snapshot_bytes);
	free(bucket);
	free(key);
	return result;
}

/* POST sandbox-templates */
static void
register_template(struct api *a, struct serve_request *r, struct api_call *c)
{
	struct platform_template t;
	struct span body;
	struct fail f;

	if (span_parse(&body, r->body.data, r->body.len, &f) == -1 ||
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

/* Routing. */

struct api_route {
	const char	*method;
	const char	*path;		/* behind either prefix */
	void		(*handle)(struct api *, struct serve_request *,
			    struct api_call *);
	const char	*name;		/* in tl-fault(7) */
};

static const struct api_route routes[] = {
	{ "POST", "keys/introspect", introspect, "introspect" },
	{ "GET", "sandbox-templates", list, "templates" },
	{ "POST", "sandbox-templates", register_template, "register" },
	{ "GET", "sandbox-templates/by-name/{}", by_name, "lookup" },
	{ "GET", "sandbox-templates/{}", by_id, "template" },
	{ "DELETE", "sandbox-templates/{}", delete, "template-delete" },
	{ "POST", "sandbox-template-builds", api_prepare, "prepare" },
	{ "POST", "sandbox-template-builds/{}/complete", api_complete,
	    "complete" },
};
#define NROUTES	(sizeof(routes) / sizeof(routes[0]))

/* Not one of ours: the lifecycle's. */
static const struct api_route lifecycle = { NULL, NULL, NULL, NULL };

/*
 * What the long prefix says of the scope.  1 and where the rest begins, 0 if
 * this is the short one, -1 if it is neither.
 */
static int
scope(const struct serve_request *r, char seg[2][256], size_t *prefix)
{
	struct serve_request head = *r;
	const char *p = r->path;
	char *path;
	int i, n;

	if (strncmp(p, short_prefix, sizeof(short_prefix) - 1) != 0)
		return -1;
	p += sizeof(short_prefix) - 1;
	*prefix = (size_t)(p - r->path);
	if (strncmp(p, "organizations/", 14) != 0)
		return 0;
	for (i = 0; i < 4 && p != NULL; i++)
		if ((p = strchr(p, '/')) != NULL)
			p++;
	if (p == NULL)
		return -1;
	path = strndup(r->path + *prefix, (size_t)(p - r->path) - *prefix);
	head.path = path;
	n = path == NULL ? -1 :
	    serve_match(&head, "organizations/{}/projects/{}/", seg, 2);
	free(path);
	*prefix = (size_t)(p - r->path);
	return n == 2 ? 1 : -1;
}

static const struct api_route *
find_route(struct serve_request *r, struct api_call *c)
{
	struct serve_request rest = *r;
	char allow[64] = "";
	size_t i;

	rest.path = r->path + c->prefix;
	for (i = 0; i < NROUTES; i++) {
		if (serve_match(&rest, routes[i].path, c->seg, 1) == -1)
			continue;
		if (strcmp(r->method, routes[i].method) == 0)
			return &routes[i];
		snprintf(allow + strlen(allow), sizeof(allow) - strlen(allow),
		    "%s%s", allow[0] == '\0' ? "" : ", ", routes[i].method);
	}
	if (allow[0] != '\0') {
		serve_add_header(r, "Allow", allow);
		serve_error(r, 405, "method_not_allowed",
		    "only %s is possible here", allow);
	} else
		serve_error(r, 404, "not_found", "no such address");
	return NULL;
}

static void
begin(struct serve_request *r, void *arg)
{
	struct api *a = arg;
	struct api_call *c;
	char seg[2][256];
	int scoped;

	r->own = calloc(1, sizeof(*c));
	if ((c = r->own) == NULL) {
		serve_error(r, 503, "unavailable", "out of memory");
		return;
	}
	/* An API URL that ends in a slash gives two (WIRE.md 1.1). */
	while (r->path[0] == '/' && r->path[1] == '/')
		r->path++;
	if (strncmp(r->path, lifecycle_prefix,
	    sizeof(lifecycle_prefix) - 1) == 0 && a->lifecycle != NULL) {
		/* It has keys of its own, and asks for one itself. */
		c->route = &lifecycle;
		r->keep_body = FORWARD_MAX;
		return;
	}
	if ((scoped = scope(r, seg, &c->prefix)) == -1) {
		serve_error(r, 404, "not_found", "no such address");
		return;
	}
	/* Who asks comes before what there is. */
	if (keys_caller(a->keys, r, &c->key) == -1)
		return;
	if (scoped == 1 && (strcmp(seg[0], c->key.org) != 0 ||
	    strcmp(seg[1], c->key.project) != 0)) {
		serve_error(r, 403, "forbidden",
		    "the token is not of this organization and project");
		return;
	}
	c->route = find_route(r, c);
	r->keep_body = BUF_SMALL_MAX;
}

static void
done(struct serve_request *r, void *arg)
{
	struct api *a = arg;
	struct api_call *c = r->own;

	if (a->verbose)
		serve_log(r->serve, "%s %s", r->method, r->path);
	if (c->route == &lifecycle)
		forward_request(a->pool, a->lifecycle, r);
	else
		c->route->handle(a, r, c);
}

static void
gone(struct serve_request *r, void *arg)
{
	(void)arg;
	free(r->own);
}

static const char *
lifecycle_name(const struct serve_request *r)
{
	const char *s = strstr(r->path, "/sandboxes");

	if (strcmp(r->method, "POST") == 0)
		return "create";
	if (strcmp(r->method, "DELETE") == 0)
		return "delete";
	return s != NULL && s[10] == '/' ? "wait" : "list";
}

/* The names of tl-fault(7). */
static void
name(const struct serve_request *r, char *text, size_t size)
{
	struct serve_request rest = *r;
	char seg[2][256];
	size_t i, prefix;

	while (rest.path[0] == '/' && rest.path[1] == '/')
		rest.path++;
	if (strncmp(rest.path, lifecycle_prefix,
	    sizeof(lifecycle_prefix) - 1) == 0) {
		snprintf(text, size, "%s", lifecycle_name(&rest));
		return;
	}
	if (scope(&rest, seg, &prefix) == -1)
		return;
	rest.path += prefix;
	for (i = 0; i < NROUTES; i++)
		if (strcmp(r->method, routes[i].method) == 0 &&
		    serve_match(&rest, routes[i].path, seg, 1) != -1) {
			snprintf(text, size, "%s", routes[i].name);
			return;
		}
}

const struct serve_ops api_ops = {
	.begin = begin, .done = done, .gone = gone, .name = name,
};

/* Templates out of files. */

static int
seed_read(struct platform_template *t, const char *path, struct fail *f)
{
	struct buf b = BUF_INIT(BUF_SMALL_MAX);
	struct span doc;
	int r = -1;

	if (buf_load(&b, path, f) == -1) {
		buf_free(&b);
		return -1;
	}
	if (span_parse(&doc, b.data, b.len, f) == -1 ||
	    platform_template_read(t, &doc, f) == -1)
		fail_in(f, path);
	else if (t->id == NULL || !t->public) {
		fail_set(f, EX_DATAERR, "%s: %s", path, t->id == NULL ?
		    "no id" : "public: must be true, as nobody owns it");
		platform_template_free(t);
	} else if ((t->project = strdup("")) == NULL) {
		fail_set(f, EX_OSERR, "out of memory");
		platform_template_free(t);
	} else {
		t->created_at = time(NULL);
		r = 0;
	}
	buf_free(&b);
	return r;
}

static int
is_seed(const struct dirent *e)
{
	const char *dot = strrchr(e->d_name, '.');

	return e->d_name[0] != '.' && dot != NULL &&
	    strcmp(dot, ".json") == 0;
}

int
api_seed(struct api *a, const char *dir, struct fail *f)
{
	struct dirent **files = NULL;
	struct platform_template *t = NULL;
	char path[4096];
	int i, n, r = -1;
	size_t have = 0;

	/* In order of their names, so a list of them is too. */
	if ((n = scandir(dir, &files, is_seed, alphasort)) == -1)
		return fail_sys(f, EX_NOINPUT, "%.200s", dir);
	if (n > SEEDS_MAX)
		fail_set(f, EX_CONFIG, "%.200s: more than %d templates", dir,
		    SEEDS_MAX);
	else if ((t = calloc((size_t)n + 1, sizeof(*t))) == NULL)
		fail_set(f, EX_OSERR, "out of memory");
	else {
		for (i = 0, r = 0; i < n && r == 0; i++) {
			snprintf(path, sizeof(path), "%s/%s", dir,
			    files[i]->d_name);
			if ((r = seed_read(&t[have], path, f)) == 0)
				have++;
		}
		if (r == 0 && (r = platform_seed(a->platform, t, have, f)) ==
		    -1)
			fail_in(f, dir);
	}
	while (have > 0)
		platform_template_free(&t[--have]);
	free(t);
	for (i = 0; i < n; i++)
		free(files[i]);
	free(files);
	return r;
}
