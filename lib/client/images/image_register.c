#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "client/images/image_register.h"
#include "core/json.h"

#define MAYBE	"it may be registered: look with tl-image show"

void
image_source_free(struct image_source *s)
{
	free(s->sandbox);
	free(s->uri);
	free(s->format);
	free(s->kind);
	free(s->parent);
	*s = (struct image_source)IMAGE_SOURCE_INIT;
}

/* The name under which it is there. */
static int
either(const struct span *doc, const char *snake, const char *camel,
    const char **name, struct fail *f)
{
	struct span value;
	int r = span_get(doc, snake, &value, f);

	*name = r == 1 && !span_is_null(&value) ? snake : camel;
	return r == -1 ? -1 : 0;
}

static int
string(const struct span *doc, const char *snake, const char *camel,
    enum json_want want, char **out, struct fail *f)
{
	const char *name;

	if (either(doc, snake, camel, &name, f) == -1 ||
	    json_string(doc, name, want, out, f) == -1)
		return -1;
	if (*out != NULL && **out == '\0')
		return fail_set(f, EX_DATAERR, "%s: empty", name);
	return 0;
}

/* Of something that has a size. */
static int
number(const struct span *doc, const char *snake, const char *camel,
    uint64_t *out, struct fail *f)
{
	const char *name;

	if (either(doc, snake, camel, &name, f) == -1 ||
	    json_u64(doc, name, JSON_NEED, out, f) == -1)
		return -1;
	return *out != 0 ? 0 : fail_set(f, EX_DATAERR, "%s: 0", name);
}

/* Whether it is finished. */
static int
finished(const struct span *doc, struct fail *f)
{
	static const char *const over[] = { "failed", "deleted", "expired" };
	char *status = NULL, shown[64];
	size_t i;
	int r;

	if (json_string(doc, "status", JSON_NEED, &status, f) == -1) {
		f->status = EX_PROTOCOL;
		return -1;
	}
	r = strcmp(status, "completed") == 0 ? 0 : -1;
	fail_show(shown, sizeof(shown), status, 40);
	for (i = 0; i < 3 && strcmp(status, over[i]) != 0; i++)
		;
	free(status);
	if (r == 0)
		return 0;
	return i < 3 ? fail_set(f, EX_DATAERR, "the snapshot is %s, not "
	    "completed; make another", shown) :
	    fail_set(f, EX_TEMPFAIL, "the snapshot is %s, not completed yet; "
	    "try again", shown);
}

int
image_source_read(struct image_source *s, const struct span *doc,
    struct fail *f)
{
	*s = (struct image_source)IMAGE_SOURCE_INIT;
	if (finished(doc, f) == -1)
		return -1;
	if (string(doc, "sandbox_id", "sandboxId", JSON_NEED, &s->sandbox,
	    f) == -1 ||
	    string(doc, "snapshot_uri", "snapshotUri", JSON_NEED, &s->uri,
	    f) == -1 ||
	    number(doc, "size_bytes", "sizeBytes", &s->bytes, f) == -1 ||
	    number(doc, "rootfs_disk_bytes", "rootfsDiskBytes",
	    &s->disk_bytes, f) == -1 ||
	    string(doc, "snapshot_format_version", "snapshotFormatVersion",
	    JSON_MAY, &s->format, f) == -1 ||
	    string(doc, "rootfs_node_kind", "rootfsNodeKind", JSON_MAY,
	    &s->kind, f) == -1 ||
	    string(doc, "parent_manifest_uri", "parentManifestUri", JSON_MAY,
	    &s->parent, f) == -1) {
		if (f->status == EX_DATAERR)
			f->status = EX_PROTOCOL;
		image_source_free(s);
		return fail_in(f, "the snapshot");
	}
	return 0;
}

