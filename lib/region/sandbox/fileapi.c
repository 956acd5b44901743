#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "region/sandbox/fileapi.h"

#define PATH_QUERY_MAX	(64U << 10)

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
		    "a part of the path is not a folder" },
		{ EINVAL, 400, "NOT_A_FILE", "not a regular file" },
		{ EAGAIN, 409, "IN_USE", "a process holds a lease on it" },
		{ ETXTBSY, 409, "IN_USE", "a process runs it" },
		{ ENOSPC, 507, "NO_SPACE",
		    "ENOSPC: no space left on the sandbox's disk" },
		{ ECANCELED, 503, "SANDBOX_NOT_RUNNING",
		    "the sandbox is ending" },
		{ ETIMEDOUT, 503, "UNAVAILABLE", "the sandbox does not answer" },
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

/* The path in the query; answers errors. */
static int
file_op(struct serve_request *r, struct sandbox *sb, enum files_op op,
    struct sandbox_file **file)
{
	struct buf path = BUF_INIT(PATH_QUERY_MAX);
	struct fail f;
	int error = EBADMSG;

	if (serve_query(r, "path", &path, &f) == 1 && path.len > 0)
		error = sandbox_file_open(file, sb, op, path.data);
	buf_free(&path);
	if (error == 0)
		return 0;
	file_error(r, error);
	return -1;
}

static ssize_t
read_next(void *arg, char *p, size_t n)
{
	ssize_t got = sandbox_file_read(arg, p, n);

	return got > 0 ? got : got == 0 ? -1 : SERVE_CUT;
}

static void
file_free(void *arg)
{
	sandbox_file_close(arg);
}

struct sandbox_file *
fileapi_begin(struct serve_request *r, struct sandbox *sb)
{
	struct sandbox_file *file = NULL;

	if (strcmp(r->method, "PUT") == 0)
		file_op(r, sb, FILES_WRITE, &file);
	else
		r->keep_body = 1;
	return file;
}

void
fileapi_body(struct serve_request *r, struct sandbox_file *file,
    const char *p, size_t n)
{
	int error = sandbox_file_write(file, p, n);

	if (error != 0)
		file_error(r, error);
}

void
fileapi_done(struct serve_request *r, struct sandbox *sb,
    struct sandbox_file *file)
{
	int error;

	if (file != NULL) {
		error = sandbox_file_end(file);
		if (error == 0)
			serve_reply(r, 204, NULL, "", 0);
		else
			file_error(r, error);
	} else if (strcmp(r->method, "GET") == 0) {
		if (file_op(r, sb, FILES_READ, &file) == 0)
			serve_reply_stream(r, 200, "application/octet-stream",
			    read_next, file_free, file);
	} else if (strcmp(r->method, "DELETE") == 0) {
		if (file_op(r, sb, FILES_REMOVE, &file) == 0)
			serve_reply(r, 204, NULL, "", 0);
	} else
		serve_only(r, "METHOD_NOT_ALLOWED", "GET, PUT, DELETE");
}

void
fileapi_gone(struct sandbox_file *file)
{
	if (file != NULL)
		file_free(file);
}
