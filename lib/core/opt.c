#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/opt.h"
#include "core/private.h"
#include "core/stop.h"

/*
 * A program started with stdin, stdout or stderr closed would get the number
 * for a file or socket of its own, and write its result there.  Each is taken
 * before main() by something that can do anything but what it is for: reading
 * or writing it fails, as on a closed one.
 */
__attribute__((constructor)) static void
hold_standard(void)
{
	int fd;

	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) == -1 && errno == EBADF &&
		    open("/dev/null", fd == STDIN_FILENO ? O_WRONLY :
		    O_RDONLY) == -1)
			_exit(EX_OSERR);
}

void
opt_help(const char *usage)
{
	if (fputs(usage, stdout) == EOF || fflush(stdout) == EOF)
		err(EX_IOERR, "stdout");
	exit(0);
}

void
opt_version(const char *name)
{
	if (printf("%s %s\n", name, TL_VERSION) < 0 || fflush(stdout) == EOF)
		err(EX_IOERR, "stdout");
	exit(0);
}

void
opt_usage(const char *usage)
{
	fprintf(stderr, "%.*s\n", (int)strcspn(usage, "\n"), usage);
	exit(EX_USAGE);
}

uint64_t
opt_number(const char *option, const char *arg, uint64_t min, uint64_t max)
{
	unsigned long long n;
	char *end;

	errno = 0;
	n = strtoull(arg, &end, 10);
	/* strtoull() takes blanks and signs; a count has neither. */
	if (arg[0] < '0' || arg[0] > '9' || *end != '\0' || errno != 0 ||
	    n < min || n > max)
		errx(EX_USAGE, "%s %.40s: not a number from %ju to %ju",
		    option, arg, (uintmax_t)min, (uintmax_t)max);
	return n;
}

uint64_t
opt_mib(const char *option, const char *arg, uint64_t min, uint64_t max)
{
	unsigned long long n;
	unsigned factor = 1;
	char *end;

	errno = 0;
	n = strtoull(arg, &end, 10);
	if (*end == 'G' || *end == 'g')
		factor = 1024;
	if (factor == 1024 || *end == 'M' || *end == 'm')
		end++;
	if (arg[0] < '0' || arg[0] > '9' || *end != '\0' || errno != 0 ||
	    n > max / factor || n * factor < min)
		errx(EX_USAGE, "%s %.40s: not a size from %ju to %ju MiB, such "
		    "as 2048, 512M or 10G", option, arg, (uintmax_t)min,
		    (uintmax_t)max);
	return n * factor;
}

double
opt_decimal(const char *option, const char *arg, double max)
{
	char *end;
	double n = strtod(arg, &end);

	/* strtod() takes more than a plain number looks like. */
	if (arg[0] < '0' || arg[0] > '9' || *end != '\0' ||
	    strspn(arg, "0123456789.") != strlen(arg) || !(n > 0) || n > max)
		errx(EX_USAGE, "%s %.40s: not a number from above 0 to %g",
		    option, arg, max);
	return n;
}

char *
opt_beside(const char *name)
{
	char self[PATH_MAX], *path;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n == -1)
		err(EX_OSERR, "/proc/self/exe");
	self[n] = '\0';
	*strrchr(self, '/') = '\0';
	if (asprintf(&path, "%s/%s", self, name) == -1)
		err(EX_OSERR, "out of memory");
	return path;
}

void
opt_fail(const struct fail *f)
{
	errx(f->status, "%s", f->msg);
}

int
opt_stopped(void)
{
	if (stop_signal == SIGALRM)
		warnx("%s", stop_reason());
	return stop_status();
}

void
opt_input(struct buf *b, const char *what)
{
	struct fail f;

	private_hold();
	if (buf_read(b, STDIN_FILENO, "stdin", &f) == -1)
		opt_fail(&f);
	if (b->len == 0)
		errx(EX_DATAERR, "stdin: empty, expected %s", what);
}

void
opt_note(const char *line)
{
	char text[1024];

	snprintf(text, sizeof(text), "%s", line);
	warnx("%s", fail_mask(text));
}

void
opt_output(const struct buf *b)
{
	struct fail f;

	if (buf_write(b, STDOUT_FILENO, "stdout", &f) == -1)
		opt_fail(&f);
	/* NFS and friends report a full disk only here. */
	if (close(STDOUT_FILENO) == -1)
		err(EX_IOERR, "stdout");
}