int
image_register_body(const struct image_registration *g,
    const struct image_source *s, struct buf *b, struct fail *f)
{
	struct jout j = JOUT_INIT(b);

	jout_object(&j);
	jout_member(&j, "name", g->name);
	jout_key(&j, "dockerfile");
	jout_stringn(&j, g->dockerfile->data, g->dockerfile->len);
	jout_member(&j, "snapshotId", g->snapshot);
	jout_member(&j, "snapshotSandboxId", s->sandbox);
	jout_member(&j, "snapshotUri", s->uri);
	jout_member(&j, "snapshotFormatVersion", s->format);
	jout_key(&j, "snapshotSizeBytes");
	jout_u64(&j, s->bytes);
	jout_key(&j, "rootfsDiskBytes");
	jout_u64(&j, s->disk_bytes);
	jout_key(&j, "public");
	jout_bool(&j, g->public);
	jout_member(&j, "rootfsNodeKind", s->kind);
	jout_member(&j, "parentManifestUri", s->parent);
	jout_close(&j);
	return jout_end(&j, f);
}

/* A 404 may come from a server that knows no snapshots at all. */
static int
none(const struct image_server *server, const char *id, struct fail *f)
{
	struct buf url = BUF_INIT(BUF_SMALL_MAX);
	struct http_reply reply = HTTP_REPLY_INIT;
	char shown[128];

	if (cloud_snapshot_url(server->cloud, &url, NULL, f) == 0 &&
	    image_ask(server, "GET", url.data, NULL, &reply, NULL, f) == 0) {
		if (reply.status / 100 == 2)
			fail_set(f, EX_NOINPUT, "%s: no such snapshot",
			    fail_show(shown, sizeof(shown), id, 100));
		else
			http_refused(&reply, "the snapshots", f);
	}
	http_reply_free(&reply);
	buf_free(&url);
	return -1;
}

static int
look_up(const struct image_server *server, const char *id,
    struct image_source *s, struct fail *f)
{
	struct buf url = BUF_INIT(BUF_SMALL_MAX);
	struct http_reply reply = HTTP_REPLY_INIT;
	struct span doc;
	int r = -1;

	/* Dots are not escaped, and these would be resolved away. */
	if (*id == '\0' || strcmp(id, ".") == 0 || strcmp(id, "..") == 0)
		return fail_set(f, EX_USAGE, "not the id of a snapshot");
	if (cloud_snapshot_url(server->cloud, &url, id, f) == -1 ||
	    image_ask(server, "GET", url.data, NULL, &reply, NULL, f) == -1)
		goto out;
	if (reply.status == 404)
		none(server, id, f);
	else if (reply.status / 100 != 2)
		http_refused(&reply, "the snapshot", f);
	else if (image_answer(&reply, &doc, f) == 0)
		r = image_source_read(s, &doc, f);
out:
	http_reply_free(&reply);
	buf_free(&url);
	return r;
}

static int
post(const struct image_server *server, const char *body, struct buf *out,
    struct fail *f)
{
	struct buf url = BUF_INIT(BUF_SMALL_MAX);
	struct http_reply reply = HTTP_REPLY_INIT;
	char why[sizeof(f->msg)];
	struct span doc;
	bool maybe = false;
	int r = -1;

	if (image_url(server, &url, "", NULL, f) == -1)
		goto out;
	if (image_ask(server, "POST", url.data, body, &reply, &maybe, f)
	    == -1)
		fail_in(f, "register");
	else if (reply.status / 100 != 2)
		http_refused(&reply, "register", f);
	else if (image_answer(&reply, &doc, f) == 0)
		r = buf_add(out, reply.body.data, reply.body.len, f);
	if (r == -1 && (maybe || reply.status / 100 == 2)) {
		memcpy(why, f->msg, sizeof(why));
		fail_set(f, f->status, "%.400s; " MAYBE, why);
	}
out:
	http_reply_free(&reply);
	buf_free(&url);
	return r;
}

int
image_register(const struct image_server *server,
    const struct image_registration *g, struct buf *out, struct fail *f)
{
	struct image_source source = IMAGE_SOURCE_INIT;
	struct buf body = BUF_INIT(BUF_DOC_MAX);
	int r = -1;

	if (look_up(server, g->snapshot, &source, f) == 0 &&
	    image_register_body(g, &source, &body, f) == 0)
		r = post(server, body.data, out, f);
	image_source_free(&source);
	buf_free(&body);
	return r;
}
