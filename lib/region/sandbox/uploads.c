#include <sys/stat.h>

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "core/buf.h"
#include "region/sandbox/uploads.h"

#define FILE_MAX	(1UL << 20)

/* One line, on the disk or not there at all; *first: there was none before. */
static int
append_line(int fd, const char *key, bool *first, struct fail *f)
{
	struct buf line = BUF_INIT(FILE_MAX);
	off_t end = lseek(fd, 0, SEEK_END);
	int rc = buf_addf(&line, f, "%s\n", key);

	*first = end == 0;
	if (end == -1)
		rc = fail_sys(f, EX_IOERR, "uploads");
	if (rc == 0 && (rc = buf_write(&line, fd, "uploads", f)) == 0 &&
	    fsync(fd) == -1)
		rc = fail_sys(f, EX_IOERR, "uploads");
	if (rc == -1 && end != -1 && ftruncate(fd, end) == -1)
		fail_sys(f, EX_IOERR, "uploads");
	buf_free(&line);
	return rc;
}

static int
sync_folder(const char *folder, struct fail *f)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = fd == -1 || fsync(fd) == -1 ?
	    fail_sys(f, EX_IOERR, "folder of the sandbox") : 0;

	if (fd != -1)
		close(fd);
	return rc;
}

static void
path_of(const char *folder, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/uploads", folder);
}

int
uploads_add(const char *folder, const char *key, struct fail *f)
{
	char path[PATH_MAX];
	bool first;
	int fd, rc;

	path_of(folder, path);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW |
	    O_CLOEXEC, 0600);
	if (fd == -1)
		return fail_sys(f, EX_CANTCREAT, "uploads");
	rc = append_line(fd, key, &first, f);
	close(fd);
	/* The file's name, too: with the first key it is new. */
	return rc == 0 && first ? sync_folder(folder, f) : rc;
}

/* A line that is not whole was never acted upon. */
static int
read_lines(const char *text, char *keys[UPLOADS_MAX], unsigned *n,
    struct fail *f)
{
	const char *p, *end;

	for (p = text; (end = strchr(p, '\n')) != NULL; p = end + 1) {
		if (*n == UPLOADS_MAX || end == p)
			continue;
		keys[*n] = strndup(p, (size_t)(end - p));
		if (keys[*n] == NULL)
			return fail_set(f, EX_OSERR, "out of memory");
		++*n;
	}
	return 0;
}

int
uploads_read(const char *folder, char *keys[UPLOADS_MAX], unsigned *n,
    struct fail *f)
{
	struct buf text = BUF_INIT(FILE_MAX);
	char path[PATH_MAX];
	int rc;

	*n = 0;
	path_of(folder, path);
	if (access(path, F_OK) == -1)
		return 0;
	rc = buf_load(&text, path, f);
	if (rc == 0 && text.len > 0)
		rc = read_lines(text.data, keys, n, f);
	buf_free(&text);
	return rc;
}

time_t
uploads_age_s(const char *folder)
{
	char path[PATH_MAX];
	struct stat st;

	path_of(folder, path);
	/* One whose file is gone is older than any. */
	return time(NULL) - (stat(path, &st) == -1 ? 0 : st.st_mtime);
}
