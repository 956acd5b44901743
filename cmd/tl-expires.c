/* tl-expires: when what is signed in a document ends. */

#include <getopt.h>
#include <stdbool.h>
#include <time.h>

#include "client/ledger/expiry.h"
#include "core/date.h"
#include "core/opt.h"

static const char usage[] =
    "usage: tl-expires [-v] [-w SECONDS] <DOCUMENT\n"
    "Print when the first presigned URL of a document expires.\n"
    "  -w, --within SECONDS  status 1 if it expires within this time\n"
    "  -h, --help  -V, --version  -v, --verbose\n";

static const struct option options[] = {
	{ "within", required_argument, NULL, 'w' },
	OPT_COMMON,
	{ NULL, 0, NULL, 0 }
};

#define WITHIN_MAX	(366UL * 86400)

int
main(int argc, char *argv[])
{
	struct buf text = BUF_INIT(BUF_DOC_MAX), out = BUF_INIT(BUF_SMALL_MAX);
	bool asked = false, verbose = false;
	char when[DATE_TEXT];
	time_t within = 0, first;
	struct span doc;
	struct fail f;
	int ch, r;

	while ((ch = getopt_long(argc, argv, "hVvw:", options, NULL)) != -1)
		switch (ch) {
		case 'h':
			opt_help(usage);
		case 'V':
			opt_version("tl-expires");
		case 'v':
			verbose = true;
			break;
		case 'w':
			asked = true;
			within = (time_t)opt_number("--within", optarg, 0,
			    WITHIN_MAX);
			break;
		default:
			opt_usage(usage);
		}
	if (optind != argc)
		opt_usage(usage);

	opt_input(&text, "a signed or prepared document");
	if (span_parse(&doc, text.data, text.len, &f) == -1 ||
	    (r = expiry_find(&doc, &first, &f)) == -1) {
		fail_in(&f, "stdin");
		opt_fail(&f);
	}
	buf_free(&text);
	if (r == 0) {
		if (verbose)
			opt_note("nothing in it says when it ends");
		return 0;
	}
	date_text(when, first);
	if (buf_addf(&out, &f, "%s\n", when) == -1)
		opt_fail(&f);
	opt_output(&out);
	buf_free(&out);
	return asked && first < time(NULL) + within;
}
