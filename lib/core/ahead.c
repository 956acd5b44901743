#include <sys/stat.h>

#include <fcntl.h>
#include <unistd.h>

#include "core/ahead.h"
#include "core/clock.h"

#define WAIT_NS	200000	/* from memory it takes less */

bool
ahead_waited(int64_t began)
{
	return clock_ns() - began > WAIT_NS;
}

void
ahead_tell(int folder, const char *path, off_t most)
{
	struct stat st;
	int fd;

	/* To open a device may do something. */
	if (fstatat(folder, path, &st, AT_SYMLINK_NOFOLLOW) == -1 ||
	    !S_ISREG(st.st_mode) || st.st_size == 0 || st.st_size > most)
		return;
	fd = openat(folder, path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW |
	    O_NOCTTY | O_CLOEXEC);
	if (fd == -1)
		return;
	posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED);
	close(fd);
}
