#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include "region/sandbox/blob.h"
#include "region/sandbox/fileapi.h"
#include "region/sandbox/procapi.h"
#include "region/sandbox/proxy.h"
#include "region/sandbox/terminalapi.h"
#include "region/serve/id.h"
#include "region/sign/dataplane.h"
#include "region/sign/request.h"

/* A request to sign or attest names one object. */
#define SIGN_BODY_MAX	(1U << 20)

static const char id_header[] = DATAPLANE_SANDBOX;

/* What a request under way holds. */
struct passage {
	struct sandbox	*sandbox;
	struct sandbox_file	*file;		/* a PUT's */
	struct terminal_socket	 terminal;	/* if it becomes one */
};

bool
proxy_path(const struct serve_request *r)
{
	return strncmp(r->path, "/api/v1/", 8) == 0;
}

/*
 * Which sandbox a request is for: X-Tensorlake-Sandbox-Id, exactly one, or
 * "{id}.local" as Host; if both name one, the same.  The id, into id, or -1
 * after having answered 400.
 */
static int
sandbox_id(struct serve_request *r, char id[ID_MAX + 1])
{
	unsigned n = serve_header_count(r, id_header);
	const char *named = serve_header(r, id_header);
	const char *host = serve_header(r, "Host");
	size_t len;

	if (n > 1) {
		serve_error(r, 400, "MISSING_SANDBOX_ID", "%s: more than once",
		    id_header);
		return -1;
	}
	if (named != NULL && !id_ok(named, strlen(named))) {
		serve_error(r, 400, "MISSING_SANDBOX_ID",
		    "%s: not a sandbox's id", id_header);
		return -1;
	}
	/* "{id}.local", with or without a port. */
	len = host == NULL ? 0 : strcspn(host, ":");
	if (len > 6 && strncasecmp(host + len - 6, ".local", 6) == 0 &&
	    serve_header_count(r, "Host") == 1 && id_ok(host, len - 6)) {
		len -= 6;
		if (named != NULL && (strlen(named) != len ||
		    strncmp(named, host, len) != 0)) {
			serve_error(r, 400, "MISSING_SANDBOX_ID",
			    "%s and Host name different sandboxes", id_header);
			return -1;
		}
		snprintf(id, ID_MAX + 1, "%.*s", (int)len, host);
		return 0;
	}
	if (named == NULL) {
		serve_error(r, 400, "MISSING_SANDBOX_ID",
		    "no %s header, nor a Host of the form ID.local",
		    id_header);
		return -1;
	}
	snprintf(id, ID_MAX + 1, "%s", named);
	return 0;
}

/* On to the dataplane. */
static void
pass_on(struct serve_request *r, const struct sandbox *sb,
    int (*ask)(const char *socket, const char *id, const char *json,
    struct http_reply *, struct fail *))
{
	struct http_reply reply = HTTP_REPLY_INIT;
	struct fail f;

	if (ask(sb->host->options.dataplane, sb->id,
	    r->body.data == NULL ? "" : r->body.data, &reply, &f) == -1) {
		serve_log(r->serve, "%s: dataplane: %s", sb->id, f.msg);
		serve_error(r, 502, "PROXY_ERROR", "Failed to proxy request: "
		    "the dataplane does not answer");
	} else
		serve_reply(r, (unsigned)reply.status, reply.type[0] == '\0' ?
		    NULL : reply.type, reply.body.data, reply.body.len);
	http_reply_free(&reply);
}

/* Write down what it opens: 1, 0 if it opens nothing, -1 and answered. */
static int
hold(struct serve_request *r, struct sandbox *sb)
{
	struct buf key = BUF_INIT(BUF_SMALL_MAX);
	struct fail f;
	int rc = sign_opens(r->body.data == NULL ? "" : r->body.data,
	    r->body.len, sb->owner.project, &key, &f);

	if (rc == 1 && !sandbox_enter(sb)) {
		serve_error(r, 503, "SANDBOX_NOT_RUNNING",
		    "the sandbox is ending");
		buf_free(&key);
		return -1;
	}
	if (rc == 1) {
		if (release_hold(sb->releases, sb->id, key.data,
		    &f) == -1)
			rc = -1;
		sandbox_leave(sb);
	}
	buf_free(&key);
	if (rc == -1) {
		serve_log(r->serve, "%s: %s", sb->id, f.msg);
		if (f.status == EX_DATAERR)
			serve_error(r, 400, "BAD_REQUEST", "%s", f.msg);
		else
			serve_error(r, 503, "UNAVAILABLE",
			    "the upload cannot be recorded: %s", f.msg);
	}
	return rc;
}

/* What cannot go on to the dataplane is answered here. */
static bool
can_pass(struct serve_request *r, const struct sandbox *sb)
{
	if (sb->host->options.dataplane == NULL)
		serve_error(r, 502, "PROXY_ERROR",
		    "Failed to proxy request: there is no dataplane");
	else if (r->body.data != NULL &&
	    memchr(r->body.data, '\0', r->body.len) != NULL)
		serve_error(r, 400, "BAD_REQUEST", "a NUL in the body");
	else
		return true;
	return false;
}

