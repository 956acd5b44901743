#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/http.h"
#include "region/runtime/files.h"
#include "region/runtime/root.h"
#include "region/sandbox/procapi.h"
#include "region/sandbox/proxy.h"
#include "region/serve/id.h"
#include "region/sign/sign.h"

/* A sign request names one object. */
#define SIGN_BODY_MAX	(1U << 20)
#define SIGN_TIMEOUT_MS	60000
#define PATH_QUERY_MAX	(64U << 10)

static const char id_header[] = "X-Tensorlake-Sandbox-Id";

/* What a request under way holds. */
struct passage {
	struct sandbox	*sandbox;
	struct sandbox_file	*file;		/* a PUT's */
};

bool
proxy_path(const struct serve_request *r)
{
	return strncmp(r->path, "/api/v1/", 8) == 0;
}

int
proxy_id(struct serve_request *r, char id[ID_MAX + 1])
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

/* What an errno value of files.h is to a client. */
static void
file_error(struct serve_request *r, int error)
{
	static const struct {
		int		 error;
		unsigned	 status;
		const char	*code, *text;
	} known[] = {
		{ EBADMSG, 400, "BAD_REQUEST", "path: missing or malformed" },
		{ ENAMETOOLONG, 400, "BAD_REQUEST", "path: too long" },
		{ EXDEV, 403, "PATH_TRAVERSAL", "path: \"..\" in it" },
		{ ELOOP, 403, "PATH_TRAVERSAL",
		    "path: through a link that leads nowhere allowed" },
		{ EACCES, 403, "PERMISSION_DENIED",
		    "the sandbox's user may not do that" },
		{ EPERM, 403, "PERMISSION_DENIED",
		    "the sandbox's user may not do that" },
		{ EROFS, 403, "PERMISSION_DENIED", "read-only" },
		{ ENOENT, 404, "NOT_FOUND", "no such file" },
		{ EISDIR, 400, "IS_DIRECTORY", "a folder" },
		{ ENOTDIR, 400, "NOT_A_DIRECTORY",
		    "something on the way is no folder" },
		{ EINVAL, 400, "NOT_A_FILE", "not a regular file" },
		{ EOPNOTSUPP, 400, "IN_MEMORY",
		    "a file system in memory: have a process write there" },
		{ ENOSPC, 507, "NO_SPACE",
		    "ENOSPC: no space left on the sandbox's disk" },
		{ EDQUOT, 507, "NO_SPACE",
		    "ENOSPC: no space left on the sandbox's disk" },
	};
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i].error == error) {
			serve_error(r, known[i].status, known[i].code, "%s",
			    known[i].text);
			return;
		}
	serve_error(r, 500, "INTERNAL_ERROR", "%s", strerror(error));
}

/* Run op as the sandbox's user, on the path in the query; answers errors. */
enum file_op { FILE_READ, FILE_WRITE, FILE_REMOVE };

static int
file_op(struct serve_request *r, struct sandbox *b, enum file_op op,
    struct sandbox_file **file)
{
	struct files in = {
		.uid = ROOT_BASE + b->slot * ROOT_IDS + ROOT_UID,
		.gid = ROOT_BASE + b->slot * ROOT_IDS + ROOT_UID,
	};
	struct buf path = BUF_INIT(PATH_QUERY_MAX);
	uint64_t size;
	struct fail f;
	int fd = -1, error;

	if (serve_query(r, "path", &path, &f) != 1 || path.len == 0)
		error = EBADMSG;
	else if (!sandbox_enter(b)) {
		serve_error(r, 503, "SANDBOX_NOT_RUNNING",
		    "the sandbox is ending");
		buf_free(&path);
		return -1;
	} else {
		in.root = b->rootfd;
		error = op == FILE_READ ?
		    files_open(&in, path.data, &fd, &size) :
		    op == FILE_WRITE ? files_create(&in, path.data, &fd) :
		    files_remove(&in, path.data);
		if (error == 0 && fd != -1) {
			*file = calloc(1, sizeof(**file));
			if (*file == NULL) {
				close(fd);
				error = ENOMEM;
			} else
				sandbox_file_add(b, *file, fd);
		}
		sandbox_leave(b);
	}
	buf_free(&path);
	if (error == 0)
		return 0;
	file_error(r, error);
	return -1;
}

