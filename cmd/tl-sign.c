/* tl-sign: signed URLs for what a prepared build reads and writes. */

#include <err.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "client/cloud/begin.h"
#include "client/ledger/ledger.h"
#include "client/stages/disk.h"
#include "client/stages/sign.h"
#include "core/opt.h"
#include "core/stop.h"

static const char usage[] =
    "usage: tl-sign [-v] [-s FILE] [-d DIALECT] [--disk-mb SIZE] "
    "[SETTINGS] <PREPARED >SIGNED\n"
    "  -d, --dialect DIALECT  auto, seed or merged (TL_SIGN_DIALECT; auto)\n"
    "      --disk-mb SIZE     the size of the image's root file system\n"
    "  -s, --sandbox FILE     the sandbox document (TL_SANDBOX)\n"
    "  -h, --help  -V, --version  -v, --verbose\n"
    SETTINGS_USAGE;

enum { DISK_MB = 256 };

static struct settings settings = SETTINGS_INIT;

static const struct option options[] = {
	{ "dialect", required_argument, NULL, 'd' },
	{ "disk-mb", required_argument, NULL, DISK_MB },
	SETTINGS_OPTIONS,
	{ "sandbox", required_argument, NULL, 's' },
	OPT_COMMON,
	{ NULL, 0, NULL, 0 }
};

/* What a signal ended has the status that says so to a shell. */
static _Noreturn void
end(struct fail *f)
{
	if (stop_signal != 0)
		fail_set(f, stop_status(), "%s", stop_reason());
	opt_fail(f);
}

static enum sign_dialect
dialect(const char *option)
{
	const char *word = option != NULL ? option :
	    settings_get(&settings, SETTING_DIALECT, NULL);
	enum sign_dialect d = SIGN_AUTO;

	if (word != NULL && sign_dialect(word, &d) == -1)
		errx(EX_USAGE, "--dialect: must be auto, seed or merged");
	return d;
}

int
main(int argc, char *argv[])
{
	struct buf text = BUF_INIT(BUF_DOC_MAX), out = BUF_INIT(BUF_DOC_MAX);
	struct prepared prepared = PREPARED_INIT;
	struct sandbox sandbox = SANDBOX_INIT;
	struct cloud cloud = CLOUD_INIT;
	struct ledger ledger = LEDGER_INIT;
	struct patience patience;
	struct sign sign = { .cloud = &cloud, .sandbox = &sandbox,
	    .ledger = &ledger, .patience = &patience, .doubt = opt_warn };
	const char *sandbox_path = NULL, *word = NULL;
	char doubt[DISK_DOUBT];
	bool has_mb = false;
	uint64_t mb = 0, bytes = 0;
	unsigned parts = 0;
	struct fail f;
	int ch;

	while ((ch = getopt_long(argc, argv, "hVvd:s:", options, NULL)) != -1)
		switch (ch) {
		case 'h':
			opt_help(usage);
		case 'V':
			opt_version("tl-sign");
		case 'v':
			sign.note = opt_note;
			break;
		case 'd':
			word = optarg;
			break;
		case 's':
			sandbox_path = optarg;
			break;
		case DISK_MB:
			mb = opt_mib("--disk-mb", optarg, 0, DISK_MB_MAX);
			has_mb = true;
			break;
		default:
			if (!begin_option(&settings, ch, optarg))
				opt_usage(usage);
		}
	if (optind != argc)
		opt_usage(usage);
	begin_settings(&settings, "tl-sign");
	patience_init(&patience, opt_note);
	sign.dialect = dialect(word);

	if (prepared_load(&prepared, &text, "-", &f) == -1)
		opt_fail(&f);
	/* The legacy path signs nothing, and so needs nobody to ask. */
	if (prepared.rel_path != NULL) {
		if (disk_bytes(&prepared.doc, has_mb ? &mb : NULL, &bytes, &f)
		    == -1 ||
		    sandbox_load(&sandbox, sandbox_path, &f) == -1 ||
		    (sign.http = cloud_http(&cloud, &settings,
		    sign.note != NULL, &f)) == NULL ||
		    ledger_open(&ledger, &f) == -1)
			opt_fail(&f);
		parts = disk_parts(bytes, NULL);
		if (disk_doubt(bytes, doubt) != NULL)
			opt_warn(doubt);
		stop_catch();
		/* A reader that is gone is a write that fails, not our end. */
		signal(SIGPIPE, SIG_IGN);
	}

	if (sign_prepared(&sign, &prepared, parts, DISK_PART_BYTES, &out, &f)
	    == -1)
		end(&f);
	/* From here on there is an upload, and no one else knows of it. */
	if (stop_signal != 0 || opt_write(&out, &f) == -1) {
		sign_undo(&sign, &out);
		end(&f);
	}

	ledger_close(&ledger);
	http_free(sign.http);
	cloud_free(&cloud);
	settings_free(&settings);
	sandbox_free(&sandbox);
	prepared_free(&prepared);
	buf_free(&text);
	buf_free(&out);
	return 0;
}
