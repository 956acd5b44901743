#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "core/json.h"
#include "core/span.h"
#include "region/runtime/root.h"
#include "region/sandbox/lifecycle.h"

/* What a request that says nothing gets. */
#define CPUS_DEFAULT	1.0
#define MEMORY_DEFAULT	1024U
#define DISK_DEFAULT	10240U
#define TIMEOUT_DEFAULT	300U

#define CPUS_MAX	1024.0
/* A process needs some; more than any machine has is a mistake. */
#define MEMORY_MIN	16U
#define MEMORY_MAX	(16U << 20)
/* A week. */
#define TIMEOUT_MAX	(7U * 24 * 3600)
#define TEXT_MAX	1024U

/*
 * How long a create waits for the sandbox to run.  It takes a tenth of that;
 * a client that finds it pending would come again only after a second.
 */
#define CREATE_WAIT_MS	2000

bool
lifecycle_path(const struct serve_request *r)
{
	return strncmp(r->path, "/v1/namespaces/", 15) == 0 ||
	    strcmp(r->path, "/sandboxes") == 0 ||
	    strncmp(r->path, "/sandboxes/", 11) == 0;
}

static const char *
status_word(enum sandbox_status status)
{
	return status == SANDBOX_PENDING ? "pending" :
	    status == SANDBOX_RUNNING ? "running" : "terminated";
}

/* id, and never sandbox_id beside it: tl-wire(7), "Wait". */
static void
describe(struct sandbox *sb, const char *url, struct jout *j)
{
	pthread_mutex_lock(&sb->lock);
	jout_object(j);
	jout_member(j, "id", sb->id);
	jout_member(j, "namespace", sb->ns);
	jout_member(j, "status", status_word(sb->status));
	jout_member(j, "image", sb->image);
	jout_key(j, "resources");
	jout_object(j);
	jout_key(j, "cpus");
	jout_double(j, sb->cpus);
	jout_key(j, "memory_mb");
	jout_u64(j, sb->memory_mb);
	jout_key(j, "ephemeral_disk_mb");
	jout_u64(j, sb->disk_mb);
	jout_close(j);
	jout_key(j, "timeout_secs");
	jout_u64(j, sb->timeout_s);
	jout_key(j, "created_at");
	jout_i64(j, sb->created_ms);
	jout_member(j, "sandbox_url", url);
	jout_member(j, "routing_hint", "local");
	if (sb->status == SANDBOX_PENDING)
		jout_member(j, "pending_reason", "being made");
	if (sb->status == SANDBOX_ENDED) {
		jout_member(j, "outcome", sb->outcome);
		if (sb->reason[0] != '\0')
			jout_member(j, "error_details", sb->reason);
	}
	jout_close(j);
	pthread_mutex_unlock(&sb->lock);
}

/* A number that is absent is the default; one out of bounds is refused. */
static int
number(const struct span *obj, const char *name, uint64_t min, uint64_t max,
    uint64_t *out, struct fail *f)
{
	int n = json_u64(obj, name, JSON_MAY, out, f);

	if (n == 1 && (*out < min || *out > max))
		return fail_set(f, EX_DATAERR, "%s: not from %ju to %ju",
		    name, (uintmax_t)min, (uintmax_t)max);
	return n;
}

