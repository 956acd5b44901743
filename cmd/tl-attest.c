/* tl-attest: the dataplane's receipt for a snapshot that was uploaded. */

#include <getopt.h>
#include <stdlib.h>
#include <sysexits.h>

#include "client/cloud/begin.h"
#include "client/stages/attest.h"
#include "client/stages/metadata.h"
#include "core/opt.h"

static const char usage[] =
    "usage: tl-attest [-v] -p PREPARED [-s FILE] [SETTINGS] "
    "<METADATA >ATTESTED\n"
    "  -p, --prepared FILE    the prepared build\n"
    "  -s, --sandbox FILE     the sandbox document (TL_SANDBOX)\n"
    "  -h, --help  -V, --version  -v, --verbose\n"
    SETTINGS_USAGE;

static const struct option options[] = {
	{ "prepared", required_argument, NULL, 'p' },
	SETTINGS_OPTIONS,
	{ "sandbox", required_argument, NULL, 's' },
	OPT_COMMON,
	{ NULL, 0, NULL, 0 }
};

int
main(int argc, char *argv[])
{
	struct buf text = BUF_INIT(BUF_DOC_MAX), out = BUF_INIT(BUF_DOC_MAX);
	struct buf metadata = BUF_INIT(BUF_SMALL_MAX);
	struct prepared prepared = PREPARED_INIT;
	struct settings settings = SETTINGS_INIT;
	struct sandbox sandbox = SANDBOX_INIT;
	struct cloud cloud = CLOUD_INIT;
	struct patience patience;
	struct attest attest = { .cloud = &cloud, .sandbox = &sandbox,
	    .patience = &patience, .doubt = opt_warn };
	const char *prepared_path = "", *sandbox_path = NULL;
	char *uri = NULL;
	struct span doc;
	struct fail f;
	int ch, r;

	while ((ch = getopt_long(argc, argv, "hVvp:s:", options, NULL)) != -1)
		switch (ch) {
		case 'h':
			opt_help(usage);
		case 'V':
			opt_version("tl-attest");
		case 'v':
			attest.note = opt_note;
			break;
		case 'p':
			prepared_path = optarg;
			break;
		case 's':
			sandbox_path = optarg;
			break;
		default:
			if (!begin_option(&settings, ch, optarg))
				opt_usage(usage);
		}
	if (optind != argc || *prepared_path == '\0')
		opt_usage(usage);
	begin_settings(&settings, "tl-attest");
	patience_init(&patience, opt_note);

	opt_input(&metadata, "the builder's metadata");
	if (prepared_load(&prepared, &text, prepared_path, &f) == -1)
		opt_fail(&f);
	/* Prepare has said where it goes, or else the builder says it. */
	r = span_parse(&doc, metadata.data, metadata.len, &f);
	if (r == 0 && !span_is_object(&doc))
		r = fail_set(&f, EX_DATAERR,
		    "not a JSON object, expected metadata");
	if (r == 0 && prepared.rel_path == NULL)
		r = metadata_uri(&doc, &prepared, &uri, &f);
	if (r == -1) {
		fail_in(&f, "stdin");
		opt_fail(&f);
	}
	if (sandbox_load(&sandbox, sandbox_path, &f) == -1 ||
	    (attest.http = cloud_http(&cloud, &settings, attest.note != NULL,
	    &f)) == NULL ||
	    attest_ask(&attest, prepared.rel_path, uri, &out, &f) == -1)
		opt_fail(&f);

	opt_output(&out);
	http_free(attest.http);
	cloud_free(&cloud);
	settings_free(&settings);
	sandbox_free(&sandbox);
	prepared_free(&prepared);
	free(uri);
	buf_free(&metadata);
	buf_free(&text);
	buf_free(&out);
	return 0;
}
