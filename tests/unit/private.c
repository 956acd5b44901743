/* Files that hold a secret, and who else could read them: lib/core/private.h. */

#include <sys/stat.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/private.h"
#include "unit.h"

static void
make(const char *text, size_t n, mode_t mode, uid_t owner)
{
	int fd = open("secret", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (write(fd, text, n) != (ssize_t)n || fchmod(fd, mode) == -1 ||
	    fchown(fd, owner, (gid_t)-1) == -1)
		abort();
	close(fd);
}

/* Read it: why is "" where it is good, else part of the message. */
static void
check(const char *path, int status, const char *why)
{
	struct buf b = BUF_INIT(64);
	struct fail f = { 0, "" };
	int r = private_load(&b, path, &f);

	if (status == 0)
		UNIT_CHECK(r == 0 && b.len == 6 &&
		    strcmp(b.data, "hidden") == 0, "read: %s", path);
	else
		UNIT_CHECK(r == -1 && f.status == status &&
		    strstr(f.msg, why) != NULL && strstr(f.msg, path) != NULL &&
		    strstr(f.msg, "hidden") == NULL, "refused: %s", f.msg);
	buf_free(&b);
}

/* The same of one that need not be secret. */
static void
check_own(const char *path, int status, const char *why, bool others)
{
	struct buf b = BUF_INIT(64);
	struct fail f = { 0, "" };
	bool seen = !others;
	int r = private_load_own(&b, path, &seen, &f);

	if (status == 0)
		UNIT_CHECK(r == 0 && b.len == 6 && seen == others,
		    "own, %s to others", others ? "open" : "closed");
	else
		UNIT_CHECK(r == -1 && f.status == status && !seen &&
		    strstr(f.msg, why) != NULL && strstr(f.msg, path) != NULL,
		    "own, refused: %s", f.msg);
	buf_free(&b);
}

int
main(void)
{
	char dir[] = "/tmp/tl-unit.XXXXXX", pipe_path[32];
	uid_t me = geteuid();
	int fd[2];

	if (mkdtemp(dir) == NULL || chdir(dir) == -1)
		abort();
	check("absent", EX_NOINPUT, "No such file");
	make("hidden", 6, 0600, me);
	check("secret", 0, "");
	make("hidden", 6, 0400, me);
	check("secret", 0, "");
	make("hidden", 6, 0640, me);
	check("secret", EX_CONFIG, "chmod 600");
	make("hidden", 6, 0602, me);
	check("secret", EX_CONFIG, "chmod 600");
	make("hid\0den", 7, 0600, me);
	check("secret", EX_CONFIG, "NUL");
	make("hidden-and-more-than-there-is-room-for-in-the-buffer-of-this-test",
	    65, 0600, me);
	check("secret", EX_DATAERR, "more than");
	/* Whoever owns it can have it read and changed. */
	if (me == 0) {
		make("hidden", 6, 0600, 12345);
		check("secret", EX_CONFIG, "somebody else");
	}
	if (pipe(fd) == -1 || write(fd[1], "hidden", 6) != 6)
		abort();
	close(fd[1]);
	snprintf(pipe_path, sizeof(pipe_path), "/dev/fd/%d", fd[0]);
	check(pipe_path, 0, "");
	make("hidden", 6, 0600, me);
	check_own("secret", 0, "", false);
	make("hidden", 6, 0644, me);
	check_own("secret", 0, "", true);
	make("hidden", 6, 0620, me);
	check_own("secret", EX_CONFIG, "others may write", false);
	make("hidden", 6, 0602, me);
	check_own("secret", EX_CONFIG, "others may write", false);
	check_own(".", EX_CONFIG, "not a file", false);
	check_own("/dev/null", EX_CONFIG, "not a file", false);
	check_own("absent", EX_NOINPUT, "No such file", false);
	unlink("secret");
	if (chdir("/") == -1 || rmdir(dir) == -1)
		abort();
	return unit_end();
}
