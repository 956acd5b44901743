/*
 * The user's configuration file and, behind a line "--", variables of the
 * environment, NAME=VALUE a line: refused with a place and no secret, or such
 * that a request can be made of them.
 */
#include "fuzz.h"

#include <sys/stat.h>

#include <fcntl.h>
#include <stdbool.h>
#include <sysexits.h>
#include <unistd.h>

#include "client/cloud/cloud.h"

#define SECRET	"hush-hush"

static struct fail f;
static char folder[] = "/tmp/tl-fuzz-settings.XXXXXX";
static char tl[64], config[96], token[64];

static void
clean(void)
{
	unlink(config);
	unlink(token);
	rmdir(tl);
	rmdir(folder);
}

static void
save(const char *path, const char *p, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	MUST(fd != -1 && write(fd, p, n) == (ssize_t)n && close(fd) == 0);
}

static void
begin(void)
{
	MUST(mkdtemp(folder) != NULL);
	snprintf(tl, sizeof(tl), "%s/tl", folder);
	snprintf(config, sizeof(config), "%s/config", tl);
	snprintf(token, sizeof(token), "%s/token", folder);
	MUST(mkdir(tl, 0700) == 0);
	atexit(clean);
	save(token, SECRET "\n", sizeof(SECRET));
	setenv("HOME", folder, 1);
	setenv("XDG_CONFIG_HOME", folder, 1);
}

static const char *const names[] = { "TENSORLAKE_API_URL",
    "TENSORLAKE_API_KEY", "TENSORLAKE_PAT", "TL_TOKEN_FILE",
    "TENSORLAKE_ORGANIZATION_ID", "TENSORLAKE_PROJECT_ID",
    "INDEXIFY_NAMESPACE", "TL_SIGN_DIALECT", "TL_DEADLINE", "TL_STALL_S",
    "TL_CA_BUNDLE" };

static void
environment(char *text)
{
	char *line, *eq;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unsetenv(names[i]);
	while ((line = strsep(&text, "\n")) != NULL) {
		if ((eq = strchr(line, '=')) == NULL)
			continue;
		*eq = '\0';
		for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (strcmp(line, names[i]) == 0)
				setenv(line, eq + 1, 1);
	}
}

static void
is_plain(const char *p)
{
	for (; *p != '\0'; p++)
		MUST((unsigned char)*p >= 0x20 && *p != 0x7f);
}

/* Whether a message may well show it: an address, or a file's name. */
static bool
is_shown(const struct settings *s)
{
	static const enum setting what[] = { SETTING_API_URL,
	    SETTING_TOKEN_FILE };
	const char *value;
	size_t i;

	for (i = 0; i < 2; i++) {
		value = settings_get(s, what[i], NULL);
		if (value != NULL && strstr(value, SECRET) != NULL &&
		    (i != 0 || strchr(value, '@') == NULL))
			return true;
	}
	return false;
}

static void
refused(const struct settings *s)
{
	MUST(f.status == EX_CONFIG && f.msg[0] != '\0');
	is_plain(f.msg);
	MUST(strstr(f.msg, SECRET) == NULL || (s != NULL && is_shown(s)));
}

/* A credential goes to the address that stands beside it. */
static void
together(const struct settings *s)
{
	enum settings_place place, whose;
	const char *api = settings_get(s, SETTING_API_URL, &place), *own;

	MUST(cloud_credential(s, &whose) != SETTINGS);
	if (place == SETTINGS_NOWHERE || whose == place)
		return;
	own = settings_in(s, SETTING_API_URL, whose);
	MUST(strcmp(api, own != NULL ? own :
	    settings_without(SETTING_API_URL)) == 0);
}

static void
requests(const struct cloud *c)
{
	struct cloud_headers h;
	struct buf b = BUF_INIT(BUF_SMALL_MAX);
	const char *p;
	size_t i;

	MUST(c->token[0] != '\0');
	for (p = c->token; *p != '\0'; p++)
		MUST(*p > ' ' && *p <= '~');
	MUST(cloud_platform_url(c, &b, "templates", &f) == 0 &&
	    buf_add(&b, " ", 1, &f) == 0 &&
	    cloud_lifecycle_url(c, &b, "/sbx", &f) == 0 &&
	    buf_add(&b, " ", 1, &f) == 0 &&
	    cloud_snapshot_url(c, &b, "a/b", &f) == 0);
	is_plain(b.data);
	for (p = b.data; p != NULL; p = *p == ' ' ? p + 1 : NULL) {
		MUST(strncasecmp(p, "http://", 7) == 0 ||
		    strncasecmp(p, "https://", 8) == 0);
		MUST(memchr(p, '@', strcspn(p, "?# ")) == NULL);
		p += strcspn(p, " ");
	}
	MUST(cloud_headers(c, &h, NULL, &f) == 0);
	for (i = 0; h.list[i] != NULL; i++)
		is_plain(h.list[i]);
	cloud_headers_free(&h);
	buf_free(&b);
}

static void
all(const struct settings *s)
{
	struct buf origin = BUF_INIT(BUF_SMALL_MAX);
	enum settings_place place;
	struct cloud c = CLOUD_INIT;
	unsigned what;

	for (what = 0; what < SETTINGS; what++) {
		settings_get(s, what, &place);
		MUST(settings_origin(s, what, place, &origin, &f) == 0);
		is_plain(origin.data);
		buf_clear(&origin);
	}
	buf_free(&origin);
	MUST(settings_deadline(s) <= 31536000);
	if (cloud_load(&c, s, &f) == -1) {
		refused(s);
		return;
	}
	together(s);
	requests(&c);
	cloud_free(&c);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct settings s = SETTINGS_INIT;
	const char *text = (const char *)p, *end;
	char *variables;

	if (tl[0] == '\0')
		begin();
	end = memmem(text, n, "\n--\n", 4);
	save(config, text, end == NULL ? n : (size_t)(end - text));
	variables = end == NULL ? strdup("") : strndup(end + 4,
	    n - (size_t)(end + 4 - text));
	MUST(variables != NULL);
	environment(variables);
	if (settings_load(&s, &f) == -1)
		refused(NULL);
	else
		all(&s);
	settings_free(&s);
	free(variables);
	return 0;
}

FUZZ_MAIN(((const char *const []){
	"# mine\napi_url = https://api.h.example\napi_key = " SECRET "\n"
	"deadline = 600\nstall=5\ndialect = seed\nnamespace = n\n"
	"ca_bundle = ~/ca.pem\n",
	"\xef\xbb\xbfpat = " SECRET "\r\norganization_id = o\nproject_id = p\n"
	"api_url=http://127.0.0.1:9/x\n",
	"token_file = ~/token\n--\nTL_DEADLINE=7\nTENSORLAKE_API_URL="
	"https://api.tensorlake.ai\nTL_SIGN_DIALECT=merged\n",
	"api_key = " SECRET "\n--\nTENSORLAKE_API_URL=https://api.evil.example",
	"api_url = https://u:" SECRET "@api.h.example\napi_key = k\n",
	"api_url = https://u:1/" SECRET "@api.h.example\napi_key = k\n",
	"api_url = u:" SECRET "@api.h.example\napi_key = k\n",
	"\n--\nTENSORLAKE_PAT=" SECRET "\nTENSORLAKE_ORGANIZATION_ID=o\n"
	"TENSORLAKE_PROJECT_ID=p\nTL_STALL_S=1\nTENSORLAKE_API_URL="
	"https://API.h.example:8443/base",
	SECRET "\n",
}));