static int
read_spec(const struct serve_request *r, struct sandbox_spec *spec,
    char **image, struct fail *f)
{
	struct span doc, resources, network;
	bool internet = true;
	int n;

	if (serve_body_json(r, &doc, f) == -1 ||
	    json_string(&doc, "image", JSON_MAY, image, f) == -1 ||
	    number(&doc, "timeout_secs", 1, TIMEOUT_MAX, &spec->timeout_s,
	    f) == -1)
		return -1;
	if (*image != NULL && strlen(*image) > TEXT_MAX)
		return fail_set(f, EX_DATAERR, "image: too long");
	n = json_sub(&doc, "network", JSON_MAY, '{', &network, f);
	if (n == 1)
		n = json_bool(&network, "allow_internet_access", JSON_MAY,
		    &internet, f);
	if (n == -1)
		return -1;
	spec->no_internet = !internet;
	n = json_sub(&doc, "resources", JSON_MAY, '{', &resources, f);
	if (n == 1 && (json_double(&resources, "cpus", JSON_MAY, &spec->cpus,
	    f) == -1 ||
	    number(&resources, "memory_mb", MEMORY_MIN, MEMORY_MAX,
	    &spec->memory_mb, f) == -1 ||
	    number(&resources, "ephemeral_disk_mb", ROOT_DISK_MB_MIN,
	    ROOT_DISK_MB_MAX, &spec->disk_mb, f) == -1 ||
	    number(&resources, "disk_mb", ROOT_DISK_MB_MIN, ROOT_DISK_MB_MAX,
	    &spec->disk_mb, f) == -1))
		n = -1;
	if (n != -1 && !(spec->cpus >= 0.01 && spec->cpus <= CPUS_MAX))
		return fail_set(f, EX_DATAERR, "resources.cpus: not from 0.01 "
		    "to %g", CPUS_MAX);
	return n == -1 ? -1 : 0;
}

/* The image that it is to be of, if it is: 0, or -1 having answered. */
static int
unpack(struct serve_request *r, const struct sandboxes *s,
    const struct key *caller, struct sandbox_spec *spec)
{
	const struct host *host = sandboxes_host(s);
	const char *token = serve_header(r, "Authorization");
	struct fail f;

	if (!images_wanted(host, spec->image))
		return 0;
	/* It is known to be a bearer's, or there would be no caller. */
	token = token == NULL ? "" : token + strcspn(token, " ");
	token += strspn(token, " ");
	if (images_get(host, spec->image, caller, token, &spec->root, &f) ==
	    0)
		return 0;
	if (f.status == EX_NOINPUT)
		serve_error(r, 404, "IMAGE_NOT_FOUND", "%s", f.msg);
	else if (f.status == EX_TEMPFAIL)
		serve_error(r, 503, "UNAVAILABLE", "%s", f.msg);
	else
		serve_error(r, 422, "IMAGE_UNUSABLE", "%s", f.msg);
	return -1;
}

static void
create(struct serve_request *r, struct sandboxes *s, const struct key *caller,
    const char *ns)
{
	struct sandbox_spec spec = {
		.ns = ns,
		.cpus = CPUS_DEFAULT,
		.memory_mb = MEMORY_DEFAULT,
		.disk_mb = DISK_DEFAULT,
		.timeout_s = TIMEOUT_DEFAULT,
		.owner = *caller,
		.idempotency = serve_header(r, "Idempotency-Key"),
		.root = IMAGE_ROOT_INIT,
	};
	struct buf out = BUF_INIT(BUF_SMALL_MAX);
	struct jout j = JOUT_INIT(&out);
	enum sandbox_status status;
	char *image = NULL;
	struct sandbox *sb;
	struct fail f = { 0, "" };
	int made;

	if (serve_header_count(r, "Idempotency-Key") > 1 ||
	    (spec.idempotency != NULL && (spec.idempotency[0] == '\0' ||
	    strlen(spec.idempotency) > 255))) {
		serve_error(r, 400, "BAD_REQUEST",
		    "Idempotency-Key: not once, or not 1 to 255 bytes");
		return;
	}
	if (read_spec(r, &spec, &image, &f) == 0 && spec.no_internet &&
	    sandboxes_network(s) == NETWORK_HOST)
		/* Better refused than promised and not kept. */
		fail_set(&f, EX_DATAERR, "network: sandboxes here have the "
		    "host's network; access cannot be taken away");
	if (f.msg[0] != '\0') {
		serve_error(r, 400, "BAD_REQUEST", "%s", f.msg);
		free(image);
		return;
	}
	spec.image = image == NULL ? "" : image;
	if (unpack(r, s, caller, &spec) == -1) {
		free(image);
		return;
	}
	made = sandboxes_create(s, &spec, &sb, &f);
	free(image);
	image_root_free(&spec.root);
	if (made == -1) {
		serve_error(r, f.status == EX_DATAERR ? 409 :
		    f.status == EX_TEMPFAIL ? 503 : 500,
		    f.status == EX_DATAERR ? "CONFLICT" : "UNAVAILABLE", "%s",
		    f.msg);
		return;
	}
	status = sandbox_await(sb, SANDBOX_PENDING, CREATE_WAIT_MS);
	jout_object(&j);
	jout_member(&j, "sandbox_id", sb->id);
	jout_member(&j, "status", status_word(status));
	jout_member(&j, "routing_hint", "local");
	jout_member(&j, "sandbox_url", serve_url(r->serve));
	if (status == SANDBOX_ENDED) {
		jout_member(&j, "termination_reason", sb->outcome);
		jout_member(&j, "error_details", sb->reason);
	}
	jout_close(&j);
	sandbox_put(sb);
	serve_reply_json(r, made == 1 ? 201 : 200, &j);
}

