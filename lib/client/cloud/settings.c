#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "client/cloud/settings.h"
#include "client/cloud/dialect.h"
#include "core/conf.h"
#include "core/private.h"
#include "core/quote.h"

#define DEADLINE_MAX	31536000UL	/* a year; setitimer(2) takes it */
#define STALL_MAX	86400UL

static const struct {
	const char	*file, *env, *option, *without;
} names[SETTINGS] = {
	[SETTING_API_URL] = { "api_url", "TENSORLAKE_API_URL", "--api-url",
	    "https://api.tensorlake.ai" },
	[SETTING_API_KEY] = { "api_key", "TENSORLAKE_API_KEY", NULL, NULL },
	[SETTING_PAT] = { "pat", "TENSORLAKE_PAT", NULL, NULL },
	[SETTING_TOKEN_FILE] = { "token_file", "TL_TOKEN_FILE",
	    "--token-file", NULL },
	[SETTING_ORGANIZATION_ID] = { "organization_id",
	    "TENSORLAKE_ORGANIZATION_ID", NULL, NULL },
	[SETTING_PROJECT_ID] = { "project_id", "TENSORLAKE_PROJECT_ID", NULL,
	    NULL },
	[SETTING_NAMESPACE] = { "namespace", "INDEXIFY_NAMESPACE", NULL,
	    "default" },
	[SETTING_DIALECT] = { "dialect", "TL_SIGN_DIALECT", NULL, "auto" },
	[SETTING_DEADLINE] = { "deadline", "TL_DEADLINE", "--deadline", "0" },
	[SETTING_STALL] = { "stall", "TL_STALL_S", NULL, "60" },
	[SETTING_CA_BUNDLE] = { "ca_bundle", "TL_CA_BUNDLE", NULL, NULL },
};

/* What a header line or a path may hold: no blank, no control byte. */
static int
word(const char *s, struct fail *f)
{
	for (; *s != '\0'; s++)
		if (*s <= ' ' || *s > '~')
			return fail_set(f, EX_CONFIG,
			    "holds a blank, control or non-ASCII byte");
	return 0;
}

static int
number(const char *s, unsigned long min, unsigned long max, unsigned long *n,
    struct fail *f)
{
	char *end;

	errno = 0;
	*n = strtoul(s, &end, 10);
	/* strtoul() takes blanks and signs. */
	if (*s < '0' || *s > '9' || *end != '\0' || errno != 0 || *n < min ||
	    *n > max)
		return fail_set(f, EX_CONFIG, "not a number from %lu to %lu",
		    min, max);
	return 0;
}

static int
check(enum setting what, const char *s, struct fail *f)
{
	enum sign_dialect dialect;
	unsigned long n;

	switch (what) {
	case SETTING_TOKEN_FILE:
	case SETTING_CA_BUNDLE:
		return 0;
	case SETTING_DIALECT:
		return sign_dialect(s, &dialect) == 0 ? 0 : fail_set(f,
		    EX_CONFIG, "must be auto, seed or merged");
	case SETTING_DEADLINE:
		return number(s, 0, DEADLINE_MAX, &n, f);
	case SETTING_STALL:
		return number(s, 1, STALL_MAX, &n, f);
	default:
		return word(s, f);
	}
}

/*
 * The file.
 */

/* Relative to where?  To the working directory it shall not be. */
static int
from_home(struct settings *s, enum setting what, const char *value,
    struct fail *f)
{
	const char *home = getenv("HOME");

	if (*value == '/')
		return 0;
	if (strncmp(value, "~/", 2) != 0 || home == NULL || *home != '/')
		return fail_set(f, EX_CONFIG, "not a path from / or ~/");
	if (asprintf(&s->home[what], "%s%s", home, value + 1) == -1) {
		s->home[what] = NULL;
		return fail_set(f, EX_OSERR, "out of memory");
	}
	s->value[SETTINGS_FILE][what] = s->home[what];
	return 0;
}

static bool
credential(enum setting what)
{
	return what == SETTING_API_KEY || what == SETTING_PAT ||
	    what == SETTING_TOKEN_FILE;
}

static int
set(void *arg, const char *name, const char *value, unsigned line,
    struct fail *f)
{
	struct settings *s = arg;
	const char **file = s->value[SETTINGS_FILE];
	unsigned i, what;

	for (what = 0; what < SETTINGS; what++)
		if (strcmp(names[what].file, name) == 0)
			break;
	if (what == SETTINGS)
		return CONF_UNKNOWN;
	for (i = 0; i < SETTINGS; i++)
		if (file[i] != NULL && (i == what || (credential(i) &&
		    credential(what))))
			return fail_set(f, EX_CONFIG, i == what ?
			    "given twice" : "a credential is there already, "
			    "in line %u", s->line[i]);
	if (check(what, value, f) == -1)
		return -1;
	file[what] = value;
	s->line[what] = line;
	if (what == SETTING_TOKEN_FILE || what == SETTING_CA_BUNDLE)
		return from_home(s, what, value, f);
	return 0;
}

/* Where it is, if anywhere. */
static int
find(struct settings *s, struct fail *f)
{
	const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	int n = 0;

	if (xdg != NULL && *xdg == '/')
		n = asprintf(&s->path, "%s/tl/config", xdg);
	else if (home != NULL && *home == '/')
		n = asprintf(&s->path, "%s/.config/tl/config", home);
	if (n != -1)
		return 0;
	s->path = NULL;
	return fail_set(f, EX_OSERR, "out of memory");
}

