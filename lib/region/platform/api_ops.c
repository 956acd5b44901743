#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "region/platform/api_impl.h"
#include "region/serve/forward.h"

static const char short_prefix[] = "/platform/v1/";
static const char lifecycle_prefix[] = "/v1/namespaces/";

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
	serve_reply_json(r, 200, &j);
}

struct api_route {
	const char	*method;
	const char	*path;		/* behind either prefix */
	void		(*handle)(struct api *, struct serve_request *,
			    struct api_call *);
	const char	*name;		/* in tl-fault(7) */
};

static const struct api_route routes[] = {
	{ "POST", "keys/introspect", introspect, "introspect" },
	{ "GET", "sandbox-templates", api_template_list, "templates" },
	{ "POST", "sandbox-templates", api_template_register, "register" },
	{ "GET", "sandbox-templates/by-name/{}", api_template_named,
	    "lookup" },
	{ "GET", "sandbox-templates/{}", api_template_get, "template" },
	{ "DELETE", "sandbox-templates/{}", api_template_delete,
	    "template-delete" },
	{ "POST", "sandbox-template-builds", api_prepare, "prepare" },
	{ "POST", "sandbox-template-builds/{}/complete", api_complete,
	    "complete" },
};
#define NROUTES	(sizeof(routes) / sizeof(routes[0]))

/* Behind /v1/namespaces/NAMESPACE/, which is not looked at. */
static const struct api_route snapshot_routes[] = {
	{ "GET", "snapshots", api_snapshot_list, "snapshots" },
	{ "GET", "snapshots/{}", api_snapshot_get, "snapshot" },
};
#define NSNAPSHOT_ROUTES \
	(sizeof(snapshot_routes) / sizeof(snapshot_routes[0]))

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

/* Where the routes of snapshots begin, if this is one of them. */
static bool
snapshots(const struct serve_request *r, size_t *prefix)
{
	const char *p = r->path;

	if (strncmp(p, lifecycle_prefix, sizeof(lifecycle_prefix) - 1) != 0 ||
	    (p = strchr(p + sizeof(lifecycle_prefix) - 1, '/')) == NULL ||
	    strncmp(p, "/snapshots", 10) != 0 ||
	    (p[10] != '\0' && p[10] != '/'))
		return false;
	*prefix = (size_t)(p + 1 - r->path);
	return true;
}

static const struct api_route *
find_route(struct serve_request *r, struct api_call *c,
    const struct api_route *list, size_t n)
{
	struct serve_request rest = *r;
	char allow[64] = "";
	size_t i;

	rest.path = r->path + c->prefix;
	for (i = 0; i < n; i++) {
		if (serve_match(&rest, list[i].path, c->seg, 1) == -1)
			continue;
		if (strcmp(r->method, list[i].method) == 0)
			return &list[i];
		snprintf(allow + strlen(allow), sizeof(allow) - strlen(allow),
		    "%s%s", allow[0] == '\0' ? "" : ", ", list[i].method);
	}
	if (allow[0] != '\0')
		serve_only(r, "method_not_allowed", allow);
	else
		serve_error(r, 404, "not_found", "no such address");
	return NULL;
}

static void
begin(struct serve_request *r, void *arg)
{
	struct api *a = arg;
	struct api_call *c;
	char seg[2][256];
	int scoped = 0;
	bool snapshot;

	r->own = calloc(1, sizeof(*c));
	if ((c = r->own) == NULL) {
		serve_error(r, 503, "unavailable", "out of memory");
		return;
	}
	/*
	 * An API URL that ends in a slash gives two
	 * (tl-wire(7), "Base addresses").
	 */
	while (r->path[0] == '/' && r->path[1] == '/')
		r->path++;
	snapshot = snapshots(r, &c->prefix);
	if (!snapshot && strncmp(r->path, lifecycle_prefix,
	    sizeof(lifecycle_prefix) - 1) == 0 && a->lifecycle != NULL) {
		/* It has keys of its own, and asks for one itself. */
		c->route = &lifecycle;
		r->keep_body = FORWARD_MAX;
		return;
	}
	if (!snapshot && (scoped = scope(r, seg, &c->prefix)) == -1) {
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
	c->route = snapshot ?
	    find_route(r, c, snapshot_routes, NSNAPSHOT_ROUTES) :
	    find_route(r, c, routes, NROUTES);
	r->keep_body = BUF_SMALL_MAX;
}

static void
done(struct serve_request *r, void *arg)
{
	struct api *a = arg;
	struct api_call *c = r->own;

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
	if (snapshots(&rest, &prefix)) {
		snprintf(text, size, "%s", rest.path[prefix + 9] == '\0' ?
		    "snapshots" : "snapshot");
		return;
	}
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
