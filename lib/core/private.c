#include <sys/prctl.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/private.h"

void
private_hold(void)
{
/* What looks for leaks at the end is a process of its own. */
#ifndef __SANITIZE_ADDRESS__
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

static int
load(struct buf *b, const char *path, mode_t closed, bool *open_to_others,
    struct fail *f)
{
	size_t from = b->len;
	struct stat st;
	int fd, r = -1;

	private_hold();
	if (open_to_others != NULL)
		*open_to_others = false;
	/* A pipe that nobody writes to is not waited for where none may be. */
	fd = open(path, O_RDONLY | O_CLOEXEC |
	    (open_to_others != NULL ? O_NONBLOCK : 0));
	if (fd == -1)
		return fail_sys(f, EX_NOINPUT, "%.300s", path);
	if (fstat(fd, &st) == -1)
		fail_sys(f, EX_NOINPUT, "%.300s", path);
	else if (open_to_others != NULL && !S_ISREG(st.st_mode))
		fail_set(f, EX_CONFIG, "%.300s: not a file", path);
	else if (S_ISREG(st.st_mode) && (st.st_mode & closed) != 0)
		fail_set(f, EX_CONFIG, closed == 077 ? "%.300s: holds a secret "
		    "and is open to others; chmod 600 it" :
		    "%.300s: others may write it; chmod go-w it", path);
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
	if (open_to_others != NULL)
		*open_to_others = r == 0 && (st.st_mode & 077) != 0;
	close(fd);
	return r;
}

int
private_load(struct buf *b, const char *path, struct fail *f)
{
	return load(b, path, 077, NULL, f);
}

int
private_load_own(struct buf *b, const char *path, bool *open_to_others,
    struct fail *f)
{
	return load(b, path, 022, open_to_others, f);
}
