#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "dockerfile/gather_impl.h"

int
gather_folder_open(struct gather *g, struct fail *f)
{
	char name[32];
	int fd;

	snprintf(name, sizeof(name), "%zu", g->folder);
	fd = openat(g->files, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd != -1 ? fd : fail_sys(f, EX_CANTCREAT, "%s", name);
}

int
gather_folder(struct gather *g, struct fail *f)
{
	char name[32];

	g->folder++;
	g->found = 0;
	g->one = false;
	if (g->files == -1)
		return 0;
	snprintf(name, sizeof(name), "%zu", g->folder);
	/* What the folder it is copied to is made as, if it is not there. */
	if (mkdirat(g->files, name, 0755) == -1 ||
	    fchmodat(g->files, name, 0755, 0) == -1)
		return fail_sys(f, EX_CANTCREAT, "%s", name);
	return 0;
}

void
gather_count(struct gather *g, const char *name, bool file)
{
	g->one = ++g->found == 1 && file;
	if (file)
		snprintf(g->name, sizeof(g->name), "%.255s", name);
}

int
gather_text(struct gather *g, const char *name, const char *text, size_t len,
    unsigned mode, struct fail *f)
{
	struct buf b = BUF_INIT(len + 1);
	int dir = -1, fd = -1, ret = -1;

	gather_count(g, name, true);
	if (g->files == -1)
		return 0;
	if ((dir = gather_folder_open(g, f)) == -1)
		return -1;
	unlinkat(dir, name, 0);
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd == -1 || fchmod(fd, mode) == -1)
		fail_sys(f, EX_CANTCREAT, "%s", name);
	else if (buf_add(&b, text, len, f) == 0)
		ret = buf_write(&b, fd, name, f);
	if (fd != -1)
		close(fd);
	close(dir);
	buf_free(&b);
	return ret;
}

int
gather_rename(struct gather *g, const char *name, struct fail *f)
{
	int dir, ret = 0;

	if (g->files != -1) {
		if ((dir = gather_folder_open(g, f)) == -1)
			return -1;
		if (renameat(dir, g->name, dir, name) == -1)
			ret = fail_sys(f, EX_CANTCREAT, "%s", name);
		close(dir);
	}
	snprintf(g->name, sizeof(g->name), "%.255s", name);
	return ret;
}

void
gather_times(const struct stat *st, struct timespec times[2])
{
	times[0] = st->st_atim;
	times[1] = st->st_mtim;
}

/* From at, where data begins, to where it ends; -1. */
static off_t
copy_piece(int in, int out, off_t at)
{
	off_t end = lseek(in, at, SEEK_HOLE);
	char piece[64 << 10];
	ssize_t n, done;

	for (; at < end; at += done) {
		n = pread(in, piece, sizeof(piece), at);
		if (n > end - at)
			n = end - at;
		if (n <= 0)
			return n == 0 ? end : -1;
		if ((done = pwrite(out, piece, (size_t)n, at)) == -1)
			return -1;
	}
	return end;
}

/* copy_file_range(2) is not for two file systems, and fills holes. */
static int
copy_data(int in, int out, off_t size)
{
	off_t at = 0;

	while (at < size && (at = lseek(in, at, SEEK_DATA)) != -1)
		if ((at = copy_piece(in, out, at)) == -1)
			return -1;
	return at == -1 && errno != ENXIO ? -1 : ftruncate(out, size);
}

/* Where no hard link can be made. */
static int
copy_file(const char *path, int to, const char *name, const struct stat *st,
    struct fail *f)
{
	struct timespec times[2];
	int in, out = -1, ret = -1;

	gather_times(st, times);
	in = open(path, O_RDONLY | O_CLOEXEC);
	if (in != -1)
		out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
		    0600);
	if (in == -1 || out == -1) {
		fail_sys(f, EX_IOERR, "%s", name);
		goto out;
	}
	if (copy_data(in, out, st->st_size) == -1 ||
	    fchown(out, st->st_uid, st->st_gid) == -1 ||
	    fchmod(out, st->st_mode & 07777) == -1 ||
	    futimens(out, times) == -1)
		fail_sys(f, EX_IOERR, "%s", name);
	else
		ret = 0;
out:
	if (in != -1)
		close(in);
	if (out != -1)
		close(out);
	return ret;
}

int
gather_put(int fd, int to, const char *name, const struct stat *st,
    struct fail *f)
{
	char path[40], target[4097];
	ssize_t n;

	/* The same name from two folders: the later one is what stays. */
	unlinkat(to, name, 0);
	if (S_ISLNK(st->st_mode)) {
		n = readlinkat(fd, "", target, sizeof(target) - 1);
		if (n > 0) {
			target[n] = '\0';
			if (symlinkat(target, to, name) == 0)
				return 0;
		}
		return fail_sys(f, EX_CANTCREAT, "%s", name);
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (linkat(AT_FDCWD, path, to, name, AT_SYMLINK_FOLLOW) == 0)
		return 0;
	if (S_ISREG(st->st_mode))
		return copy_file(path, to, name, st, f);
	return fail_sys(f, EX_CANTCREAT, "%s", name);
}
