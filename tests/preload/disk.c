/*
 * Preloaded, makes reading wait as a disk does, unless the kernel was told of the
 * file before.  Of what it is told, each name is a line of the file TL_TOLD.
 */

#include <sys/stat.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static ino_t told[1000];
static size_t n;

int
posix_fadvise(int fd, off_t at, off_t len, int advice)
{
	char link[64], name[4096];
	const char *to = getenv("TL_TOLD");
	struct stat st;
	ssize_t got;
	FILE *f;

	(void)at;
	(void)len;
	(void)advice;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (fstat(fd, &st) == -1 || n == 1000 || to == NULL ||
	    (got = readlink(link, name, sizeof(name))) == -1 ||
	    (f = fopen(to, "a")) == NULL)
		abort();
	told[n++] = st.st_ino;
	fprintf(f, "%.*s\n", (int)got, name);
	fclose(f);
	return 0;
}

ssize_t
read(int fd, void *to, size_t len)
{
	static ssize_t (*real)(int, void *, size_t);
	bool waits = true;
	struct stat st;
	void *found;
	size_t i;

	if (real == NULL) {
		found = dlsym(RTLD_NEXT, "read");
		*(void **)&real = found;
	}
	for (i = 0; i < n && fstat(fd, &st) == 0; i++)
		waits &= told[i] != st.st_ino;
	if (waits)
		usleep(1000);
	return real(fd, to, len);
}
