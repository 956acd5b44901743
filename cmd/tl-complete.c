/* tl-complete: register the image that a builder's metadata describes. */

#include <getopt.h>
#include <stdlib.h>
#include <sysexits.h>

#include "client/cloud/begin.h"
#include "client/stages/attest.h"
#include "client/stages/complete.h"
#include "client/stages/disk.h"
#include "client/stages/prepared.h"
#include "core/opt.h"

static const char usage[] =
    "usage: tl-complete [-v] -p PREPARED [-a ATTESTED] [-s SIGNED] "
    "[--disk-mb SIZE] [SETTINGS] <METADATA >TEMPLATE\n"
    "  -a, --attested FILE    the dataplane's receipt for the snapshot\n"
    "      --disk-mb SIZE     the size of the image's root file system\n"
    "  -p, --prepared FILE    the prepared build\n"
    "  -s, --signed FILE      the signed document\n"
    "  -h, --help  -V, --version  -v, --verbose\n"
    SETTINGS_USAGE;

enum { DISK_MB = 256 };

static const struct option options[] = {
	{ "attested", required_argument, NULL, 'a' },
	{ "disk-mb", required_argument, NULL, DISK_MB },
	SETTINGS_OPTIONS,
	{ "prepared", required_argument, NULL, 'p' },
	{ "signed", required_argument, NULL, 's' },
	OPT_COMMON,
	{ NULL, 0, NULL, 0 }
};

/* The signed document, which holds keys. */
static struct buf signed_text = BUF_INIT(BUF_DOC_MAX);
static struct span signed_doc;

/* Its uri. */
static char *
signed_uri(const struct prepared *p, const char *path)
{
	struct fail f;
	char *uri;

	if (buf_load(&signed_text, path, &f) == -1)
		opt_fail(&f);
	if (signed_text.len == 0) {
		fail_set(&f, EX_DATAERR, "empty, expected a signed document");
		fail_in(&f, path);
		opt_fail(&f);
	}
	if (span_parse(&signed_doc, signed_text.data, signed_text.len, &f)
	    == -1 || complete_signed_uri(p, &signed_doc, &uri, &f) == -1) {
		fail_in(&f, path);
		opt_fail(&f);
	}
	return uri;
}

/* What tl-attest has written: a block that goes on as it is, or none. */
static struct buf attested_text = BUF_INIT(BUF_SMALL_MAX);

static void
attested(const char *path, struct span *block)
{
	struct span doc;
	struct fail f;
	int r;

	if (buf_load(&attested_text, path, &f) == -1)
		opt_fail(&f);
	if (attested_text.len == 0)
		r = fail_set(&f, EX_DATAERR,
		    "empty, expected an attested document");
	else if ((r = span_parse(&doc, attested_text.data, attested_text.len,
	    &f)) == 0)
		r = attest_block(&doc, block, &f);
	if (r == -1) {
		fail_in(&f, path);
		opt_fail(&f);
	}
}

/* Registered: the build and its upload are nobody's to undo any more. */
static void
settle(struct ledger *ledger, const struct prepared *p)
{
	const struct span *docs[] = { &signed_doc, &p->doc };
	struct span upload;
	struct fail f;
	size_t i;

	ledger_gone(ledger, LEDGER_BUILD, p->build_id, &f);
	for (i = 0; i < 2; i++)
		if (span_get(docs[i], "upload", &upload, &f) == 1)
			ledger_upload_gone(ledger, &upload, &f);
}

int
main(int argc, char *argv[])
{
	struct buf text = BUF_INIT(BUF_DOC_MAX);
	struct buf metadata = BUF_INIT(BUF_SMALL_MAX);
	struct buf out = BUF_INIT(BUF_SMALL_MAX);
	struct prepared prepared = PREPARED_INIT;
	struct completion completion = COMPLETION_INIT;
	struct cloud cloud = CLOUD_INIT;
	struct patience patience;
	void (*note)(const char *) = NULL;
	struct ledger ledger = LEDGER_INIT;
	struct settings settings = SETTINGS_INIT;
	const char *prepared_path = "", *signed_path = NULL;
	const char *attested_path = NULL;
	bool has_mb = false;
	struct http *http;
	struct span doc;
	uint64_t mb = 0;
	char *uri = NULL;
	struct fail f;
	int ch;

	while ((ch = getopt_long(argc, argv, "a:hVvp:s:", options, NULL)) != -1)
		switch (ch) {
		case 'h':
			opt_help(usage);
		case 'V':
			opt_version("tl-complete");
		case 'v':
			note = opt_note;
			break;
		case 'a':
			attested_path = optarg;
			break;
		case 'p':
			prepared_path = optarg;
			break;
		case 's':
			signed_path = optarg;
			break;
		case DISK_MB:
			mb = opt_mib("--disk-mb", optarg, 0, DISK_MB_MAX);
			has_mb = true;
			break;
		default:
			if (!begin_option(&settings, ch, optarg))
				opt_usage(usage);
		}
	if (optind != argc || *prepared_path == '\0')
		opt_usage(usage);
	begin_settings(&settings, "tl-complete");
	patience_init(&patience, opt_note);

	opt_input(&metadata, "the builder's metadata");
	if (prepared_load(&prepared, &text, prepared_path, &f) == -1)
		opt_fail(&f);
	if (signed_path != NULL)
		uri = signed_uri(&prepared, signed_path);
	if (span_parse(&doc, metadata.data, metadata.len, &f) == -1 ||
	    metadata_read(&completion, &doc, &prepared, uri,
	    has_mb ? &mb : NULL, &f) == -1) {
		fail_in(&f, "stdin");
		opt_fail(&f);
	}

	if (attested_path != NULL)
		attested(attested_path, &completion.attestation);

	http = cloud_http(&cloud, &settings, note != NULL, &f);
	if (http == NULL || ledger_open(&ledger, &f) == -1)
		opt_fail(&f);
	if (complete_post(&completion, prepared.build_id, http, &cloud,
	    &ledger, &patience, note, &out, &f) == -1)
		opt_fail(&f);
	settle(&ledger, &prepared);

	opt_output(&out);
	ledger_close(&ledger);
	http_free(http);
	cloud_free(&cloud);
	settings_free(&settings);
	completion_free(&completion);
	prepared_free(&prepared);
	free(uri);
	buf_free(&metadata);
	buf_free(&text);
	buf_free(&signed_text);
	buf_free(&attested_text);
	buf_free(&out);
	return 0;
}
