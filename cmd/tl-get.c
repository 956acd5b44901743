/* tl-get: a file in the sandbox to stdout. */

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "client/cloud/begin.h"
#include "client/sandbox/files.h"
#include "client/sandbox/session.h"
#include "core/opt.h"
#include "core/stop.h"

static const char usage[] =
    "usage: tl-get [-v] [-s FILE] [-o OUTPUT] [SETTINGS] PATH\n"
    "Write the file at PATH in the sandbox to stdout.\n"
    "  -s, --sandbox FILE   the sandbox document (TL_SANDBOX)\n"
    "  -o, --output OUTPUT  to this file instead, whole or not at all\n"
    "  -h, --help  -V, --version  -v, --verbose\n"
    SETTINGS_USAGE;

static struct options {
	const char	*sandbox;
	const char	*output;
	struct settings	 settings;
	bool		 verbose;
} opt = { .settings = SETTINGS_INIT };

static void
parse(int argc, char *argv[])
{
	static const struct option options[] = {
		OPT_COMMON,
		{ "sandbox", required_argument, NULL, 's' },
		{ "output", required_argument, NULL, 'o' },
		SETTINGS_OPTIONS,
		{ NULL, 0, NULL, 0 }
	};
	int ch;

	while ((ch = getopt_long(argc, argv, "hVvo:s:", options, NULL)) != -1)
		switch (ch) {
		case 'h':
			opt_help(usage);
		case 'V':
			opt_version("tl-get");
		case 'v':
			opt.verbose = true;
			break;
		case 's':
			opt.sandbox = optarg;
			break;
		case 'o':
			opt.output = optarg;
			break;
		default:
			if (!begin_option(&opt.settings, ch, optarg))
				opt_usage(usage);
		}
	if (argc - optind != 1)
		opt_usage(usage);
}

/* Beside the output, for nobody else to read until it is whole. */
static int
begin(char **part)
{
	int fd;

	if (asprintf(part, "%s.XXXXXX", opt.output) == -1)
		errx(EX_OSERR, "out of memory");
	if ((fd = mkostemp(*part, O_CLOEXEC)) == -1)
		err(EX_CANTCREAT, "%s", opt.output);
	return fd;
}

/* Whole and on the disk, then under its name; or gone. */
static int
end(int fd, char *part, int r, struct fail *f)
{
	if (r == 0 && fsync(fd) == -1)
		r = fail_sys(f, EX_IOERR, "%s", opt.output);
	if (close(fd) == -1 && r == 0)
		r = fail_sys(f, EX_IOERR, "%s", opt.output);
	if (r == 0 && rename(part, opt.output) == -1)
		r = fail_sys(f, EX_CANTCREAT, "%s", opt.output);
	if (r == -1)
		unlink(part);
	free(part);
	return r;
}

int
main(int argc, char *argv[])
{
	struct session session;
	struct patience patience;
	struct files files = { .reach = &session.reach };
	char *part = NULL;
	int fd = STDOUT_FILENO, r;
	uint64_t size;
	struct fail f;

	parse(argc, argv);
	begin_settings(&opt.settings, "tl-get");
	/* A long file may take longer than the sandbox would live. */
	if (session_open(&session, &opt.settings, opt.sandbox, REACH_PING_S,
	    opt.verbose, &f) == -1)
		opt_fail(&f);
	patience_init(&patience, opt_note);
	session.reach.patience = &patience;
	if (opt.verbose)
		files.note = opt_note;
	/* Said like any other write that failed, not by a signal. */
	signal(SIGPIPE, SIG_IGN);
	stop_catch();

	if (opt.output != NULL)
		fd = begin(&part);
	r = files_get(&files, argv[optind], fd, &size, &f);
	if (opt.output != NULL)
		r = end(fd, part, r, &f);
	else if (r == 0 && close(STDOUT_FILENO) == -1)
		r = fail_sys(&f, EX_IOERR, "stdout");
	if (r == -1 && stop_signal == 0)
		opt_fail(&f);
	if (r == 0 && opt.verbose)
		warnx("%s: %" PRIu64 " bytes", argv[optind], size);

	session_close(&session);
	settings_free(&opt.settings);
	return r == 0 ? 0 : opt_stopped();
}