static void
sign(struct serve_request *r, struct sandbox *sb)
{
	int held;

	if (can_pass(r, sb) && (held = hold(r, sb)) != -1) {
		pass_on(r, sb, blob_sign);
		if (held)
			release_signed(sb->releases, sb->id);
	}
}

void
proxy_begin(struct serve_request *r, struct sandboxes *s,
    const struct key *caller)
{
	char id[ID_MAX + 1];
	enum sandbox_status status;
	struct passage *o;
	struct sandbox *sb;

	if (sandbox_id(r, id) == -1)
		return;
	sb = sandboxes_find(s, id, caller);
	if (sb == NULL) {
		serve_error(r, 404, "SANDBOX_NOT_FOUND",
		    "there is no such sandbox");
		return;
	}
	status = sandbox_renew(sb);
	o = status == SANDBOX_RUNNING ? calloc(1, sizeof(*o)) : NULL;
	if (o == NULL) {
		serve_error(r, 503, "SANDBOX_NOT_RUNNING", "the sandbox %s",
		    status == SANDBOX_PENDING ? "is being made, not running" :
		    "has ended, it is not running");
		sandbox_put(sb);
		return;
	}
	o->sandbox = sb;
	r->own = o;
	if (strcmp(r->path, "/api/v1/files") != 0)
		r->keep_body = strncmp(r->path, "/api/v1/blob/", 13) == 0 ?
		    SIGN_BODY_MAX : PROCAPI_BODY_MAX;
	else
		o->file = fileapi_begin(r, sb);
}

void
proxy_body(struct serve_request *r, const char *p, size_t n)
{
	struct passage *o = r->own;

	if (o != NULL && o->file != NULL)
		fileapi_body(r, o->file, p, n);
}

void
proxy_done(struct serve_request *r)
{
	struct passage *o = r->own;

	if (strcmp(r->path, "/api/v1/files") == 0)
		fileapi_done(r, o->sandbox, o->file);
	else if (strcmp(r->path, "/api/v1/health") == 0 &&
	    strcmp(r->method, "GET") == 0)
		serve_reply(r, 200, "application/json", "{\"healthy\":true}",
		    16);
	else if (strcmp(r->path, "/api/v1/blob/sign") == 0 &&
	    strcmp(r->method, "POST") == 0)
		sign(r, o->sandbox);
	else if (strcmp(r->path, DATAPLANE_ATTEST) == 0 &&
	    strcmp(r->method, "POST") == 0) {
		if (can_pass(r, o->sandbox))
			pass_on(r, o->sandbox, blob_attest);
	} else if (!procapi_done(r, o->sandbox) &&
	    !terminalapi_done(r, o->sandbox, &o->terminal))
		serve_error(r, 404, "NOT_FOUND", "no such address");
}

void
proxy_gone(struct serve_request *r)
{
	struct passage *o = r->own;

	if (o == NULL)
		return;
	r->own = NULL;
	fileapi_gone(o->file);
	terminalapi_gone(&o->terminal);
	sandbox_put(o->sandbox);
	free(o);
}

void
proxy_name(const struct serve_request *r, char *name, size_t size)
{
	static const struct {
		const char	*method, *path, *name;
	} names[] = {
		{ "GET", "/api/v1/health", "health" },
		{ "POST", "/api/v1/blob/sign", "sign" },
		{ "POST", "/api/v1/blob/attest", "attest" },
		{ "PUT", "/api/v1/files", "put" },
		{ "GET", "/api/v1/files", "get" },
		{ "DELETE", "/api/v1/files", "remove" },
		{ "POST", "/api/v1/processes", "process-start" },
		{ "GET", "/api/v1/processes", "process-list" },
		{ "POST", "/api/v1/processes/run", "process-run" },
		{ "GET", "/api/v1/processes/{}", "process-get" },
		{ "DELETE", "/api/v1/processes/{}", "process-kill" },
		{ "POST", "/api/v1/processes/{}/signal", "process-kill" },
		{ "POST", "/api/v1/processes/{}/stdin", "process-stdin" },
		{ "POST", "/api/v1/processes/{}/stdin/close",
		    "process-stdin" },
		{ "GET", "/api/v1/processes/{}/output/follow", "follow" },
		{ "GET", "/api/v1/processes/{}/{}", "output" },
		{ "POST", "/api/v1/pty", "pty-create" },
		{ "GET", "/api/v1/pty", "pty-list" },
		{ "GET", "/api/v1/pty/{}", "pty-get" },
		{ "DELETE", "/api/v1/pty/{}", "pty-kill" },
		{ "POST", "/api/v1/pty/{}/resize", "pty-resize" },
		{ "GET", "/api/v1/pty/{}/ws", "pty" },
	};
	char seg[2][256];
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(r->method, names[i].method) == 0 &&
		    serve_match(r, names[i].path, seg, 2) != -1) {
			snprintf(name, size, "%s", names[i].name);
			return;
		}
}
