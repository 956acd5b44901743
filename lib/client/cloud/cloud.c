#include <sys/random.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include "client/cloud/cloud.h"
#include "core/hex.h"
#include "core/private.h"

#define TOKEN_MAX	8192

static int
copy(char **dst, const char *s, struct fail *f)
{
	if ((*dst = strdup(s)) == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	return 0;
}

static int
token_file(struct cloud *c, const struct settings *s, struct fail *f)
{
	const char *path = settings_get(s, SETTING_TOKEN_FILE, NULL);
	struct buf b = BUF_INIT(TOKEN_MAX);
	const char *p;
	int r = -1;

	if (private_load(&b, path, f) == -1) {
		settings_blame(s, SETTING_TOKEN_FILE, f);
		f->status = EX_CONFIG;
	} else {
		while (b.len > 0 && strchr(" \t\r\n", b.data[b.len - 1]))
			b.data[--b.len] = '\0';
		for (p = b.data; b.len > 0 && *p > ' ' && *p <= '~'; p++)
			;
		if (b.len == 0 || *p != '\0') {
			fail_set(f, EX_CONFIG, "%.300s: %s", path, b.len == 0 ?
			    "empty" : "holds a blank, control or non-ASCII "
			    "byte");
			settings_blame(s, SETTING_TOKEN_FILE, f);
		} else
			r = copy(&c->token, b.data, f);
	}
	buf_free(&b);
	return r;
}

/*
 * What one place says is not sent where another says: whoever sets the address
 * in one of them, be it a CI job's variable or a file that found its way into
 * HOME, would be handed the key that is kept in the other.  What is on the
 * command line was meant for it.
 */
static int
together(const struct settings *s, enum setting what,
    enum settings_place whose, struct fail *f)
{
	enum settings_place place;
	const char *api = settings_get(s, SETTING_API_URL, &place);
	const char *own;

	if (place == SETTINGS_NOWHERE || place == SETTINGS_OPTION ||
	    whose == SETTINGS_OPTION || whose == place)
		return 0;
	own = settings_in(s, SETTING_API_URL, whose);
	if (strcmp(api, own != NULL ? own :
	    settings_without(SETTING_API_URL)) == 0)
		return 0;
	fail_set(f, EX_CONFIG, whose == SETTINGS_FILE ?
	    "not sent to an address out of the environment; set api_url beside "
	    "it, or give --api-url" :
	    "not sent to an address out of the user's file; set "
	    "TENSORLAKE_API_URL beside it, or give --api-url");
	return settings_blame(s, what, f);
}

enum setting
cloud_credential(const struct settings *s, enum settings_place *place)
{
	static const enum setting kinds[] = {
		SETTING_API_KEY, SETTING_PAT, SETTING_TOKEN_FILE
	};
	unsigned p, i;

	/* Of one place the key comes first, but the place comes before that. */
	for (p = SETTINGS_OPTION; p != SETTINGS_NOWHERE; p--)
		for (i = 0; i < 3; i++)
			if (settings_in(s, kinds[i], p) != NULL) {
				*place = p;
				return kinds[i];
			}
	*place = SETTINGS_NOWHERE;
	return SETTINGS;
}

static int
credentials(struct cloud *c, const struct settings *s, struct fail *f)
{
	const char *org = settings_get(s, SETTING_ORGANIZATION_ID, NULL);
	const char *project = settings_get(s, SETTING_PROJECT_ID, NULL);
	enum settings_place place;
	enum setting what = cloud_credential(s, &place);

	if (what == SETTINGS)
		return fail_set(f, EX_CONFIG, "no credential: set "
		    "TENSORLAKE_API_KEY, TENSORLAKE_PAT or TL_TOKEN_FILE, or "
		    "see tl-config(5)");
	c->own_file = place == SETTINGS_FILE;
	/* A file holds either; ids beside it say that it is a PAT. */
	c->pat = what == SETTING_PAT || (what == SETTING_TOKEN_FILE &&
	    org != NULL && project != NULL);
	if (together(s, what, place, f) == -1 ||
	    (what == SETTING_TOKEN_FILE ? token_file(c, s, f) :
	    copy(&c->token, settings_in(s, what, place), f)) == -1)
		return -1;
	if (!c->pat && (org == NULL || project == NULL))
		return 0;
	if (org == NULL || project == NULL)
		return fail_set(f, EX_CONFIG, "a personal access token needs "
		    "TENSORLAKE_ORGANIZATION_ID and TENSORLAKE_PROJECT_ID");
	if (copy(&c->org, org, f) == -1 || copy(&c->project, project, f) == -1)
		return -1;
	return 0;
}

/*
 * B out of A: tl-wire(7), "Base addresses", but never a host that the user did
 * not name.
 */
static int
lifecycle(struct cloud *c, const struct settings *s, struct fail *f)
{
	const char *host = strstr(c->api, "://");
	char shown[200];
	size_t n;
	int local;

	/* Wherever it is: before it a password may stand, which is not shown. */
	if (strchr(c->api, '@') != NULL) {
		fail_set(f, EX_CONFIG, "holds a user name or an '@'; use a "
		    "token");
		return settings_blame(s, SETTING_API_URL, f);
	}
	fail_show(shown, sizeof(shown), c->api, sizeof(shown) - 1);
	if (host == NULL || (strncasecmp(c->api, "http://", 7) != 0 &&
	    strncasecmp(c->api, "https://", 8) != 0)) {
		fail_set(f, EX_CONFIG, "%s: not an http(s) address", shown);
		return settings_blame(s, SETTING_API_URL, f);
	}
	host += 3;
	if ((local = http_is_loopback(c->api, f)) == -1)
		return -1;
	if (local) {
		c->lifecycle_ns = true;
		return copy(&c->lifecycle, c->api, f);
	}
	if (strncasecmp(host, "api.", 4) != 0) {
		fail_set(f, EX_CONFIG, "%s: must be a loopback address or "
		    "api.*; for others the sandbox host is unknown", shown);
		return settings_blame(s, SETTING_API_URL, f);
	}
	n = strcspn(host, "/?#:");
	if (asprintf(&c->lifecycle, "%.*ssandbox.%.*s", (int)(host - c->api),
	    c->api, (int)(n - 4), host + 4) == -1) {
		c->lifecycle = NULL;
		return fail_set(f, EX_OSERR, "out of memory");
	}
	return 0;
}

static int
places(struct cloud *c, const struct settings *s, struct fail *f)
{
	const char *api = settings_get(s, SETTING_API_URL, NULL);
	const char *ns = settings_get(s, SETTING_NAMESPACE, NULL);

	if (copy(&c->api, api != NULL ? api :
	    settings_without(SETTING_API_URL), f) == -1 ||
	    copy(&c->ns, ns != NULL ? ns :
	    settings_without(SETTING_NAMESPACE), f) == -1 ||
	    lifecycle(c, s, f) == -1) {
		cloud_free(c);
		return -1;
	}
	return 0;
}

int
cloud_places(struct cloud *c, const struct settings *s, struct fail *f)
{
	const char *org = settings_get(s, SETTING_ORGANIZATION_ID, NULL);
	const char *project = settings_get(s, SETTING_PROJECT_ID, NULL);

	if (places(c, s, f) == -1)
		return -1;
	if (org != NULL && project != NULL &&
	    (copy(&c->org, org, f) == -1 || copy(&c->project, project,
	    f) == -1)) {
		cloud_free(c);
		return -1;
	}
	return 0;
}

int
cloud_load(struct cloud *c, const struct settings *s, struct fail *f)
{
	if (places(c, s, f) == -1)
		return -1;
	if (credentials(c, s, f) == -1) {
		cloud_free(c);
		return -1;
	}
	return 0;
}

void
cloud_free(struct cloud *c)
{
	if (c->token != NULL)
		explicit_bzero(c->token, strlen(c->token));
	free(c->api);
	free(c->lifecycle);
	free(c->ns);
	free(c->token);
	free(c->org);
	free(c->project);
	*c = (struct cloud)CLOUD_INIT;
}

struct http *
cloud_http(struct cloud *c, const struct settings *s, bool verbose,
    struct fail *f)
{
	struct http *http;

	if (cloud_load(c, s, f) == -1)
		return NULL;
	if ((http = settings_http(s, verbose, f)) == NULL)
		cloud_free(c);
	return http;
}

int
cloud_platform_url(const struct cloud *c, struct buf *b, const char *rest,
    struct fail *f)
{
	if (buf_addf(b, f, "%s/platform/v1/", c->api) == -1)
		return -1;
	/* With a key too: servers before the short prefix know no other. */
	if (c->org != NULL && buf_addf(b, f, "organizations/%s/projects/%s/", c->org,
	    c->project) == -1)
		return -1;
	return buf_adds(b, rest, f);
}

/* What B's paths begin with. */
static int
lifecycle_base(const struct cloud *c, struct buf *b, struct fail *f)
{
	size_t n = strlen(c->lifecycle);

	while (n > 0 && c->lifecycle[n - 1] == '/')
		n--;
	if (buf_add(b, c->lifecycle, n, f) == -1)
		return -1;
	if (c->lifecycle_ns && (buf_adds(b, "/v1/namespaces/", f) == -1 ||
	    hex_escape(b, c->ns, strlen(c->ns), "", f) == -1))
		return -1;
	return 0;
}

int
cloud_lifecycle_url(const struct cloud *c, struct buf *b, const char *rest,
    struct fail *f)
{
	if (lifecycle_base(c, b, f) == -1)
		return -1;
	return buf_addf(b, f, "/sandboxes%s", rest);
}

int
cloud_snapshot_url(const struct cloud *c, struct buf *b, const char *id,
    struct fail *f)
{
	if (lifecycle_base(c, b, f) == -1 ||
	    buf_adds(b, "/snapshots", f) == -1)
		return -1;
	if (id == NULL)
		return 0;
	return buf_adds(b, "/", f) == -1 ||
	    hex_escape(b, id, strlen(id), "", f) == -1 ? -1 : 0;
}

int
cloud_headers(const struct cloud *c, struct cloud_headers *h,
    const char *const *extra, struct fail *f)
{
	unsigned char id[24];
	size_t i, n = 0;
	char *p = h->trace;

	h->org = h->project = NULL;
	if (getrandom(id, sizeof(id), 0) != sizeof(id))
		return fail_sys(f, EX_OSERR, "getrandom");
	p += sprintf(p, "traceparent: 00-");
	for (i = 0; i < 24; i++)
		p += sprintf(p, "%s%02x", i == 16 ? "-" : "", id[i]);
	sprintf(p, "-01");
	h->list[n++] = "User-Agent: tl/" TL_VERSION;
	h->list[n++] = h->trace;
	if (c->pat) {
		if (asprintf(&h->org, "X-Forwarded-Organization-Id: %s",
		    c->org) == -1) {
			h->org = NULL;
			return fail_set(f, EX_OSERR, "out of memory");
		}
		if (asprintf(&h->project, "X-Forwarded-Project-Id: %s",
		    c->project) == -1) {
			h->project = NULL;
			cloud_headers_free(h);
			return fail_set(f, EX_OSERR, "out of memory");
		}
		h->list[n++] = h->org;
		h->list[n++] = h->project;
	}
	for (i = 0; extra != NULL && extra[i] != NULL; i++) {
		if (n == CLOUD_HEADERS) {
			cloud_headers_free(h);
			return fail_set(f, EX_SOFTWARE, "too many headers");
		}
		h->list[n++] = extra[i];
	}
	h->list[n] = NULL;
	return 0;
}

void
cloud_headers_free(struct cloud_headers *h)
{
	free(h->org);
	free(h->project);
	h->org = h->project = NULL;
}
