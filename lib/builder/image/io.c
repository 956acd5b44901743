#include <errno.h>
#include <unistd.h>

#include "builder/image/io.h"

int
io_read(int fd, void *to, size_t n, uint64_t at)
{
	char *p = to;
	ssize_t got;

	while (n > 0) {
		got = pread(fd, p, n, (off_t)at);
		if (got == -1 && errno == EINTR)
			continue;
		if (got == 0)
			errno = EIO;
		if (got <= 0)
			return -1;
		p += got;
		n -= (size_t)got;
		at += (uint64_t)got;
	}
	return 0;
}

int
io_write(int fd, const void *from, size_t n, uint64_t at)
{
	const char *p = from;
	ssize_t got;

	while (n > 0) {
		got = pwrite(fd, p, n, (off_t)at);
		if (got == -1 && errno == EINTR)
			continue;
		if (got == 0)
			errno = EIO;
		if (got <= 0)
			return -1;
		p += got;
		n -= (size_t)got;
		at += (uint64_t)got;
	}
	return 0;
}