static ssize_t
read_next(void *arg, char *p, size_t n)
{
	struct sandbox_file *file = arg;
	ssize_t got;

	/* The end of a sandbox takes its files away. */
	if (!sandbox_enter(file->sandbox))
		return SERVE_CUT;
	got = read(file->fd, p, n);
	sandbox_leave(file->sandbox);
	return got > 0 ? got : got == 0 ? -1 : SERVE_CUT;
}

static void
file_free(void *arg)
{
	sandbox_file_done(arg);
	free(arg);
}

static void
write_some(struct serve_request *r, struct passage *o, const char *p, size_t n)
{
	int error = 0;
	ssize_t put;

	if (!sandbox_enter(o->sandbox)) {
		serve_error(r, 503, "SANDBOX_NOT_RUNNING",
		    "the sandbox is ending");
		return;
	}
	while (n > 0 && error == 0) {
		put = write(o->file->fd, p, n);
		if (put == -1 && errno != EINTR)
			error = errno;
		else if (put > 0) {
			p += put;
			n -= (size_t)put;
		}
	}
	sandbox_leave(o->sandbox);
	if (error != 0)
		file_error(r, error);
}

static void
files_done(struct serve_request *r, struct passage *o)
{
	struct sandbox_file *file;

	if (o->file != NULL)
		serve_reply(r, 204, NULL, "", 0);
	else if (strcmp(r->method, "GET") == 0) {
		if (file_op(r, o->sandbox, FILE_READ, &file) == 0)
			serve_reply_stream(r, 200, "application/octet-stream",
			    read_next, file_free, file);
	} else if (strcmp(r->method, "DELETE") == 0) {
		if (file_op(r, o->sandbox, FILE_REMOVE, &file) == 0)
			serve_reply(r, 204, NULL, "", 0);
	} else
		serve_only(r, "METHOD_NOT_ALLOWED", "GET, PUT, DELETE");
}

/*
 * On to the dataplane.  The request is made anew: of the client's headers
 * none is copied, and whose sandbox it is says the one we authenticated.
 */
static void
pass_on(struct serve_request *r, const struct sandbox *b)
{
	char id[sizeof(id_header) + ID_MAX + 3];
	const char *headers[] = { id, NULL };
	struct http_request req = {
		.method = "POST",
		.url = "http://dataplane/api/v1/blob/sign",
		.unix_path = b->host->options.dataplane,
		.headers = headers,
		.json = r->body.data == NULL ? "" : r->body.data,
		.reply_max = BUF_DOC_MAX,
		.timeout_ms = SIGN_TIMEOUT_MS,
		.no_redirect = true,
	};
	struct http_reply reply = HTTP_REPLY_INIT;
	struct http *h = NULL;
	struct fail f;

	snprintf(id, sizeof(id), "%s: %s", id_header, b->id);
	if ((h = http_new(&f)) == NULL ||
	    http_do(h, &req, &reply, &f) == -1) {
		serve_log(r->serve, "%s: dataplane: %s", b->id, f.msg);
		serve_error(r, 502, "PROXY_ERROR", "Failed to proxy request: "
		    "the dataplane does not answer");
	} else
		serve_reply(r, (unsigned)reply.status, reply.type[0] == '\0' ?
		    NULL : reply.type, reply.body.data, reply.body.len);
	http_reply_free(&reply);
	http_free(h);
}

/* Write down what it opens: 1, 0 if it opens nothing, -1 and answered. */
static int
hold(struct serve_request *r, struct sandbox *b)
{
	struct buf key = BUF_INIT(BUF_SMALL_MAX);
	struct fail f;
	int rc = sign_opens(r->body.data == NULL ? "" : r->body.data,
	    r->body.len, b->owner.project, &key, &f);

	if (rc == 1 && !sandbox_enter(b)) {
		serve_error(r, 503, "SANDBOX_NOT_RUNNING",
		    "the sandbox is ending");
		buf_free(&key);
		return -1;
	}
	if (rc == 1) {
		if (release_hold(b->releases, b->id, key.data,
		    &f) == -1)
			rc = -1;
		sandbox_leave(b);
	}
	buf_free(&key);
	if (rc == -1) {
		serve_log(r->serve, "%s: %s", b->id, f.msg);
		if (f.status == EX_DATAERR)
			serve_error(r, 400, "BAD_REQUEST", "%s", f.msg);
		else
			serve_error(r, 503, "UNAVAILABLE",
			    "the upload cannot be kept in mind: %s", f.msg);
	}
	return rc;
}

