/* tl-prepare: from a plan to the server's prepared build, its bytes as sent. */

#include <getopt.h>
#include <string.h>
#include <sysexits.h>

#include "client/cloud/begin.h"
#include "client/cloud/idempotency.h"
#include "client/ledger/ledger.h"
#include "client/stages/prepare.h"
#include "client/stages/prepared.h"
#include "core/opt.h"

static const char usage[] =
    "usage: tl-prepare [-v] [-k KEY] [SETTINGS] <PLAN >PREPARED\n"
    "  -k, --idempotency-key KEY  ask for the build of an earlier run\n"
    "  -h, --help  -V, --version  -v, --verbose\n"
    SETTINGS_USAGE;

static const struct option options[] = {
	{ "idempotency-key", required_argument, NULL, 'k' },
	SETTINGS_OPTIONS,
	OPT_COMMON,
	{ NULL, 0, NULL, 0 }
};

/*
 * A build that was prepared; on the legacy path its upload is signed already.
 */
static int
enter(struct ledger *ledger, const char *key, const struct cloud *cloud,
    const struct buf *answer, struct fail *f)
{
	struct prepared p = PREPARED_INIT;
	struct span upload;
	int r;

	if ((r = prepared_parse(&p, answer, EX_PROTOCOL, f)) == -1)
		return -1;
	r = ledger_made(ledger, LEDGER_BUILD, key, p.build_id, f);
	if (r == 0 && p.rel_path == NULL &&
	    span_get(&p.doc, "upload", &upload, f) == 1) {
		r = ledger_intent(ledger, LEDGER_UPLOAD, key, cloud,
		    p.build_id, f);
		if (r == 0)
			r = ledger_upload(ledger, key, &upload, f);
	}
	prepared_free(&p);
	return r;
}

int
main(int argc, char *argv[])
{
	struct buf text = BUF_INIT(BUF_SMALL_MAX), out = BUF_INIT(BUF_DOC_MAX);
	struct prepare prepare = PREPARE_INIT;
	struct cloud cloud = CLOUD_INIT;
	void (*note)(const char *) = NULL;
	char key_line[IDEMPOTENCY_HEADER];
	struct ledger ledger = LEDGER_INIT;
	struct settings settings = SETTINGS_INIT;
	const char *key = NULL;
	struct http *http;
	struct span plan;
	struct fail f;
	int ch;

	while ((ch = getopt_long(argc, argv, "hVvk:", options, NULL)) != -1)
		switch (ch) {
		case 'h':
			opt_help(usage);
		case 'V':
			opt_version("tl-prepare");
		case 'v':
			note = opt_note;
			break;
		case 'k':
			key = optarg;
			break;
		default:
			if (!begin_option(&settings, ch, optarg))
				opt_usage(usage);
		}
	if (optind != argc)
		opt_usage(usage);
	begin_settings(&settings, "tl-prepare");
	if ((key != NULL ? idempotency_given(key_line, key, &f) :
	    idempotency_random(key_line, &f)) == -1)
		opt_fail(&f);
	key = strrchr(key_line, ' ') + 1;

	opt_input(&text, "a plan");
	if (span_parse(&plan, text.data, text.len, &f) == -1 ||
	    prepare_plan(&prepare, &plan, &f) == -1) {
		fail_in(&f, "stdin");
		opt_fail(&f);
	}

	http = cloud_http(&cloud, &settings, note != NULL, &f);
	if (http == NULL || ledger_open(&ledger, &f) == -1)
		opt_fail(&f);
	if (prepare_lookup(&prepare, http, &cloud, note, &f) == -1 ||
	    ledger_intent(&ledger, LEDGER_BUILD, key, &cloud, NULL, &f)
	    == -1 ||
	    prepare_post(&prepare, http, &cloud, key_line, note, &out, &f)
	    == -1 || enter(&ledger, key, &cloud, &out, &f) == -1)
		opt_fail(&f);

	opt_output(&out);
	ledger_close(&ledger);
	http_free(http);
	cloud_free(&cloud);
	settings_free(&settings);
	prepare_free(&prepare);
	buf_free(&text);
	buf_free(&out);
	return 0;
}
