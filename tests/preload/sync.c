/*
 * Preloaded, makes fsync() slow while the file SYNC_SLOW is there, and writes
 * the path of what was synced into the file SYNC_LOG.
 */

#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SLOW_MS	800

static void
tell(const char *log, int fd)
{
	char link[64], path[4096 + 1];
	ssize_t n;
	int out;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if ((n = readlink(link, path, sizeof(path) - 1)) == -1)
		return;
	path[n++] = '\n';
	out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (out == -1)
		return;
	if (write(out, path, (size_t)n) == -1)
		abort();
	close(out);
}

int
fsync(int fd)
{
	static const struct timespec slow = { SLOW_MS / 1000,
	    SLOW_MS % 1000 * 1000000L };
	static int (*real)(int);
	const char *s;
	void *at;

	if (real == NULL) {
		at = dlsym(RTLD_NEXT, "fsync");
		*(void **)&real = at;
	}
	if ((s = getenv("SYNC_SLOW")) != NULL && access(s, F_OK) == 0)
		nanosleep(&slow, NULL);
	if ((s = getenv("SYNC_LOG")) != NULL)
		tell(s, fd);
	return real(fd);
}
