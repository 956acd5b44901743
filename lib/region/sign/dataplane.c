#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/http.h"
#include "core/json.h"
#include "core/span.h"
#include "region/serve/id.h"
#include "region/sign/attest.h"
#include "region/sign/block.h"
#include "region/sign/config.h"
#include "region/sign/dataplane.h"
#include "region/sign/multipart.h"
#include "region/sign/path.h"
#include "region/sign/request.h"

#define OWNER_MAX	(64UL << 10)
/* The one who asks waits no longer, and asks again. */
#define RELEASE_MS	6000

/* A block on its way out, and what aborts the upload it is for. */
struct answer {
	struct sign_block	 block;
	struct config		 config;
	struct sign_request	 request;
	struct buf		 id;	/* of the upload; may be empty */
	const char		*piece;
	size_t			 left;
	bool			 whole;
};

static int
owner_read(int fd, const char *id, struct buf *project, struct fail *f)
{
	struct buf b = BUF_INIT(OWNER_MAX);
	struct span root, v;
	int rc = -1;

	if (buf_read(&b, fd, "owner.json", f) == -1 ||
	    span_parse(&root, b.len == 0 ? "" : b.data, b.len, f) == -1)
		goto out;
	if (span_get(&root, "sandboxId", &v, f) != 1 ||
	    !span_is_string(&v) || !span_equals(&v, id)) {
		fail_set(f, EX_DATAERR, "owner.json: of another sandbox");
		goto out;
	}
	if (span_get(&root, "projectId", &v, f) != 1 ||
	    !span_is_string(&v) || span_string(&v, project, f) == -1 ||
	    !id_ok(project->data, project->len)) {
		fail_set(f, EX_DATAERR, "owner.json: no projectId");
		goto out;
	}
	rc = 0;
out:
	buf_free(&b);
	return rc;
}

static bool
releases(const struct serve_request *r)
{
	return strcmp(r->path, DATAPLANE_RELEASE) == 0;
}

static bool
attests(const struct serve_request *r)
{
	return strcmp(r->path, DATAPLANE_ATTEST) == 0;
}

/*
 * The project of a sandbox: 1, 0 if there is none, -1.  owner.json is of one
 * that runs, ended.json of one that does not any more.
 */
static int
owner(const char *dir, const char *id, const char *name, struct buf *project,
    struct fail *f)
{
	struct buf path = BUF_INIT(8192);
	int fd = -1, rc = -1;

	if (buf_addf(&path, f, "%s/%s/%s", dir, id, name) == -1)
		goto out;
	fd = open(path.data, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd == -1) {
		rc = errno == ENOENT || errno == ENOTDIR ? 0 :
		    fail_sys(f, EX_IOERR, "%s", path.data);
		goto out;
	}
	rc = owner_read(fd, id, project, f) == -1 ? -1 : 1;
	close(fd);
out:
	buf_free(&path);
	return rc;
}

static void
begin(struct serve_request *r, void *arg)
{
	const struct dataplane *d = arg;
	uid_t uid;
	pid_t pid;
	size_t i;

	if (serve_peer(r, &uid, &pid) == -1) {
		serve_error(r, 403, "FORBIDDEN", "who are you?");
		return;
	}
	for (i = 0; i < d->nuids && d->uids[i] != uid; i++)
		;
	if (i == d->nuids) {
		serve_log(r->serve, "uid %lu refused", (unsigned long)uid);
		serve_error(r, 403, "FORBIDDEN",
		    "uid %lu may not ask here", (unsigned long)uid);
		return;
	}
	if (strcmp(r->path, DATAPLANE_SIGN) != 0 && !releases(r) &&
	    !(attests(r) && d->attest_key != NULL)) {
		serve_error(r, 404, "NOT_FOUND", "only %s%s and %s are here",
		    DATAPLANE_SIGN, d->attest_key != NULL ? ", "
		    DATAPLANE_ATTEST : "", DATAPLANE_RELEASE);
		return;
	}
	if (strcmp(r->method, "POST") != 0) {
		serve_only(r, "METHOD_NOT_ALLOWED", "POST");
		return;
	}
	r->keep_body = SIGN_REQUEST_MAX;
}

static void
answer_free(struct answer *a)
{
	sign_end(&a->block);
	sign_request_free(&a->request);
	config_free(&a->config);
	buf_free(&a->id);
	free(a);
}

/* Nobody has the URLs of an upload whose block did not go out. */
static void
abort_upload(struct answer *a)
{
	struct http *http;
	struct fail f;

	if (a->id.len == 0 || (http = http_new(&f)) == NULL)
		return;
	/* What cannot be aborted now is released when the sandbox ends. */
	(void)multipart_abort(http, &a->config, a->request.key, a->id.data,
	    &f);
	http_free(http);
}

static void
answer_end(void *arg)
{
	struct answer *a = arg;

	if (!a->whole)
		abort_upload(a);
	answer_free(a);
}

