#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/vfs.h>

#include <linux/magic.h>
#include <linux/openat2.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
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

/*
 * Take on the sandbox user's rights, or give them back.  The kernel drops
 * and restores the capabilities that override permissions along with it.
 */
static int
rights(uid_t uid, gid_t gid)
{
	setfsgid(gid);
	setfsuid(uid);
	/* They return the former id, also when they fail. */
	return setfsuid((uid_t)-1) == (int)uid &&
	    setfsgid((gid_t)-1) == (int)gid ? 0 : EPERM;
}

static int
resolve(int root, const char *path, int flags, mode_t mode, int *fd)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned)flags | O_CLOEXEC,
		.mode = mode,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	int tries;

	/* EAGAIN: something was renamed on the way, and it cannot be sure. */
	for (tries = 0; tries < 32; tries++) {
		*fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
		if (*fd != -1)
			return 0;
		if (errno != EAGAIN && errno != EINTR)
			break;
	}
	return errno;
}

/* A regular file of a real file system: /proc's look like one. */
static int
is_file(int fd, struct stat *st)
{
	struct statfs fs;

	if (fstat(fd, st) == -1 || fstatfs(fd, &fs) == -1)
		return errno;
	if (S_ISDIR(st->st_mode))
		return EISDIR;
	if (!S_ISREG(st->st_mode))
		return EINVAL;
	switch ((unsigned long)fs.f_type) {
	case PROC_SUPER_MAGIC:
	case SYSFS_MAGIC:
	case CGROUP_SUPER_MAGIC:
	case CGROUP2_SUPER_MAGIC:
	case DEBUGFS_MAGIC:
	case TRACEFS_MAGIC:
	case BPF_FS_MAGIC:
		return EINVAL;
	}
	return 0;
}

/*
 * Whether it lies in memory: what we write there counts as ours, not as the
 * sandbox's, whose limit it would pass by.
 */
static bool
in_memory(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 &&
	    ((unsigned long)fs.f_type == TMPFS_MAGIC ||
	    (unsigned long)fs.f_type == RAMFS_MAGIC);
}

int
files_open(const struct files *in, const char *path, int *fd, uint64_t *size)
{
	struct stat st;
	int error;

	*fd = -1;
	if ((error = files_check(path)) != 0)
		return error;
	error = rights(in->uid, in->gid);
	/* O_NONBLOCK: a FIFO nobody writes to must not hold us. */
	if (error == 0)
		error = resolve(in->root, path, O_RDONLY | O_NONBLOCK |
		    O_NOCTTY, 0, fd);
	rights(0, 0);
	if (error == 0 && (error = is_file(*fd, &st)) != 0) {
		close(*fd);
		*fd = -1;
	}
	if (error == 0)
		*size = (uint64_t)st.st_size;
	return error;
}

/* The folder in which the last name of a path lies; *name is that name. */
static int
parent(int root, const char *path, char *buf, const char **name, int *fd)
{
	char *slash;
	size_t n = strlen(path);

	memcpy(buf, path, n + 1);
	while (n > 1 && buf[n - 1] == '/')
		buf[--n] = '\0';
	slash = strrchr(buf, '/');
	if (slash == NULL) {
		*name = buf;
		return resolve(root, ".", O_PATH | O_DIRECTORY, 0, fd);
	}
	*name = slash + 1;
	*slash = '\0';
	return resolve(root, buf[0] == '\0' ? "." : buf, O_PATH | O_DIRECTORY,
	    0, fd);
}

/* All folders that lead to a path. */
static int
make_parents(int root, const char *path)
{
	char buf[PATH_MAX], prefix[PATH_MAX];
	const char *name;
	int fd, error = 0;
	size_t n = 0;

	for (;;) {
		n += strspn(path + n, "/");
		n += strcspn(path + n, "/");
		if (path[n + strspn(path + n, "/")] == '\0')
			return 0;
		memcpy(prefix, path, n);
		prefix[n] = '\0';
		error = resolve(root, prefix, O_PATH | O_DIRECTORY, 0, &fd);
		if (error == ENOENT) {
			error = parent(root, prefix, buf, &name, &fd);
			if (error == 0 && mkdirat(fd, name, 0755) == -1 &&
			    errno != EEXIST)
				error = errno;
		}
		if (fd != -1)
			close(fd);
		if (error != 0)
			return error;
	}
}

int
files_create(const struct files *in, const char *path, int *fd)
{
	struct stat st;
	int error;

	*fd = -1;
	if ((error = files_check(path)) != 0)
		return error;
	if (path[strlen(path) - 1] == '/')
		return EISDIR;
	error = rights(in->uid, in->gid);
	if (error == 0)
		error = make_parents(in->root, path);
	if (error == 0)
		error = resolve(in->root, path, O_WRONLY | O_CREAT |
		    O_NONBLOCK | O_NOCTTY, 0644, fd);
	if (error == 0)
		error = is_file(*fd, &st);
	if (error == 0 && in_memory(*fd))
		error = EOPNOTSUPP;
	if (error == 0 && ftruncate(*fd, 0) == -1)
		error = errno;
	rights(0, 0);
	if (error != 0 && *fd != -1) {
		close(*fd);
		*fd = -1;
	}
	return error == ENXIO ? EINVAL : error;
}

int
files_remove(const struct files *in, const char *path)
{
	char buf[PATH_MAX];
	const char *name;
	struct stat st;
	int fd = -1, error;

	if ((error = files_check(path)) != 0)
		return error;
	error = rights(in->uid, in->gid);
	if (error == 0)
		error = parent(in->root, path, buf, &name, &fd);
	if (error == 0 && (name[0] == '\0' || strcmp(name, ".") == 0))
		error = EISDIR;
	if (error == 0 && fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		error = errno;
	if (error == 0 && S_ISDIR(st.st_mode))
		error = EISDIR;
	if (error == 0 && unlinkat(fd, name, 0) == -1)
		error = errno;
	rights(0, 0);
	if (fd != -1)
		close(fd);
	return error;
}
