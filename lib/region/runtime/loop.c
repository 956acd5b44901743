#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/types.h>

#include <linux/loop.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "region/runtime/loop.h"
#include "region/runtime/rootless.h"

/* Others take free devices too, between our asking and our taking. */
#define LOOP_TRIES	64

int
loop_check(struct fail *f)
{
	int fd;

	if (rootless())
		return fail_set(f, EX_NOPERM, "loop devices need root");
	fd = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	if (fd == -1)
		return fail_sys(f, EX_OSERR,
		    "/dev/loop-control (modprobe loop helps)");
	close(fd);
	return 0;
}

int
loop_attach(int file, char *dev, size_t size, struct fail *f)
{
	struct loop_config config = {
		.fd = (uint32_t)file,
		.info.lo_flags = LO_FLAGS_AUTOCLEAR,
	};
	int control, fd, i, n;

	control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	if (control == -1)
		return fail_sys(f, EX_OSERR, "/dev/loop-control");
	for (i = 0; i < LOOP_TRIES; i++) {
		n = ioctl(control, LOOP_CTL_GET_FREE);
		if (n == -1)
			break;
		snprintf(dev, size, "/dev/loop%d", n);
		fd = open(dev, O_RDWR | O_CLOEXEC);
		if (fd == -1)
			break;
		if (ioctl(fd, LOOP_CONFIGURE, &config) == 0) {
			close(control);
			return fd;
		}
		close(fd);
		if (errno != EBUSY)
			break;
	}
	fail_sys(f, EX_OSERR, "no loop device available");
	close(control);
	return -1;
}

/* The file behind a device, without the newline; false if there is none. */
static bool
backing(int number, char *path, size_t size)
{
	char name[64];
	ssize_t n;
	int fd;

	snprintf(name, sizeof(name), "/sys/block/loop%d/loop/backing_file",
	    number);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return false;
	n = read(fd, path, size - 1);
	close(fd);
	if (n <= 0)
		return false;
	path[n] = '\0';
	path[strcspn(path, "\n")] = '\0';
	return true;
}

static void
clear(int number)
{
	char dev[32];
	int fd;

	snprintf(dev, sizeof(dev), "/dev/loop%d", number);
	fd = open(dev, O_RDWR | O_CLOEXEC);
	if (fd == -1)
		return;
	ioctl(fd, LOOP_CLR_FD, 0);
	close(fd);
}

/* How many devices there are of such files; they are cleared if that is asked. */
static int
each(bool (*of)(const char *file, const char *arg), const char *arg,
    bool clearing)
{
	char file[PATH_MAX + 16];
	struct dirent *e;
	int n, found = 0;
	DIR *d;

	d = opendir("/sys/block");
	if (d == NULL)
		return 0;
	while ((e = readdir(d)) != NULL) {
		if (sscanf(e->d_name, "loop%d", &n) != 1 ||
		    !backing(n, file, sizeof(file)) || !of(file, arg))
			continue;
		if (clearing)
			clear(n);
		found++;
	}
	closedir(d);
	return found;
}

static bool
is_below(const char *file, const char *folder)
{
	size_t len = strlen(folder);

	return strncmp(file, folder, len) == 0 && file[len] == '/';
}

static bool
is_it(const char *file, const char *path)
{
	return strcmp(file, path) == 0;
}

int
loop_clear_below(const char *folder)
{
	return each(is_below, folder, true);
}

bool
loop_of(dev_t number, const char *path, char *dev, size_t size)
{
	char link[48], to[PATH_MAX], file[PATH_MAX + 16];
	const char *name;
	ssize_t len;
	int n;

	snprintf(link, sizeof(link), "/sys/dev/block/%u:%u", major(number),
	    minor(number));
	len = readlink(link, to, sizeof(to) - 1);
	if (len == -1)
		return false;
	to[len] = '\0';
	name = strrchr(to, '/');
	if (name == NULL || sscanf(name, "/loop%d", &n) != 1 ||
	    !backing(n, file, sizeof(file)) || strcmp(file, path) != 0)
		return false;
	snprintf(dev, size, "/dev/loop%d", n);
	return true;
}

bool
loop_free(const char *path, int wait_ms)
{
	int ms;

	for (ms = 0; each(is_it, path, ms > 0 && ms == wait_ms / 2) > 0;
	    ms++) {
		if (ms >= wait_ms)
			return false;
		usleep(1000);
	}
	return true;
}
