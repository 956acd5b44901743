/* tl-reap: what dead builds have left, found and undone. */

#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "client/cloud/begin.h"
#include "client/ledger/reap.h"
#include "core/mask.h"
#include "core/opt.h"

static const char usage[] =
    "usage: tl-reap [-anv] [--folders] [--older-than DURATION] [LEDGER...]\n"
    "Undo what killed builds have left: uploads and sandboxes.\n"
    "  -a, --all                   also kept ones, and another key's\n"
    "      --folders               also remove the folders of failed builds\n"
    "  -n, --dry-run               only print what is open\n"
    "      --older-than DURATION   builds that ended this long ago: 90,\n"
    "                              90s, 15m, 2h, 1d\n"
    "  -t, --timeout SECONDS       for each build (60)\n"
    "      --api-url URL, --token-file FILE, --insecure-http\n"
    "                              server and credential: tl-config(5)\n"
    "  -h, --help  -V, --version  -v, --verbose\n";

enum { OLDER = 256, FOLDERS };

static const struct option options[] = {
	{ "all", no_argument, NULL, 'a' },
	{ "dry-run", no_argument, NULL, 'n' },
	{ "older-than", required_argument, NULL, OLDER },
	{ "folders", no_argument, NULL, FOLDERS },
	{ "timeout", required_argument, NULL, 't' },
	SETTINGS_WHERE,
	OPT_COMMON,
	{ NULL, 0, NULL, 0 }
};

static unsigned failures;

/* What happened to it: a line on stdout, and why on stderr. */
static void
tell(void *arg, const char *ledger, const struct ledger_entry *e,
    enum reap_result how, const char *note)
{
	const char *name = strrchr(ledger, '/');
	struct buf *out = arg;
	char id[300], file[NAME_MAX + 1];
	struct fail f;

	failures += how == REAP_FAILED;
	name = name != NULL ? name + 1 : ledger;
	snprintf(file, sizeof(file), "%s", name);
	fail_show(id, sizeof(id), e->id != NULL ? e->id : e->key, 250);
	if (buf_addf(out, &f, "%s\t%s\t%s\t%s\n", reap_word(how),
	    ledger_word(e->kind), id, mask_text(file)) == -1)
		opt_fail(&f);
	if (*note != '\0')
		warnx("%s %s: %s", ledger_word(e->kind), id, note);
}

static void
tell_folder(void *arg, const char *name, enum reap_result how,
    const char *note)
{
	struct buf *out = arg;
	char shown[NAME_MAX + 1];
	struct fail f;

	failures += how == REAP_FAILED;
	snprintf(shown, sizeof(shown), "%s", name);
	if (*note != '\0')
		warnx("folder %s", note);
	if (buf_addf(out, &f, "%s\tfolder\t%s\t-\n", reap_word(how),
	    mask_text(shown)) == -1)
		opt_fail(&f);
}

static int64_t
duration(const char *arg)
{
	static const struct { char unit; int64_t s; } units[] = {
		{ 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }
	};
	char digits[16];
	size_t i, n = strspn(arg, "0123456789");
	int64_t unit = 0;

	if (arg[n] == '\0')
		unit = 1;
	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (arg[n] == units[i].unit && arg[n + 1] == '\0')
			unit = units[i].s;
	if (n == 0 || n >= sizeof(digits) || unit == 0)
		errx(EX_USAGE, "--older-than %.40s: not a duration such as "
		    "90s, 15m, 2h or 1d", arg);
	memcpy(digits, arg, n);
	digits[n] = '\0';
	return (int64_t)opt_number("--older-than", digits, 0, 1000000000) *
	    unit;
}

int
main(int argc, char *argv[])
{
	struct buf out = BUF_INIT(BUF_SMALL_MAX);
	struct reap reap = { .seconds = 60, .tell = tell, .arg = &out };
	struct settings settings = SETTINGS_INIT;
	struct cloud cloud = CLOUD_INIT;
	bool folders = false, verbose = false;
	unsigned busy = 0;
	char *state = NULL;
	struct fail f, why, worst = { .status = 0 };
	int ch, r = 0;

	while ((ch = getopt_long(argc, argv, "ahnt:Vv", options, NULL)) != -1)
		switch (ch) {
		case 'h':
			opt_help(usage);
		case 'V':
			opt_version("tl-reap");
		case 'v':
			verbose = true;
			break;
		case 'a':
			reap.all = true;
			break;
		case 'n':
			reap.dry = true;
			break;
		case OLDER:
			reap.min_age_s = duration(optarg);
			break;
		case FOLDERS:
			folders = true;
			break;
		case 't':
			reap.seconds = (unsigned)opt_number("--timeout",
			    optarg, 1, 3600);
			break;
		default:
			if (!begin_option(&settings, ch, optarg))
				opt_usage(usage);
		}

	if (folders && optind != argc)
		opt_usage(usage);
	/* --timeout is its deadline: what it undoes is not to be cut short. */
	if (settings_load(&settings, &f) == -1)
		opt_fail(&f);
	/* An upload can be aborted without a credential. */
	if (cloud_load(&cloud, &settings, &why) == 0)
		reap.cloud = &cloud;
	reap.why = &why;
	if ((reap.http = settings_http(&settings, verbose, &f)) == NULL)
		opt_fail(&f);

	if (optind == argc) {
		if ((state = reap_state(&f)) == NULL)
			opt_fail(&f);
		if (reap_folder(&reap, state, &busy, &f) == -1)
			worst = f;
		if (folders && reap_folders(&reap, state, tell_folder, &out,
		    &f) == -1 && worst.status == 0)
			worst = f;
		if (verbose)
			warnx("%s: %u not touched: at work, or too young",
			    state, busy);
	}
	for (; optind < argc; optind++)
		if (access(argv[optind], F_OK) == -1 && errno == ENOENT) {
			warn("%s", argv[optind]);
			if (worst.status == 0)
				fail_set(&worst, EX_NOINPUT, "a ledger is "
				    "not there");
		} else if ((r = reap_ledger(&reap, argv[optind], &f)) == -1 &&
		    worst.status == 0)
			worst = f;
		else if (r == 1)
			warnx("%s: its build is at work, or too young; not "
			    "touched", argv[optind]);

	opt_output(&out);
	http_free(reap.http);
	cloud_free(&cloud);
	settings_free(&settings);
	buf_free(&out);
	free(state);
	/* Each of them has had its line. */
	if (failures != 0)
		errx(worst.status, "not all could be undone; what is left "
		    "stays for the next time");
	if (worst.status != 0)
		opt_fail(&worst);
	return 0;
}