static ssize_t
answer_next(void *arg, char *buf, size_t n)
{
	struct answer *a = arg;

	if (a->left == 0 &&
	    (a->left = sign_next(&a->block, &a->piece)) == 0) {
		a->whole = true;
		return -1;
	}
	if (n > a->left)
		n = a->left;
	memcpy(buf, a->piece, n);
	a->piece += n;
	a->left -= n;
	return (ssize_t)n;
}

/* What went wrong between us and the store, for a caller to act upon. */
static void
store_error(struct serve_request *r, const struct fail *f)
{
	serve_log(r->serve, "%s", f->msg);
	if (f->status == EX_TEMPFAIL)
		serve_error(r, 503, "STORE_UNAVAILABLE",
		    "the object store does not answer");
	else if (f->status == EX_CONFIG)
		serve_error(r, 503, "CREDENTIALS_ENDED",
		    "the signing credentials have ended");
	else
		serve_error(r, 502, "STORE_ERROR",
		    "the object store refused the request");
}

/* A request that is not as it must be, or reaches for another's. */
static void
refuse(struct serve_request *r, const char *id, const char *project,
    const struct fail *f)
{
	if (f->status == EX_NOPERM)
		serve_error(r, 403, "FORBIDDEN", "%s", f->msg);
	else if (f->status == EX_DATAERR)
		serve_error(r, 400, "INVALID_REQUEST", "%s", f->msg);
	else
		serve_error(r, 500, "INTERNAL_ERROR", "%s", f->msg);
	serve_log(r->serve, "sandbox %s of %s: refused: %s", id, project,
	    f->msg);
}

/* The configuration as it is now: 0, or -1 answered. */
static int
configure(struct serve_request *r, const struct dataplane *d,
    struct config *config)
{
	struct fail f;

	if (config_load(config, d->config, &f) == 0)
		return 0;
	serve_log(r->serve, "%s", f.msg);
	serve_error(r, 500, "INTERNAL_ERROR", "the signer is not configured");
	return -1;
}

static int
open_upload(struct answer *a, bool verbose, struct fail *f)
{
	struct http *http = http_new(f);
	int rc;

	if (http == NULL)
		return -1;
	if (verbose)
		http_verbose(http);
	rc = multipart_create(http, &a->config, a->request.key, &a->id, f);
	http_free(http);
	return rc;
}

static void
sign(struct serve_request *r, const struct dataplane *d, const char *id,
    const char *project)
{
	static const char *const kinds[] = {
		[SIGN_MULTIPART_PUT] = "multipart_put",
		[SIGN_SINGLE_PUT] = "single_put",
		[SIGN_SINGLE_GET] = "single_get",
	};
	struct answer *a = calloc(1, sizeof(*a));
	struct fail f;

	if (a == NULL) {
		serve_error(r, 503, "OUT_OF_MEMORY", "out of memory");
		return;
	}
	a->id.max = BUF_SMALL_MAX;
	if (configure(r, d, &a->config) == -1)
		goto fail;
	if (sign_parse(&a->request, r->body.len == 0 ? "" : r->body.data,
	    r->body.len, project, &a->config, &f) == -1) {
		refuse(r, id, project, &f);
		goto fail;
	}
	if ((a->request.kind == SIGN_MULTIPART_PUT &&
	    open_upload(a, d->verbose, &f) == -1) ||
	    sign_begin(&a->block, &a->request, &a->config, a->id.data,
	    time(NULL), &f) == -1) {
		store_error(r, &f);
		abort_upload(a);
		goto fail;
	}
	serve_log(r->serve, "sandbox %s of %s: %s s3://%s/%s, %u parts", id,
	    project, kinds[a->request.kind], a->request.bucket,
	    a->request.key, (unsigned)a->request.parts);
	serve_reply_stream(r, 200, "application/json", answer_next,
	    answer_end, a);
	return;
fail:
	answer_free(a);
}

/* The key as it is now: a new one needs no restart.  0, or -1 answered. */
static int
attest_key(struct serve_request *r, const struct dataplane *d,
    struct receipt_key *key)
{
	struct fail f;

	if (receipt_key_load(key, d->attest_key, &f) == 0)
		return 0;
	serve_log(r->serve, "%s", f.msg);
	serve_error(r, 500, "INTERNAL_ERROR",
	    "the signer has no key for receipts");
	return -1;
}

