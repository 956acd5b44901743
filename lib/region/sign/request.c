#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "core/json.h"
#include "region/sign/path.h"
#include "region/sign/request.h"

/* The caller's own artifact, to write or to read. */
static int
set_artifact(struct sign_request *r, const char *path, const char *project,
    const struct config *c, struct fail *f)
{
	if (sign_own_path(path, project, f) == -1)
		return -1;
	r->bucket = strdup(c->bucket);
	r->key = strdup(path);
	if (r->bucket == NULL || r->key == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	return 0;
}

static int
set_parts(struct sign_request *r, uint64_t parts, uint64_t bytes,
    struct fail *f)
{
	if (parts < 1 || parts > SIGN_PARTS_MAX)
		return fail_set(f, EX_DATAERR,
		    "op: number of parts not from 1 to %d", SIGN_PARTS_MAX);
	if (bytes < SIGN_PART_MIN || bytes > SIGN_PART_MAX)
		return fail_set(f, EX_DATAERR,
		    "op: part_size_bytes not from %llu to %llu",
		    SIGN_PART_MIN, SIGN_PART_MAX);
	r->parts = (uint32_t)parts;
	r->part_bytes = bytes;
	return 0;
}

static int
set_blob(struct sign_request *r, const char *uri, const struct config *c,
    struct fail *f)
{
	if (strstr(uri, "://") != NULL && strncmp(uri, "s3://", 5) != 0)
		return fail_set(f, EX_NOPERM,
		    "uri: its scheme is not s3, outside what may be read");
	if (sign_uri_split(uri, &r->bucket, &r->key, f) == -1)
		return -1;
	if (sign_path_check(r->key, f) == -1)
		return fail_in(f, "uri");
	if (!sign_readable(c, r->bucket, r->key))
		return fail_set(f, EX_NOPERM,
		    "uri: outside the origins that may be read");
	return 0;
}

/* A member that belongs to the other dialect or kind. */
static int
refuse(const struct span *obj, const char *name, const char *why,
    struct fail *f)
{
	struct span v;
	int rc = span_get(obj, name, &v, f);

	if (rc == 1)
		return fail_set(f, EX_DATAERR, "%s: %s", name, why);
	return rc;
}

static const char mixed[] = "two dialects in one request";

static int
parse_seed(struct sign_request *r, const struct span *root,
    const struct span *op, const char *project, const struct config *c,
    struct fail *f)
{
	char *kind = NULL, *path = NULL;
	struct span v;
	uint64_t parts = 0, bytes = 0;
	int rel, uri, rc = -1;

	if (refuse(op, "multipart_hint", mixed, f) == -1 ||
	    (rel = json_member(root, "rel_path", JSON_MAY, &v, f)) == -1 ||
	    (uri = json_member(root, "uri", JSON_MAY, &v, f)) == -1 ||
	    json_string(op, "kind", JSON_NEED, &kind, f) == -1)
		goto out;
	if (rel + uri != 1) {
		fail_set(f, EX_DATAERR, rel + uri == 0 ?
		    "rel_path or uri is missing" : "both rel_path and uri");
		goto out;
	}
	if (strcmp(kind, "multipart_put") == 0) {
		r->kind = SIGN_MULTIPART_PUT;
		if (json_u64(op, "parts", JSON_NEED, &parts, f) == -1 ||
		    json_u64(op, "part_size_bytes", JSON_NEED, &bytes,
		    f) == -1 || set_parts(r, parts, bytes, f) == -1)
			goto out;
	} else if (strcmp(kind, "single_put") == 0) {
		r->kind = SIGN_SINGLE_PUT;
	} else if (strcmp(kind, "single_get") == 0) {
		r->kind = SIGN_SINGLE_GET;
	} else {
		fail_set(f, EX_DATAERR, "op.kind: not multipart_put, "
		    "single_put or single_get");
		goto out;
	}
	if (uri && r->kind != SIGN_SINGLE_GET) {
		fail_set(f, EX_DATAERR, "uri: for reading only");
		goto out;
	}
	if (json_string(root, uri ? "uri" : "rel_path", JSON_NEED, &path,
	    f) == -1)
		goto out;
	rc = uri ? set_blob(r, path, c, f) :
	    set_artifact(r, path, project, c, f);
out:
	free(kind);
	free(path);
	return rc;
}

static int
parse_hint(struct sign_request *r, const struct span *op, struct fail *f)
{
	uint64_t parts = SIGN_PARTS_MAX, bytes = SIGN_PART_DEFAULT;
	struct span hint;
	int rc;

	if ((rc = json_sub(op, "multipart_hint", JSON_MAY, '{', &hint,
	    f)) == -1)
		return -1;
	if (rc == 1 &&
	    (json_u64(&hint, "max_parts", JSON_MAY, &parts, f) == -1 ||
	    json_u64(&hint, "part_size_bytes", JSON_MAY, &bytes, f) == -1))
		return -1;
	return set_parts(r, parts, bytes, f);
}

static int
parse_merged(struct sign_request *r, const struct span *root,
    const struct span *target, const struct span *op, const char *project,
    const struct config *c, struct fail *f)
{
	char *kind = NULL, *what = NULL, *path = NULL;
	int rc = -1;

	if (refuse(root, "rel_path", mixed, f) == -1 ||
	    refuse(root, "uri", mixed, f) == -1 ||
	    refuse(op, "parts", mixed, f) == -1 ||
	    refuse(op, "part_size_bytes", mixed, f) == -1 ||
	    json_string(target, "kind", JSON_NEED, &what, f) == -1 ||
	    json_string(op, "kind", JSON_NEED, &kind, f) == -1)
		goto out;
	if (strcmp(what, "artifact") == 0) {
		r->kind = SIGN_MULTIPART_PUT;
		if (strcmp(kind, "put_artifact") != 0) {
			fail_set(f, EX_DATAERR,
			    "op.kind: not put_artifact, for an artifact");
			goto out;
		}
		if (refuse(target, "uri", "not for an artifact", f) == -1 ||
		    json_string(target, "rel_path", JSON_NEED, &path,
		    f) == -1 ||
		    parse_hint(r, op, f) == -1)
			goto out;
		rc = set_artifact(r, path, project, c, f);
	} else if (strcmp(what, "blob") == 0) {
		r->kind = SIGN_SINGLE_GET;
		if (strcmp(kind, "get_blob") != 0) {
			fail_set(f, EX_DATAERR,
			    "op.kind: not get_blob, for a blob");
			goto out;
		}
		if (refuse(target, "rel_path", "not for a blob", f) == -1 ||
		    json_string(target, "uri", JSON_NEED, &path, f) == -1)
			goto out;
		rc = set_blob(r, path, c, f);
	} else {
		fail_set(f, EX_DATAERR,
		    "target.kind: must be artifact or blob");
	}
out:
	free(kind);
	free(what);
	free(path);
	return rc;
}

int
sign_parse(struct sign_request *r, const char *text, size_t len,
    const char *project, const struct config *c, struct fail *f)
{
	struct span root, target, op;
	int merged, rc = -1;

	memset(r, 0, sizeof(*r));
	if (len > SIGN_REQUEST_MAX)
		return fail_set(f, EX_DATAERR,
		    "request: more than %lu bytes", SIGN_REQUEST_MAX);
	if (span_parse(&root, text, len, f) == -1)
		return fail_in(f, "request");
	if (!span_is_object(&root))
		return fail_set(f, EX_DATAERR, "request: not an object");
	if (json_sub(&root, "op", JSON_NEED, '{', &op, f) == 1 &&
	    (merged = span_get(&root, "target", &target, f)) != -1) {
		if (!merged)
			rc = parse_seed(r, &root, &op, project, c, f);
		else if (!span_is_object(&target))
			fail_set(f, EX_DATAERR, "target: not an object");
		else
			rc = parse_merged(r, &root, &target, &op, project, c,
			    f);
	}
	if (rc == -1) {
		sign_request_free(r);
		return fail_in(f, "request");
	}
	return 0;
}

int
sign_opens(const char *text, size_t len, const char *project,
    struct buf *key, struct fail *f)
{
	/* A bucket without a name holds nothing that may be read. */
	char none[] = "";
	const struct config c = { .bucket = none };
	struct sign_request r;
	int rc;

	if (sign_parse(&r, text, len, project, &c, f) == -1)
		return f->status == EX_OSERR ? -1 : 0;
	rc = r.kind != SIGN_MULTIPART_PUT ? 0 :
	    buf_adds(key, r.key, f) == -1 ? -1 : 1;
	sign_request_free(&r);
	return rc;
}

int
sign_upload(struct sign_request *r, const char *rel_path,
    const char *project, uint32_t parts, uint64_t part_bytes,
    const struct config *c, struct fail *f)
{
	memset(r, 0, sizeof(*r));
	r->kind = SIGN_MULTIPART_PUT;
	if (set_parts(r, parts, part_bytes, f) == -1 ||
	    set_artifact(r, rel_path, project, c, f) == -1) {
		sign_request_free(r);
		return -1;
	}
	return 0;
}

int
sign_download(struct sign_request *r, const char *uri,
    const struct config *c, struct fail *f)
{
	memset(r, 0, sizeof(*r));
	r->kind = SIGN_SINGLE_GET;
	if (set_blob(r, uri, c, f) == -1) {
		sign_request_free(r);
		return -1;
	}
	return 0;
}

void
sign_request_free(struct sign_request *r)
{
	free(r->bucket);
	free(r->key);
	r->bucket = r->key = NULL;
}