static void
sign(struct serve_request *r, struct sandbox *b)
{
	int held;

	if (b->host->options.dataplane == NULL)
		serve_error(r, 502, "PROXY_ERROR",
		    "Failed to proxy request: there is no dataplane");
	else if (r->body.data != NULL &&
	    memchr(r->body.data, '\0', r->body.len) != NULL)
		serve_error(r, 400, "BAD_REQUEST", "a NUL in the body");
	else if ((held = hold(r, b)) != -1) {
		pass_on(r, b);
		if (held)
			release_signed(b->releases, b->id);
	}
}

void
proxy_begin(struct serve_request *r, struct sandboxes *s,
    const struct key *caller)
{
	char id[ID_MAX + 1];
	enum sandbox_status status;
	struct passage *o;
	struct sandbox *b;

	if (proxy_id(r, id) == -1)
		return;
	b = sandboxes_find(s, id, caller);
	if (b == NULL) {
		serve_error(r, 404, "SANDBOX_NOT_FOUND",
		    "there is no such sandbox");
		return;
	}
	pthread_mutex_lock(&b->lock);
	status = b->ending ? SANDBOX_ENDED : b->status;
	if (status == SANDBOX_RUNNING)
		b->renewed_ms = clock_ms();
	pthread_mutex_unlock(&b->lock);
	o = status == SANDBOX_RUNNING ? calloc(1, sizeof(*o)) : NULL;
	if (o == NULL) {
		serve_error(r, 503, "SANDBOX_NOT_RUNNING", "the sandbox %s",
		    status == SANDBOX_PENDING ? "is being made, not running" :
		    "has ended, it is not running");
		sandbox_put(b);
		return;
	}
	o->sandbox = b;
	r->own = o;
	if (strcmp(r->path, "/api/v1/files") != 0)
		r->keep_body = strcmp(r->path, "/api/v1/blob/sign") == 0 ?
		    SIGN_BODY_MAX : PROCAPI_BODY_MAX;
	else if (strcmp(r->method, "PUT") == 0)
		file_op(r, b, FILE_WRITE, &o->file);
	else
		r->keep_body = 1;
}

void
proxy_body(struct serve_request *r, const char *p, size_t n)
{
	struct passage *o = r->own;

	if (o != NULL && o->file != NULL)
		write_some(r, o, p, n);
}

void
proxy_done(struct serve_request *r)
{
	struct passage *o = r->own;

	if (strcmp(r->path, "/api/v1/files") == 0)
		files_done(r, o);
	else if (strcmp(r->path, "/api/v1/health") == 0 &&
	    strcmp(r->method, "GET") == 0)
		serve_reply(r, 200, "application/json", "{\"healthy\":true}",
		    16);
	else if (strcmp(r->path, "/api/v1/blob/sign") == 0 &&
	    strcmp(r->method, "POST") == 0)
		sign(r, o->sandbox);
	else if (!procapi_done(r, o->sandbox))
		serve_error(r, 404, "NOT_FOUND", "no such address");
}

void
proxy_gone(struct serve_request *r)
{
	struct passage *o = r->own;

	if (o == NULL)
		return;
	r->own = NULL;
	if (o->file != NULL)
		file_free(o->file);
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
		{ "PUT", "/api/v1/files", "put" },
		{ "GET", "/api/v1/files", "get" },
		{ "DELETE", "/api/v1/files", "remove" },
		{ "POST", "/api/v1/processes", "process-start" },
		{ "GET", "/api/v1/processes", "process-list" },
		{ "POST", "/api/v1/processes/run", "process-run" },
		{ "GET", "/api/v1/processes/{}", "process-get" },
		{ "DELETE", "/api/v1/processes/{}", "process-kill" },
		{ "POST", "/api/v1/processes/{}/signal", "process-kill" },
		{ "GET", "/api/v1/processes/{}/output/follow", "follow" },
		{ "GET", "/api/v1/processes/{}/{}", "output" },
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
