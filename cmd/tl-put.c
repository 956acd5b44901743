/* tl-put: stdin to a file in the sandbox. */

#include <err.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "client/cloud/begin.h"
#include "client/sandbox/files.h"
#include "client/sandbox/session.h"
#include "core/opt.h"
#include "core/stop.h"

static const char usage[] =
    "usage: tl-put [-pv] [-s FILE] [--allow-empty] [SETTINGS] PATH <file\n"
    "Write stdin to the file at PATH in the sandbox.\n"
    "  -s, --sandbox FILE   the sandbox document (TL_SANDBOX)\n"
    "  --allow-empty        an empty stdin makes an empty file\n"
    "  -p, --progress       print the bytes sent on stderr, once a second\n"
    "  -h, --help  -V, --version  -v, --verbose\n"
    SETTINGS_USAGE;

enum { ALLOW_EMPTY = 256 };

static struct options {
	const char	*sandbox;
	bool		 allow_empty;
	bool		 progress;
	struct settings	 settings;
	bool		 verbose;
} opt = { .settings = SETTINGS_INIT };

/* At most a line a second, and one when all is there; as tl-upload's. */
static void
progress(uint64_t done, uint64_t total)
{
	static time_t last;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (now.tv_sec == last && done != total)
		return;
	last = now.tv_sec;
	if (total == FILES_UNKNOWN)
		fprintf(stderr, "tl-put: %" PRIu64 " bytes\n", done);
	else
		fprintf(stderr, "tl-put: %" PRIu64 " / %" PRIu64 " bytes\n",
		    done, total);
}

static void
parse(int argc, char *argv[])
{
	static const struct option options[] = {
		OPT_COMMON,
		{ "sandbox", required_argument, NULL, 's' },
		{ "progress", no_argument, NULL, 'p' },
		{ "allow-empty", no_argument, NULL, ALLOW_EMPTY },
		SETTINGS_OPTIONS,
		{ NULL, 0, NULL, 0 }
	};
	int ch;

	while ((ch = getopt_long(argc, argv, "hpVvs:", options, NULL)) != -1)
		switch (ch) {
		case 'h':
			opt_help(usage);
		case 'V':
			opt_version("tl-put");
		case 'v':
			opt.verbose = true;
			break;
		case 's':
			opt.sandbox = optarg;
			break;
		case 'p':
			opt.progress = true;
			break;
		case ALLOW_EMPTY:
			opt.allow_empty = true;
			break;
		default:
			if (!begin_option(&opt.settings, ch, optarg))
				opt_usage(usage);
		}
	if (argc - optind != 1)
		opt_usage(usage);
}

int
main(int argc, char *argv[])
{
	struct session session;
	struct patience patience;
	struct files files = { .reach = &session.reach };
	uint64_t size;
	struct fail f;
	int r;

	parse(argc, argv);
	begin_settings(&opt.settings, "tl-put");
	/* A long file may take longer than the sandbox would live. */
	if (session_open(&session, &opt.settings, opt.sandbox, REACH_PING_S,
	    opt.verbose, &f) == -1)
		opt_fail(&f);
	patience_init(&patience, opt_note);
	session.reach.patience = &patience;
	if (opt.verbose)
		files.note = opt_note;
	if (opt.progress)
		files.progress = progress;
	stop_catch();

	r = files_put(&files, argv[optind], STDIN_FILENO, opt.allow_empty,
	    &size, &f);
	if (r == -1 && stop_signal == 0)
		opt_fail(&f);
	if (r == 0 && opt.verbose)
		warnx("%s: %" PRIu64 " bytes", argv[optind], size);

	session_close(&session);
	settings_free(&opt.settings);
	return r == 0 ? 0 : opt_stopped();
}
