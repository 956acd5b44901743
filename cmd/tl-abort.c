/* tl-abort: give a signed upload back to the store. */

#include <getopt.h>

#include "client/cloud/settings.h"
#include "client/ledger/abort.h"
#include "client/ledger/ledger.h"
#include "core/opt.h"

static const char usage[] =
    "usage: tl-abort [-v] [-t SECONDS] <SIGNED\n"
    "  -t, --timeout SECONDS  give up after this time (60)\n"
    "  -h, --help  -V, --version  -v, --verbose\n";

static const struct option options[] = {
	{ "timeout", required_argument, NULL, 't' },
	OPT_COMMON,
	{ NULL, 0, NULL, 0 }
};

int
main(int argc, char *argv[])
{
	struct buf text = BUF_INIT(BUF_DOC_MAX);
	void (*note)(const char *) = NULL;
	struct ledger ledger = LEDGER_INIT;
	struct settings settings = SETTINGS_INIT;
	struct http *http = NULL;
	struct span doc, block;
	unsigned seconds = 60;
	struct fail f;
	int ch, r;

	while ((ch = getopt_long(argc, argv, "hVvt:", options, NULL)) != -1)
		switch (ch) {
		case 'h':
			opt_help(usage);
		case 'V':
			opt_version("tl-abort");
		case 'v':
			note = opt_note;
			break;
		case 't':
			seconds = (unsigned)opt_number("--timeout", optarg, 1,
			    3600);
			break;
		default:
			opt_usage(usage);
		}
	if (optind != argc)
		opt_usage(usage);

	opt_input(&text, "a signed document");
	if (span_parse(&doc, text.data, text.len, &f) == -1 ||
	    (r = abort_find(&doc, &block, &f)) == -1) {
		fail_in(&f, "stdin");
		opt_fail(&f);
	}
	if (r == 0) {
		if (note != NULL)
			note("nothing was signed, nothing to abort");
	} else {
		if (settings_load(&settings, &f) == -1 || (http =
		    settings_http(&settings, note != NULL, &f)) == NULL ||
		    ledger_open(&ledger, &f) == -1)
			opt_fail(&f);
		if (abort_upload(http, &block, seconds, note, &f) == -1 ||
		    ledger_upload_gone(&ledger, &block, &f) == -1)
			opt_fail(&f);
	}

	ledger_close(&ledger);
	http_free(http);
	settings_free(&settings);
	buf_free(&text);
	return 0;
}
