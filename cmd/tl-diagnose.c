/* tl-diagnose: why a build may have failed. */

#include <err.h>
#include <getopt.h>
#include <signal.h>
#include <stdint.h>

#include "client/cloud/begin.h"
#include "client/cloud/retry.h"
#include "client/sandbox/diagnose.h"
#include "client/sandbox/session.h"
#include "core/opt.h"
#include "core/stop.h"

static const char usage[] =
    "usage: tl-diagnose [-v] [-s FILE] [-t SECONDS] [--log FILE [--from N]]\n"
    "           [--status-file FILE] [SETTINGS]\n"
    "Print what to do about a build that failed, a line for each finding.\n"
    "  -s, --sandbox FILE      the sandbox document (TL_SANDBOX)\n"
    "  -t, --timeout SECONDS   ask the sandbox for this time (5)\n"
    "      --log FILE          the build's log,\n"
    "      --from N            starting at its byte N\n"
    "      --status-file FILE  how the builder ended, from tl-exec\n"
    "  -h, --help  -V, --version  -v, --verbose\n"
    "  --api-url URL, --token-file FILE, --insecure-http\n"
    "                          server and credential: tl-config(5)\n";

enum { LOG = 256, FROM, STATUS_FILE };

static struct options {
	const char	*sandbox;
	const char	*log;
	const char	*status_file;
	uint64_t	 from;
	unsigned	 timeout_s;
	struct settings	 settings;
	bool		 verbose;
} opt = { .settings = SETTINGS_INIT, .timeout_s = 5 };

static void
parse(int argc, char *argv[])
{
	static const struct option options[] = {
		OPT_COMMON,
		{ "sandbox", required_argument, NULL, 's' },
		{ "timeout", required_argument, NULL, 't' },
		{ "log", required_argument, NULL, LOG },
		{ "from", required_argument, NULL, FROM },
		{ "status-file", required_argument, NULL, STATUS_FILE },
		SETTINGS_WHERE,
		{ NULL, 0, NULL, 0 }
	};
	int ch;

	while ((ch = getopt_long(argc, argv, "hs:t:Vv", options, NULL)) != -1)
		switch (ch) {
		case 'h':
			opt_help(usage);
		case 'V':
			opt_version("tl-diagnose");
		case 'v':
			opt.verbose = true;
			break;
		case 's':
			opt.sandbox = optarg;
			break;
		case 't':
			opt.timeout_s = (unsigned)opt_number("--timeout",
			    optarg, 1, 3600);
			break;
		case LOG:
			opt.log = optarg;
			break;
		case FROM:
			opt.from = opt_number("--from", optarg, 0, INT64_MAX);
			break;
		case STATUS_FILE:
			opt.status_file = optarg;
			break;
		default:
			if (!begin_option(&opt.settings, ch, optarg))
				opt_usage(usage);
		}
	if (optind != argc || (opt.from != 0 && opt.log == NULL))
		opt_usage(usage);
}

int
main(int argc, char *argv[])
{
	struct buf out = BUF_INIT(BUF_SMALL_MAX);
	struct diagnosis d = { .memory = false };
	struct session session;
	struct fail f;

	parse(argc, argv);
	if (settings_load(&opt.settings, &f) == -1 ||
	    (opt.log != NULL &&
	    diagnose_log(&d, opt.log, opt.from, &f) == -1) ||
	    (opt.status_file != NULL &&
	    diagnose_status(&d, opt.status_file, &f) == -1) ||
	    session_open(&session, &opt.settings, opt.sandbox, 0,
	    opt.verbose, &f) == -1)
		opt_fail(&f);
	stop_catch();
	stop_after("tl-diagnose", opt.timeout_s);

	/* A sandbox that is gone is nothing to add to the build's failure. */
	if (diagnose_ask(&d, &session.reach, retry_second_ms(), &f) == -1 &&
	    opt.verbose)
		warnx("%s", f.msg);
	if (stop_signal == 0 || stop_signal == SIGALRM) {
		if (diagnose_advice(&d, &out, &f) == -1)
			opt_fail(&f);
		opt_output(&out);
		stop_signal = 0;
	}

	buf_free(&out);
	session_close(&session);
	settings_free(&opt.settings);
	return stop_status();
}
