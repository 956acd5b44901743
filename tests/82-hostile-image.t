#!/bin/sh
# What a RUN step can reach: none of the build's secrets, whatever it tries

. "${0%/*}/lib.sh"
. "$here/region.sh"

command -v cc >/dev/null || skip 'no compiler here'
mkdir image
cat >hostile.c <<'END'
/* A hostile image's program: looks for signed URLs wherever it can get. */
#define _GNU_SOURCE
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char secret[] = "Y-Amz-Signature";	/* not as it stands here */
static char text[4 << 20];
static int looked;

static void
look(const char *path)
{
	struct stat st;
	ssize_t n;
	int fd;

	if (stat(path, &st) == -1 || (!S_ISREG(st.st_mode)))
		return;
	fd = open(path, O_RDONLY | O_NONBLOCK);
	if (fd == -1)
		return;
	n = read(fd, text, sizeof(text));
	close(fd);
	looked++;
	if (n > 0 && memmem(text, (size_t)n, secret, sizeof(secret) - 1))
		printf("FOUND in %s\n", path);
}

static int
each(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)st;
	(void)f;
	if (type == FTW_F && strncmp(path, "/proc/", 6) != 0 &&
	    strncmp(path, "/sys/", 5) != 0)
		look(path);
	return 0;
}

static void
process(const char *pid)
{
	static const char *const names[] = { "environ", "cmdline", "cwd/spec.json",
	    "root/var/lib/tensorlake/rootfs-builder/build/spec.json", NULL };
	char path[400];
	struct dirent *e;
	int i;
	DIR *d;

	for (i = 0; names[i] != NULL; i++) {
		snprintf(path, sizeof(path), "/proc/%s/%s", pid, names[i]);
		look(path);
	}
	snprintf(path, sizeof(path), "/proc/%s/root/usr/local/bin/tl-rootfs-build", pid);
	if (atoi(pid) != getpid() && atoi(pid) != getppid() &&
	    access(path, F_OK) == 0)
		printf("FOUND the root of %s\n", pid);
	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	d = opendir(path);
	while (d != NULL && (e = readdir(d)) != NULL) {
		snprintf(path, sizeof(path), "/proc/%s/fd/%s", pid, e->d_name);
		look(path);
	}
	if (d != NULL)
		closedir(d);
	if (atoi(pid) != getpid() && atoi(pid) != getppid() &&
	    ptrace(PTRACE_ATTACH, atoi(pid), NULL, NULL) == 0)
		printf("FOUND a process to trace: %s\n", pid);
}

/* Leave a root that was only entered by chroot(2). */
static void
leave(void)
{
	int i;

	mkdir("/away", 0755);
	if (chroot("/away") == -1) {
		printf("no chroot: %s\n", strerror(errno));
		return;
	}
	for (i = 0; i < 64; i++)
		if (chdir("..") == -1)
			break;
	if (chroot(".") == 0)
		look("/var/lib/tensorlake/rootfs-builder/build/spec.json");
	if (access("/usr/local/bin/tl-rootfs-build", F_OK) == 0)
		printf("FOUND the sandbox's root\n");
	_exit(0);
}

static void
all(void)
{
	struct dirent *e;
	DIR *d = opendir("/proc");

	nftw("/", each, 16, FTW_PHYS);
	while (d != NULL && (e = readdir(d)) != NULL)
		if (atoi(e->d_name) > 0)
			process(e->d_name);
	if (d != NULL)
		closedir(d);
	if (fork() == 0) {
		leave();
		_exit(0);
	}
	wait(NULL);
}

int
main(void)
{
	secret[0]--;
	setvbuf(stdout, NULL, _IONBF, 0);
	all();
	/* Where buildah has left no chroot behind, that may be had. */
	if (unshare(CLONE_NEWUSER) == 0 && unshare(CLONE_NEWNS) == 0)
		all();
	printf("hostile: looked into some: %s\n", looked > 10 ? "yes" : "no");
	return 0;
}
END
ok 'it compiles' cc -static -o image/hostile hostile.c
cat >image/Dockerfile <<'END'
FROM busybox
COPY hostile /hostile
RUN ["/hostile"]
RUN ls -l /proc/self/fd
END
region
try 'a hostile image' tl-build -n hostile image/Dockerfile
exits 0
says 'hostile: looked into some: yes'
is 'a hostile image: what it found' "$(grep FOUND err)" ''
says 'no chroot: Operation not permitted'
is 'a hostile image: nothing is open' "$(grep -c ' [0-9]* -> /' err)" 0
nothing_left 'a hostile image'
