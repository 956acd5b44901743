/* tl-config: the settings that are in force, and where each is from. */

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "client/cloud/begin.h"
#include "client/cloud/cloud.h"
#include "core/opt.h"
#include "core/quote.h"

static const char usage[] =
    "usage: tl-config --show [-v] [SETTINGS]\n"
    "Print the settings, and where each comes from.\n"
    "      --show              a line for each: origin, tab, name = value\n"
    "  -h, --help  -V, --version  -v, --verbose\n"
    SETTINGS_USAGE;

enum { SHOW = 256 };

static const struct option options[] = {
	OPT_COMMON,
	{ "show", no_argument, NULL, SHOW },
	SETTINGS_OPTIONS,
	{ NULL, 0, NULL, 0 }
};

static struct settings settings = SETTINGS_INIT;
static struct buf out = BUF_INIT(BUF_SMALL_MAX);

/* The rest of a line. */
static void
value(const char *name, const char *text)
{
	struct fail f;

	if (buf_addf(&out, &f, "\t%s = ", name) == -1 ||
	    quote_add(&out, text, strlen(text), &f) == -1 ||
	    buf_adds(&out, "\n", &f) == -1)
		opt_fail(&f);
}

static void
origin(enum setting what, enum settings_place place)
{
	struct fail f;

	if (settings_origin(&settings, what, place, &out, &f) == -1)
		opt_fail(&f);
}

static void
show(enum setting what)
{
	enum settings_place place;
	const char *text = settings_get(&settings, what, &place);
	char shown[1024];

	if (text == NULL)
		text = settings_without(what);
	if (text == NULL)
		return;
	origin(what, place);
	/* A user name in an address, or its query, may be a secret. */
	if (what == SETTING_API_URL)
		text = fail_show(shown, sizeof(shown), text,
		    sizeof(shown) - 1);
	value(settings_name(what), text);
}

/* Of several only one counts. */
static void
credential(void)
{
	enum settings_place place;
	enum setting what = cloud_credential(&settings, &place);

	if (what == SETTINGS)
		return;
	origin(what, place);
	value(settings_name(what), what == SETTING_TOKEN_FILE ?
	    settings_in(&settings, what, place) : "set");
}

/* What counts only where the bundle is not set. */
static void
certificates(void)
{
	static const char *const names[] = { "SSL_CERT_FILE", "SSL_CERT_DIR" };
	const char *text;
	struct fail f;
	size_t i;

	show(SETTING_CA_BUNDLE);
	if (settings_get(&settings, SETTING_CA_BUNDLE, NULL) != NULL)
		return;
	for (i = 0; i < 2; i++) {
		if ((text = getenv(names[i])) == NULL || *text == '\0')
			continue;
		if (buf_addf(&out, &f, "variable %s", names[i]) == -1)
			opt_fail(&f);
		value("ca_bundle", text);
	}
}

int
main(int argc, char *argv[])
{
	bool wanted = false;
	struct fail f;
	int ch;

	while ((ch = getopt_long(argc, argv, "hVv", options, NULL)) != -1)
		switch (ch) {
		case 'h':
			opt_help(usage);
		case 'V':
			opt_version("tl-config");
		case 'v':
			break;
		case SHOW:
			wanted = true;
			break;
		default:
			if (!begin_option(&settings, ch, optarg))
				opt_usage(usage);
		}
	if (optind != argc || !wanted)
		opt_usage(usage);
	begin_settings(&settings, "tl-config");

	show(SETTING_API_URL);
	credential();
	show(SETTING_ORGANIZATION_ID);
	show(SETTING_PROJECT_ID);
	show(SETTING_NAMESPACE);
	show(SETTING_DIALECT);
	show(SETTING_DEADLINE);
	show(SETTING_STALL);
	certificates();
	if (settings.plain && buf_adds(&out, "option --insecure-http\t"
	    "insecure_http = yes\n", &f) == -1)
		opt_fail(&f);
	opt_output(&out);
	buf_free(&out);
	settings_free(&settings);
	return 0;
}