static int
load(struct settings *s, struct fail *f)
{
	bool open_to_others;

	if (find(s, f) == -1)
		return -1;
	if (s->path == NULL || (access(s->path, F_OK) == -1 &&
	    (errno == ENOENT || errno == ENOTDIR)))
		return 0;
	if (private_load_own(&s->text, s->path, &open_to_others, f) == -1) {
		if (f->status != EX_OSERR)
			f->status = EX_CONFIG;
		return -1;
	}
	if (conf_parse(&s->text, s->path, set, s, f) == -1)
		return -1;
	if (open_to_others && (s->value[SETTINGS_FILE][SETTING_API_KEY] !=
	    NULL || s->value[SETTINGS_FILE][SETTING_PAT] != NULL))
		return fail_set(f, EX_CONFIG, "%.300s: holds a secret and is "
		    "open to others; chmod 600 it", s->path);
	return 0;
}

/*
 * All of it.
 */

int
settings_option(struct settings *s, int ch, const char *arg, struct fail *f)
{
	enum setting what;

	switch (ch) {
	case SETTINGS_INSECURE:
		s->plain = true;
		return 1;
	case SETTINGS_API_URL:
		what = SETTING_API_URL;
		break;
	case SETTINGS_DEADLINE:
		what = SETTING_DEADLINE;
		break;
	case SETTINGS_TOKEN_FILE:
		what = SETTING_TOKEN_FILE;
		break;
	default:
		return 0;
	}
	s->value[SETTINGS_OPTION][what] = arg;
	if ((*arg == '\0' ? fail_set(f, EX_USAGE, "empty") :
	    check(what, arg, f)) == -1) {
		f->status = EX_USAGE;
		return fail_in(f, names[what].option);
	}
	return 1;
}

int
settings_load(struct settings *s, struct fail *f)
{
	unsigned what;

	private_hold();
	for (what = 0; what < SETTINGS; what++) {
		const char *value = getenv(names[what].env);

		/* An empty one is unset (tl-wire(7), "Configuration"). */
		if (value == NULL || *value == '\0')
			continue;
		s->value[SETTINGS_ENVIRONMENT][what] = value;
		if (check(what, value, f) == -1)
			return fail_in(f, names[what].env);
	}
	return load(s, f);
}

void
settings_free(struct settings *s)
{
	unsigned what;

	for (what = 0; what < SETTINGS; what++)
		free(s->home[what]);
	free(s->path);
	buf_free(&s->text);
	*s = (struct settings)SETTINGS_INIT;
}

const char *
settings_in(const struct settings *s, enum setting what,
    enum settings_place place)
{
	return s->value[place][what];
}

const char *
settings_get(const struct settings *s, enum setting what,
    enum settings_place *place)
{
	unsigned p = SETTINGS_OPTION;

	while (p != SETTINGS_NOWHERE && s->value[p][what] == NULL)
		p--;
	if (place != NULL)
		*place = p;
	return s->value[p][what];
}

const char *
settings_name(enum setting what)
{
	return names[what].file;
}

const char *
settings_without(enum setting what)
{
	return names[what].without;
}

int
settings_origin(const struct settings *s, enum setting what,
    enum settings_place place, struct buf *b, struct fail *f)
{
	switch (place) {
	case SETTINGS_OPTION:
		return buf_addf(b, f, "option %s", names[what].option);
	case SETTINGS_ENVIRONMENT:
		return buf_addf(b, f, "variable %s", names[what].env);
	case SETTINGS_FILE:
		return buf_adds(b, "file ", f) == -1 ||
		    quote_add(b, s->path, strlen(s->path), f) == -1 ||
		    buf_addf(b, f, ":%u", s->line[what]) == -1 ? -1 : 0;
	default:
		return buf_adds(b, "default", f);
	}
}

int
settings_blame(const struct settings *s, enum setting what, struct fail *f)
{
	enum settings_place place;
	char where[200];

	settings_get(s, what, &place);
	switch (place) {
	case SETTINGS_OPTION:
		return fail_in(f, names[what].option);
	case SETTINGS_FILE:
		snprintf(where, sizeof(where), "%.160s:%u: %s", s->path,
		    s->line[what], names[what].file);
		return fail_in(f, where);
	default:
		return fail_in(f, names[what].env);
	}
}

unsigned
settings_deadline(const struct settings *s)
{
	const char *value = settings_get(s, SETTING_DEADLINE, NULL);

	return value == NULL ? 0 : (unsigned)strtoul(value, NULL, 10);
}

struct http *
settings_http(const struct settings *s, bool verbose, struct fail *f)
{
	const char *stall = settings_get(s, SETTING_STALL, NULL);
	const char *ca = settings_get(s, SETTING_CA_BUNDLE, NULL);
	struct http *http;

	if ((http = http_new(f)) == NULL)
		return NULL;
	if (stall != NULL)
		http_stall(http, strtol(stall, NULL, 10));
	if (ca != NULL)
		http_ca_bundle(http, ca);
	if (s->plain)
		http_allow_plain(http);
	if (verbose)
		http_verbose(http);
	return http;
}
