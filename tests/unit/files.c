#include <sys/mount.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "region/runtime/files.h"
#include "unit.h"

/* The sandbox: a folder, whose neighbour must never be touched. */
static char top[] = "/var/tmp/tl-files.XXXXXX";
static struct files in;
static bool alone;	/* what we mount nobody else sees */

static int
get(const char *path)
{
	uint64_t size;
	int fd, error;

	error = files_open(&in, path, &fd, &size);
	if (fd != -1)
		close(fd);
	return error;
}

static int
put(const char *path)
{
	int fd, error;

	error = files_create(&in, path, &fd);
	if (fd != -1) {
		if (write(fd, "new", 3) != 3)
			error = -1;
		close(fd);
	}
	return error;
}

static void
paths(void)
{
	UNIT_CHECK(files_check("/a/b") == 0, "a path");
	UNIT_CHECK(files_check("a//b/./c") == 0, "with odd spelling");
	UNIT_CHECK(files_check("") == EBADMSG, "none");
	UNIT_CHECK(files_check("/a/../b") == EXDEV, "dots");
	UNIT_CHECK(files_check("..") == EXDEV, "only dots");
	UNIT_CHECK(files_check("/a/..") == EXDEV, "dots at the end");
	UNIT_CHECK(files_check("/a/..b/...") == 0, "names with dots");
}

static void
confined(void)
{
	char link[128], memory[128];
	struct stat st;

	snprintf(memory, sizeof(memory), "%s/root/dir", top);
	snprintf(link, sizeof(link), "%s/secret", top);
	if (symlinkat(link, in.root, "abs") == -1 ||
	    symlinkat("../secret", in.root, "rel") == -1 ||
	    symlinkat("..", in.root, "up") == -1 ||
	    symlinkat("/inside", in.root, "in") == -1 ||
	    mkfifoat(in.root, "fifo", 0666) == -1 ||
	    fchmodat(in.root, "fifo", 0666, 0) == -1 ||
	    mkdirat(in.root, "dir", 0777) == -1)
		exit(1);
	UNIT_CHECK(put("/inside") == 0 && get("inside") == 0, "put, get");
	UNIT_CHECK(get("/in") == 0, "an absolute link means its own root");
	UNIT_CHECK(get("/abs") == ENOENT, "not ours");
	UNIT_CHECK(get("/rel") == ENOENT, "nor a relative one's");
	UNIT_CHECK(get("/up/secret") == ENOENT, "nor a folder's");
	/* Written through the link, but inside. */
	UNIT_CHECK(put("/rel") == 0 &&
	    fstatat(in.root, "secret", &st, 0) == 0, "put stays inside");
	snprintf(link, sizeof(link), "%s/secret", top);
	UNIT_CHECK(stat(link, &st) == 0 && st.st_size == 6,
	    "the neighbour is as it was");
	UNIT_CHECK(get("/fifo") == EINVAL, "a FIFO is no file");
	UNIT_CHECK(put("/fifo") == EINVAL, "and cannot be written");
	UNIT_CHECK(get("/dir") == EISDIR && put("/dir") == EISDIR &&
	    put("/new/") == EISDIR, "a folder is none either");
	UNIT_CHECK(files_remove(&in, "/dir") == EISDIR &&
	    files_remove(&in, "/") == EISDIR, "and is not removed");
	UNIT_CHECK(put("/inside/x") == ENOTDIR, "a file is no folder");
	/* If there is a file system in memory to be had, for us alone. */
	if (alone && mount("tmpfs", memory, "tmpfs", 0, "mode=777,size=1m") == 0) {
		UNIT_CHECK(put("/dir/x") == EOPNOTSUPP, "nothing into memory");
		umount2(memory, 0);
	}
	UNIT_CHECK(put("/a/b//c/d") == 0 && fstatat(in.root, "a/b/c/d", &st,
	    0) == 0 && st.st_size == 3, "folders are made");
	UNIT_CHECK(st.st_uid == in.uid && st.st_gid == in.gid &&
	    (st.st_mode & 07777) == 0644, "as the user");
	UNIT_CHECK(put("a/b/c/d") == 0 && files_remove(&in, "a/b/c/d") == 0 &&
	    files_remove(&in, "a/b/c/d") == ENOENT, "removed, once");
	UNIT_CHECK(files_remove(&in, "/abs") == 0 &&
	    faccessat(in.root, "abs", F_OK, AT_SYMLINK_NOFOLLOW) == -1,
	    "a link itself is removed");
}

int
main(void)
{
	char path[128];
	int fd;

	umask(022);
	paths();
	if (geteuid() != 0)
		return unit_end();
	alone = unshare(CLONE_NEWNS) == 0 &&
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
	if (mkdtemp(top) == NULL || chmod(top, 0755) == -1)
		return 1;
	snprintf(path, sizeof(path), "%s/secret", top);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	if (fd == -1 || write(fd, "secret", 6) != 6)
		return 1;
	close(fd);
	chmod(path, 0666);
	snprintf(path, sizeof(path), "%s/root", top);
	if (mkdir(path, 0755) == -1 || chown(path, 1000, 1000) == -1)
		return 1;
	in = (struct files){
		.root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC),
		.uid = 1000,
		.gid = 1000,
	};
	confined();
	UNIT_CHECK(access("/root", R_OK | X_OK) == 0 &&
	    open("/etc/shadow", O_RDONLY | O_CLOEXEC) != -1,
	    "our own rights are back");
	snprintf(path, sizeof(path), "rm -rf %s", top);
	return system(path) != 0 || unit_end();
}
