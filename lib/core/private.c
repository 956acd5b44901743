#include <sys/stat.h>

#include <fcntl.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/private.h"

int
private_load(struct buf *b, const char *path, struct fail *f)
{
	size_t from = b->len;
	struct stat st;
	int fd, r = -1;

	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return fail_sys(f, EX_NOINPUT, "%.300s", path);
	if (fstat(fd, &st) == -1)
		fail_sys(f, EX_NOINPUT, "%.300s", path);
	else if (S_ISREG(st.st_mode) && (st.st_mode & 077) != 0)
		fail_set(f, EX_CONFIG, "%.300s: holds a secret and is open "
		    "to others; chmod 600 it", path);
	else if (st.st_uid != 0 && st.st_uid != geteuid())
		fail_set(f, EX_CONFIG, "%.300s: belongs to somebody else",
		    path);
	else if (buf_read(b, fd, path, f) == 0) {
		/* A reader of lines would take what is behind it for nothing. */
		if (b->len > from &&
		    memchr(b->data + from, '\0', b->len - from) != NULL)
			fail_set(f, EX_CONFIG, "%.300s: holds a NUL", path);
		else
			r = 0;
	}
	close(fd);
	return r;
}
