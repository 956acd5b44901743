#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/vfs.h>

#include <linux/magic.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "region/runtime/files.h"

int
files_check(const char *path)
{
	size_t n;

	if (path[0] == '\0')
		return EBADMSG;
	if (strlen(path) >= PATH_MAX)
		return ENAMETOOLONG;
	for (; *path != '\0'; path += n, path += *path == '/') {
		n = strcspn(path, "/");
		/* It would stay in the root, but nobody means it kindly. */
		if (n == 2 && memcmp(path, "..", 2) == 0)
			return EXDEV;
	}
	return 0;
}

int
files_send(int sock, const void *from, size_t n)
{
	const char *p = from;
	ssize_t put;

	while (n > 0) {
		put = send(sock, p, n, MSG_NOSIGNAL);
		if (put == -1 && errno == EINTR)
			continue;
		if (put == -1)
			return -1;
		p += put;
		n -= (size_t)put;
	}
	return 0;
}

int
files_take(int sock, void *to, size_t n)
{
	char *p = to;
	ssize_t got;

	while (n > 0) {
		got = recv(sock, p, n, 0);
		if (got == -1 && errno == EINTR)
			continue;
		if (got <= 0)
			return -1;
		p += got;
		n -= (size_t)got;
	}
	return 0;
}

static int
tell(int sock, int error)
{
	int32_t status = error;

	return files_send(sock, &status, sizeof(status));
}

/* A regular file of a real file system: /proc's look like one. */
static int
is_file(int fd)
{
	struct stat st;
	struct statfs fs;

	if (fstat(fd, &st) == -1 || fstatfs(fd, &fs) == -1)
		return errno;
	if (S_ISDIR(st.st_mode))
		return EISDIR;
	if (!S_ISREG(st.st_mode))
		return EINVAL;
	return (unsigned long)fs.f_type == PROC_SUPER_MAGIC ||
	    (unsigned long)fs.f_type == SYSFS_MAGIC ? EINVAL : 0;
}

/*
 * O_NONBLOCK: neither a FIFO nobody is at nor a file under a lease may hold
 * us.
 */
static int
open_file(const char *path, int flags, int *fd)
{
	int error;

	*fd = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0644);
	if (*fd == -1)
		/* A socket, a FIFO without a reader, a device without one. */
		return errno == ENXIO || errno == ENODEV ? EINVAL : errno;
	error = is_file(*fd);
	if (error != 0) {
		close(*fd);
		*fd = -1;
	}
	return error;
}

static void
read_file(int sock, const char *path)
{
	char buf[FILES_PIECE];
	uint32_t piece;
	ssize_t n = 0;
	int fd, error;

	error = open_file(path, O_RDONLY, &fd);
	if (tell(sock, error) == -1 || error != 0)
		return;
	do {
		n = read(fd, buf, sizeof(buf));
		if (n == -1 && errno != EINTR)
			return;
		piece = n > 0 ? (uint32_t)n : 0;
	} while (n == -1 || (files_send(sock, &piece, sizeof(piece)) == 0 &&
	    files_send(sock, buf, piece) == 0 && n > 0));
}

/* All folders that lead to a path. */
static int
make_parents(const char *path)
{
	char prefix[PATH_MAX];
	size_t n = 0;

	for (;;) {
		n += strspn(path + n, "/");
		n += strcspn(path + n, "/");
		if (path[n + strspn(path + n, "/")] == '\0')
			return 0;
		memcpy(prefix, path, n);
		prefix[n] = '\0';
		if (mkdir(prefix, 0755) == -1 && errno != EEXIST)
			return errno;
	}
}

static int
store(int sock, int fd)
{
	char buf[FILES_PIECE];
	const char *p;
	ssize_t n, put;

	for (;;) {
		n = recv(sock, buf, sizeof(buf), 0);
		if (n == 0)
			return 0;
		if (n == -1 && errno != EINTR)
			return errno;
		for (p = buf; n > 0; p += put, n -= put) {
			put = write(fd, p, (size_t)n);
			if (put == -1 && errno != EINTR)
				return errno;
			if (put == -1)
				put = 0;
		}
	}
}

static void
write_file(int sock, const char *path)
{
	int fd = -1, error;

	error = path[strlen(path) - 1] == '/' ? EISDIR : make_parents(path);
	if (error == 0)
		error = open_file(path, O_WRONLY | O_CREAT, &fd);
	if (error == 0 && ftruncate(fd, 0) == -1)
		error = errno;
	if (tell(sock, error) == -1 || error != 0)
		return;
	error = store(sock, fd);
	/* What a file system has put off, it says here. */
	if (close(fd) == -1 && error == 0)
		error = errno;
	tell(sock, error);
}

static int
remove_file(const char *path)
{
	char buf[PATH_MAX];
	struct stat st;
	size_t n = strlen(path);

	memcpy(buf, path, n + 1);
	while (n > 1 && buf[n - 1] == '/')
		buf[--n] = '\0';
	if (lstat(buf, &st) == -1)
		return errno;
	if (S_ISDIR(st.st_mode))
		return EISDIR;
	return unlink(buf) == -1 ? errno : 0;
}

void
files_serve(int sock, enum files_op op, const char *path)
{
	int error = files_check(path);

	if (error != 0)
		tell(sock, error);
	else if (op == FILES_READ)
		read_file(sock, path);
	else if (op == FILES_WRITE)
		write_file(sock, path);
	else
		tell(sock, remove_file(path));
}
