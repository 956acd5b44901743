#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/mask.h"
#include "core/opt.h"
#include "core/private.h"
#include "core/stop.h"

/* Which commit was built, "" if nobody knows; GNUmakefile says it. */
#ifndef TL_COMMIT
#define TL_COMMIT ""
#endif

/* A line on stderr, whatever is in it, and of that what errno means. */
#define LINE_SIZE	2048
#define REASON_SIZE	128

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

/* getopt(3) would repeat an option that it does not know as it is. */
__attribute__((constructor)) static void
hold_getopt(int argc, char *argv[])
{
	const char *p;
	bool passes;
	int i;

	for (i = 1; i < argc; i++)
		for (p = argv[i]; argv[i][0] == '-' && *p != '\0';) {
			p += mask_next(p, strlen(p), &passes);
			if (!passes)
				opterr = 0;
		}
}

static void
say(const char *fmt, va_list ap, int error)
{
	char line[LINE_SIZE];
	int n, room = (int)sizeof(line) - REASON_SIZE;

	n = snprintf(line, sizeof(line), "%.100s: ",
	    program_invocation_short_name);
	if (fmt != NULL)
		n += vsnprintf(line + n, (size_t)(room - n), fmt, ap);
	if (n >= room)
		n = room - 1;
	if (error != 0)
		snprintf(line + n, sizeof(line) - (size_t)n, "%s%s",
		    fmt != NULL ? ": " : "", strerror(error));
	fprintf(stderr, "%s\n", mask_text(line));
}

void
warn(const char *fmt, ...)
{
	int error = errno;
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap, error);
	va_end(ap);
}

void
warnx(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap, 0);
	va_end(ap);
}

void
err(int status, const char *fmt, ...)
{
	int error = errno;
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap, error);
	va_end(ap);
	exit(status);
}

void
errx(int status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap, 0);
	va_end(ap);
	exit(status);
}

void
opt_help(const char *usage)
{
	if (fputs(usage, stdout) == EOF || fflush(stdout) == EOF)
		err(EX_IOERR, "stdout");
	exit(0);
}

const char *
opt_version_text(void)
{
	return *TL_COMMIT != '\0' ? TL_VERSION " (" TL_COMMIT ")" : TL_VERSION;
}

void
opt_version(const char *name)
{
	if (printf("%s %s\n", name, opt_version_text()) < 0 || fflush(stdout) == EOF)
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

bool
opt_source_date_epoch(int64_t *epoch)
{
	const char *s = getenv("SOURCE_DATE_EPOCH");
	char *end;

	if (s == NULL || *s == '\0')
		return false;
	errno = 0;
	*epoch = strtoll(s, &end, 10);
	if (*s < '0' || *s > '9' || *end != '\0' || errno != 0)
		errx(EX_CONFIG, "SOURCE_DATE_EPOCH: not a number of seconds");
	return true;
}

char *
opt_beside(const char *name)
{
	char self[PATH_MAX], *path, *other, *last;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n == -1)
		err(EX_OSERR, "/proc/self/exe");
	self[n] = '\0';
	*strrchr(self, '/') = '\0';
	if (asprintf(&path, "%s/%s", self, name) == -1)
		err(EX_OSERR, "out of memory");
	last = strrchr(self, '/');
	if (last == NULL || access(path, X_OK) == 0 ||
	    (strcmp(last, "/bin") != 0 && strcmp(last, "/sbin") != 0))
		return path;
	if (asprintf(&other, "%s/../%s/%s", self,
	    strcmp(last, "/bin") == 0 ? "sbin" : "bin", name) == -1)
		err(EX_OSERR, "out of memory");
	if (access(other, X_OK) == 0) {
		free(path);
		return other;
	}
	free(other);
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
	warnx("%s", line);
}

int
opt_write(const struct buf *b, struct fail *f)
{
	if (isatty(STDOUT_FILENO) == 0) {
		if (buf_write(b, STDOUT_FILENO, "stdout", f) == -1)
			return -1;
	} else if (mask_write(stdout, b->data, b->len) == -1 ||
	    fflush(stdout) == EOF)
		return fail_sys(f, EX_IOERR, "stdout");
	/* NFS and friends report a full disk only here. */
	if (close(STDOUT_FILENO) == -1)
		return fail_sys(f, EX_IOERR, "stdout");
	return 0;
}

void
opt_warn(const char *line)
{
	warnx("warning: %s", line);
}

void
opt_output(const struct buf *b)
{
	struct fail f;

	if (opt_write(b, &f) == -1)
		opt_fail(&f);
}
