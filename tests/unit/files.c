#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "region/runtime/files.h"
#include "unit.h"

/* The sandbox: a folder, whose neighbour must never be touched. */
static char top[] = "/var/tmp/tl-files.XXXXXX";
static char root[64];
static char got[1 << 20];
static size_t ngot;

/* What the process in the sandbox answers, with what it is sent. */
static int
ask(enum files_op op, const char *path, const char *text, size_t n)
{
	int32_t status = -1;
	uint32_t piece = 1;
	int pair[2], wait_status;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1)
		exit(1);
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		if (chroot(root) == -1 || chdir("/") == -1 ||
		    setgroups(0, NULL) == -1 || setresgid(1000, 1000, 1000) ||
		    setresuid(1000, 1000, 1000) == -1)
			_exit(1);
		files_serve(pair[1], op, path);
		_exit(0);
	}
	close(pair[1]);
	ngot = 0;
	if (files_take(pair[0], &status, sizeof(status)) == -1)
		status = -1;
	if (status == 0 && op == FILES_READ) {
		while (files_take(pair[0], &piece, sizeof(piece)) == 0 &&
		    piece != 0 && ngot + piece <= sizeof(got) &&
		    files_take(pair[0], got + ngot, piece) == 0)
			ngot += piece;
		if (piece != 0)
			status = -1;
	}
	if (status == 0 && op == FILES_WRITE) {
		/* It may be refused before all is sent. */
		files_send(pair[0], text, n);
		shutdown(pair[0], SHUT_WR);
		if (files_take(pair[0], &status, sizeof(status)) == -1)
			status = -1;
	}
	close(pair[0]);
	waitpid(pid, &wait_status, 0);
	return status;
}

static int
get(const char *path)
{
	return ask(FILES_READ, path, NULL, 0);
}

static int
put(const char *path)
{
	return ask(FILES_WRITE, path, "new", 3);
}

static int
drop(const char *path)
{
	return ask(FILES_REMOVE, path, NULL, 0);
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

/* A name as it is from outside. */
static const char *
at(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	return path;
}

static void
files(void)
{
	static char big[300000];
	struct stat st;
	size_t i;
	int fd;

	if (symlink("/inside", at("in")) == -1 ||
	    symlink("/gone/away", at("away")) == -1 ||
	    mkfifo(at("fifo"), 0666) == -1 || chmod(at("fifo"), 0666) == -1 ||
	    mkdir(at("dir"), 0777) == -1 || mkdir(at("theirs"), 0755) == -1)
		exit(1);
	UNIT_CHECK(put("/inside") == 0 && get("inside") == 0 && ngot == 3 &&
	    memcmp(got, "new", 3) == 0, "put, get");
	UNIT_CHECK(get("/in") == 0, "an absolute link means its own root");
	UNIT_CHECK(put("/away") == ENOENT, "one that leads nowhere");
	UNIT_CHECK(get("/a/../inside") == EXDEV, "dots");
	for (i = 0; i < sizeof(big); i++)
		big[i] = (char)(i % 251);
	UNIT_CHECK(ask(FILES_WRITE, "/big", big, sizeof(big)) == 0 &&
	    get("/big") == 0 && ngot == sizeof(big) &&
	    memcmp(got, big, sizeof(big)) == 0, "in several pieces");
	UNIT_CHECK(put("/big") == 0 && get("/big") == 0 && ngot == 3,
	    "what was there is replaced");
	UNIT_CHECK(get("/fifo") == EINVAL, "a FIFO is no file");
	UNIT_CHECK(put("/fifo") == EINVAL, "and cannot be written");
	UNIT_CHECK(get("/dir") == EISDIR && put("/dir") == EISDIR &&
	    put("/new/") == EISDIR, "a folder is none either");
	UNIT_CHECK(drop("/dir") == EISDIR && drop("/") == EISDIR,
	    "and is not removed");
	UNIT_CHECK(put("/inside/x") == ENOTDIR, "a file is no folder");
	UNIT_CHECK(put("/theirs/x") == EACCES && put("/theirs/y/x") == EACCES,
	    "not with root's rights");
	UNIT_CHECK(put("/a/b//c/d") == 0 && stat(at("a/b/c/d"), &st) == 0 &&
	    st.st_size == 3, "folders are made");
	UNIT_CHECK(st.st_uid == 1000 && st.st_gid == 1000 &&
	    (st.st_mode & 07777) == 0644, "as the user");
	UNIT_CHECK(put("a/b/c/d") == 0 && drop("a/b/c/d") == 0 &&
	    drop("a/b/c/d") == ENOENT, "removed, once");
	UNIT_CHECK(drop("/in") == 0 && lstat(at("in"), &st) == -1 &&
	    stat(at("inside"), &st) == 0, "a link itself is removed");
	/* Whoever holds a lease is asked to let go; we do not wait for it. */
	fd = open(at("inside"), O_RDWR | O_CLOEXEC);
	if (fd != -1 && fcntl(fd, F_SETLEASE, F_WRLCK) == 0)
		UNIT_CHECK(get("/inside") == EAGAIN, "a leased file");
	if (fd != -1)
		close(fd);
	/* If there is a small disk to be had, for us alone. */
	if (unshare(CLONE_NEWNS) == 0 &&
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	    mount("tmpfs", at("dir"), "tmpfs", 0, "mode=777,size=64k") == 0) {
		UNIT_CHECK(ask(FILES_WRITE, "/dir/x", big, sizeof(big)) ==
		    ENOSPC, "a full disk");
		umount2(at("dir"), 0);
	}
}

int
main(void)
{
	char path[128];

	umask(022);
	signal(SIGIO, SIG_IGN);
	paths();
	if (geteuid() != 0)
		return unit_end();
	if (mkdtemp(top) == NULL || chmod(top, 0755) == -1)
		return 1;
	snprintf(root, sizeof(root), "%s/root", top);
	if (mkdir(root, 0755) == -1 || chown(root, 1000, 1000) == -1)
		return 1;
	files();
	snprintf(path, sizeof(path), "rm -rf %s", top);
	return system(path) != 0 || unit_end();
}