static void
attest(struct serve_request *r, const struct dataplane *d, const char *id,
    const char *project)
{
	struct receipt receipt = RECEIPT_INIT;
	struct buf out = BUF_INIT(BUF_SMALL_MAX);
	struct jout j = JOUT_INIT(&out);
	struct receipt_key key = { .id = "" };
	struct config config;
	struct span doc;
	char *path = NULL;
	struct fail f;

	if (configure(r, d, &config) == -1)
		return;
	if (serve_body_json(r, &doc, &f) == -1 ||
	    attest_parse(&doc, project, &config, &path, &f) == -1) {
		fail_in(&f, "request");
		refuse(r, id, project, &f);
	} else if (attest_look(&receipt, &config, path, d->verbose, &f) ==
	    -1) {
		/* No 404: that is a signer which gives no receipts. */
		if (f.status == EX_NOINPUT)
			serve_error(r, 409, "OBJECT_NOT_FOUND", "%s", f.msg);
		else
			store_error(r, &f);
	} else if (attest_key(r, d, &key) == 0) {
		if ((receipt.project = strdup(project)) == NULL ||
		    (receipt.sandbox = strdup(id)) == NULL)
			serve_error(r, 503, "OUT_OF_MEMORY", "out of memory");
		else if (receipt_write(&receipt, &key, &j, &f) == -1)
			serve_error(r, 500, "INTERNAL_ERROR", "%s", f.msg);
		else {
			serve_log(r->serve, "sandbox %s of %s: receipt for "
			    "%s, %ju bytes, by %s", id, project, receipt.uri,
			    (uintmax_t)receipt.bytes, key.id);
			serve_reply_json(r, 200, &j);
		}
		receipt_key_wipe(&key);
	}
	receipt_free(&receipt);
	free(path);
	config_free(&config);
}

static int
release_parse(const struct serve_request *r, const char *project, char **path,
    struct fail *f)
{
	struct span root;

	if (serve_body_json(r, &root, f) == -1 ||
	    json_string(&root, "rel_path", JSON_NEED, path, f) == -1)
		return -1;
	return sign_own_path(*path, project, f);
}

static int
release_all(const struct dataplane *d, const struct config *c,
    const char *key, size_t *n, struct fail *f)
{
	struct http *http = http_new(f);
	int rc;

	*n = 0;
	if (http == NULL)
		return -1;
	if (d->verbose)
		http_verbose(http);
	http_deadline(http, clock_ms() + RELEASE_MS);
	rc = multipart_release(http, c, key, n, f);
	http_free(http);
	return rc;
}

/*
 * Whatever is open at a key of an ended sandbox: uploads whose block was lost
 * on its way, or whose opening the store did not answer, so that nobody knows
 * their ids.
 */
static void
release(struct serve_request *r, const struct dataplane *d, const char *id,
    const char *project)
{
	struct buf out = BUF_INIT(BUF_SMALL_MAX);
	struct jout j = JOUT_INIT(&out);
	struct config config;
	char *path = NULL;
	struct fail f;
	size_t n;
	int rc;

	if (release_parse(r, project, &path, &f) == -1) {
		fail_in(&f, "request");
		refuse(r, id, project, &f);
	} else if (configure(r, d, &config) == 0) {
		rc = release_all(d, &config, path, &n, &f);
		if (rc == 0 || n > 0)
			serve_log(r->serve, "sandbox %s of %s: released %zu "
			    "uploads of s3://%s/%s", id, project, n,
			    config.bucket, path);
		if (rc == -1)
			store_error(r, &f);
		else {
			jout_object(&j);
			jout_key(&j, "released");
			jout_u64(&j, n);
			jout_close(&j);
			serve_reply_json(r, 200, &j);
		}
		config_free(&config);
	}
	free(path);
}

static void
done(struct serve_request *r, void *arg)
{
	const struct dataplane *d = arg;
	struct buf project = BUF_INIT(256);
	const char *id = serve_header(r, DATAPLANE_SANDBOX);
	struct fail f;
	int rc;

	if (serve_header_count(r, DATAPLANE_SANDBOX) > 1) {
		/* Two readers could disagree on whose request it is. */
		serve_error(r, 400, "INVALID_SANDBOX_ID",
		    DATAPLANE_SANDBOX ": more than once");
	} else if (id == NULL || *id == '\0') {
		serve_error(r, 400, "MISSING_SANDBOX_ID",
		    DATAPLANE_SANDBOX ": missing");
	} else if (!id_ok(id, strlen(id))) {
		serve_error(r, 400, "INVALID_SANDBOX_ID",
		    DATAPLANE_SANDBOX ": not a sandbox id");
	} else if ((rc = owner(d->sandboxes, id, releases(r) ? "ended.json" :
	    "owner.json", &project, &f)) == -1) {
		serve_log(r->serve, "sandbox %s: %s", id, f.msg);
		serve_error(r, 500, "INTERNAL_ERROR",
		    "the sandbox's owner cannot be read");
	} else if (rc == 0) {
		serve_error(r, 404, "SANDBOX_NOT_FOUND", releases(r) ?
		    "no sandbox %s that has ended" : "no sandbox %s", id);
	} else if (releases(r)) {
		release(r, d, id, project.data);
	} else if (attests(r)) {
		attest(r, d, id, project.data);
	} else {
		sign(r, d, id, project.data);
	}
	buf_free(&project);
}

/*
 * The names of tl-fault(7); towards the client these are "sign" and "attest".
 */
static void
name(const struct serve_request *r, char *text, size_t size)
{
	snprintf(text, size, releases(r) ? "release" : attests(r) ?
	    "dataplane-attest" : "dataplane");
}

const struct serve_ops dataplane_ops = {
	.begin = begin,
	.done = done,
	.name = name,
};
