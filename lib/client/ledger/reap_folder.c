#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "client/ledger/reap.h"

/* A build has its folder a moment before it has a ledger. */
#define YOUNG_S		10

static int
is_folder(const struct dirent *d)
{
	return strncmp(d->d_name, "build.", 6) == 0 &&
	    strchr(d->d_name + 6, '.') == NULL;
}

/* The files of an open folder; what is no file stays, and so does the folder. */
static int
empty(int fd, const char *name, struct fail *f)
{
	struct dirent *d;
	int r = 0, again;
	DIR *dir;

	if ((again = dup(fd)) == -1 || (dir = fdopendir(again)) == NULL) {
		if (again != -1)
			close(again);
		return fail_sys(f, EX_IOERR, "%s", name);
	}
	while (r == 0 && (d = readdir(dir)) != NULL)
		if (strcmp(d->d_name, ".") != 0 &&
		    strcmp(d->d_name, "..") != 0 &&
		    unlinkat(fd, d->d_name, 0) == -1 && errno != ENOENT)
			r = fail_sys(f, EX_CANTCREAT, "%s/%s", name,
			    d->d_name);
	closedir(dir);
	return r;
}

/* 1 if it is not to be touched. */
static int
one(const struct reap *r, int state, const char *name, struct fail *f)
{
	struct stat st;
	int64_t age;
	char *ledger;
	int fd, rc;

	if (asprintf(&ledger, "%s.ledger", name) == -1)
		return fail_set(f, EX_OSERR, "out of memory");
	rc = faccessat(state, ledger, F_OK, AT_SYMLINK_NOFOLLOW);
	free(ledger);
	if (rc == 0)
		return 1;
	fd = openat(state, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
	    O_CLOEXEC);
	if (fd == -1 && (errno == ENOENT || errno == ENOTDIR ||
	    errno == ELOOP))
		return 1;
	if (fd == -1 || fstat(fd, &st) == -1)
		rc = fail_sys(f, EX_NOINPUT, "%s", name);
	else if ((age = time(NULL) - st.st_mtime) >= 0 &&
	    (age < YOUNG_S || age < r->min_age_s))
		rc = 1;
	else if (r->dry)
		rc = 0;
	else if ((rc = empty(fd, name, f)) == 0 &&
	    unlinkat(state, name, AT_REMOVEDIR) == -1 && errno != ENOENT)
		rc = fail_sys(f, EX_CANTCREAT, "%s", name);
	if (fd != -1)
		close(fd);
	return rc;
}

int
reap_folders(const struct reap *r, const char *state,
    void (*tell)(void *arg, const char *name, enum reap_result,
    const char *note), void *arg, struct fail *f)
{
	struct dirent **list;
	struct fail why;
	int fd, i, n, rc = 0;

	fd = open(state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		return errno == ENOENT ? 0 :
		    fail_sys(f, EX_NOINPUT, "%s", state);
	if ((n = scandirat(fd, ".", &list, is_folder, alphasort)) == -1) {
		close(fd);
		return fail_sys(f, EX_NOINPUT, "%s", state);
	}
	for (i = 0; i < n; i++) {
		switch (one(r, fd, list[i]->d_name, &why)) {
		case 0:
			tell(arg, list[i]->d_name, r->dry ? REAP_OPEN :
			    REAP_DONE, "");
			break;
		case -1:
			tell(arg, list[i]->d_name, REAP_FAILED, why.msg);
			if (rc == 0)
				*f = why;
			rc = -1;
		}
		free(list[i]);
	}
	free(list);
	close(fd);
	return rc;
}