struct listing {
	struct jout	 j;
	const char	*url, *ns;
};

static void
list_one(void *arg, struct sandbox *sb)
{
	struct listing *l = arg;

	if (l->ns == NULL || strcmp(l->ns, sb->ns) == 0)
		describe(sb, l->url, &l->j);
}

static void
list(struct serve_request *r, struct sandboxes *s, const struct key *caller,
    const char *ns)
{
	struct buf out = BUF_INIT(BUF_SMALL_MAX);
	struct listing l = { JOUT_INIT(&out), serve_url(r->serve), ns };

	jout_object(&l.j);
	jout_key(&l.j, "sandboxes");
	jout_array(&l.j);
	sandboxes_each(s, caller, list_one, &l);
	jout_close(&l.j);
	jout_close(&l.j);
	serve_reply_json(r, 200, &l.j);
}

static void
show(struct serve_request *r, struct sandbox *sb)
{
	struct buf out = BUF_INIT(BUF_SMALL_MAX);
	struct jout j = JOUT_INIT(&out);

	describe(sb, serve_url(r->serve), &j);
	serve_reply_json(r, 200, &j);
}

/* Answers when nothing of it is left. */
static void
delete(struct serve_request *r, struct sandbox *sb)
{
	sandbox_end(sb, "deleted");
	sandbox_wait_end(sb);
	show(r, sb);
}

static void
all(struct serve_request *r, struct sandboxes *s, const struct key *caller,
    const char *ns)
{
	if (strcmp(r->method, "POST") == 0)
		create(r, s, caller, ns == NULL ? "default" : ns);
	else if (strcmp(r->method, "GET") == 0)
		list(r, s, caller, ns);
	else
		serve_only(r, "METHOD_NOT_ALLOWED", "GET, POST");
}

void
lifecycle_done(struct serve_request *r, struct sandboxes *s,
    const struct key *caller)
{
	char seg[2][256];
	const char *ns = NULL, *id = NULL;
	struct sandbox *sb;

	if (serve_match(r, "/v1/namespaces/{}/sandboxes", seg, 2) == 1)
		ns = seg[0];
	else if (serve_match(r, "/v1/namespaces/{}/sandboxes/{}", seg,
	    2) == 2) {
		ns = seg[0];
		id = seg[1];
	} else if (serve_match(r, "/sandboxes/{}", seg, 2) == 1)
		id = seg[0];
	else if (strcmp(r->path, "/sandboxes") != 0) {
		serve_error(r, 404, "NOT_FOUND", "no such address");
		return;
	}
	if (id == NULL) {
		all(r, s, caller, ns);
		return;
	}
	sb = sandboxes_find(s, id, caller);
	if (sb == NULL || (ns != NULL && strcmp(ns, sb->ns) != 0))
		serve_error(r, 404, "SANDBOX_NOT_FOUND",
		    "there is no such sandbox");
	else if (strcmp(r->method, "GET") == 0)
		show(r, sb);
	else if (strcmp(r->method, "DELETE") == 0)
		delete(r, sb);
	else
		serve_only(r, "METHOD_NOT_ALLOWED", "GET, DELETE");
	if (sb != NULL)
		sandbox_put(sb);
}
