#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "region/runtime/files.h"
#include "region/runtime/root.h"
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

static bool
enter(struct serve_request *r, struct sandbox *sb)
{
	if (sandbox_enter(sb))
		return true;
	serve_error(r, 503, "SANDBOX_NOT_RUNNING", "the sandbox is ending");
	return false;
}

/* Run op as the sandbox's user, on the path in the query; answers errors. */
enum file_op { FILE_READ, FILE_WRITE, FILE_REMOVE };

static int
file_op(struct serve_request *r, struct sandbox *sb, enum file_op op,
    struct sandbox_file **file)
{
	struct files in = {
		.uid = ROOT_BASE + sb->slot * ROOT_IDS + SANDBOX_UID,
		.gid = ROOT_BASE + sb->slot * ROOT_IDS + SANDBOX_UID,
	};
	struct buf path = BUF_INIT(PATH_QUERY_MAX);
	uint64_t size;
	struct fail f;
	int fd = -1, error;

	if (serve_query(r, "path", &path, &f) != 1 || path.len == 0)
		error = EBADMSG;
	else if (!enter(r, sb)) {
		buf_free(&path);
		return -1;
	} else {
		in.root = sb->rootfd;
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
				sandbox_file_add(sb, *file, fd);
		}
		sandbox_leave(sb);
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

struct sandbox_file *
fileapi_begin(struct serve_request *r, struct sandbox *sb)
{
	struct sandbox_file *file = NULL;

	if (strcmp(r->method, "PUT") == 0)
		file_op(r, sb, FILE_WRITE, &file);
	else
		r->keep_body = 1;
	return file;
}

void
fileapi_body(struct serve_request *r, struct sandbox_file *file,
    const char *p, size_t n)
{
	int error = 0;
	ssize_t put;

	if (!enter(r, file->sandbox))
		return;
	while (n > 0 && error == 0) {
		put = write(file->fd, p, n);
		if (put == -1 && errno != EINTR)
			error = errno;
		else if (put > 0) {
			p += put;
			n -= (size_t)put;
		}
	}
	sandbox_leave(file->sandbox);
	if (error != 0)
		file_error(r, error);
}

void
fileapi_done(struct serve_request *r, struct sandbox *sb,
    struct sandbox_file *file)
{
	if (file != NULL)
		serve_reply(r, 204, NULL, "", 0);
	else if (strcmp(r->method, "GET") == 0) {
		if (file_op(r, sb, FILE_READ, &file) == 0)
			serve_reply_stream(r, 200, "application/octet-stream",
			    read_next, file_free, file);
	} else if (strcmp(r->method, "DELETE") == 0) {
		if (file_op(r, sb, FILE_REMOVE, &file) == 0)
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
