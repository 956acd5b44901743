#include <sys/random.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include "build/cloud.h"
#include "core/hex.h"
#include "core/private.h"

#define API_DEFAULT	"https://api.tensorlake.ai"
#define TOKEN_MAX	8192

/* A variable's value; an empty one is unset (WIRE.md 1.2). */
static const char *
env(const char *name)
{
	const char *s = getenv(name);

	return s != NULL && *s != '\0' ? s : NULL;
}

static int
copy(char **dst, const char *s, struct fail *f)
{
	if ((*dst = strdup(s)) == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	return 0;
}

/* What a header line or a path may hold: no blank, no control byte. */
static int
plain(const char *name, const char *s, struct fail *f)
{
	for (; *s != '\0'; s++)
		if (*s <= ' ' || *s > '~')
			return fail_set(f, EX_CONFIG,
			    "%s: holds a blank, control or non-ASCII byte",
			    name);
	return 0;
}

static int
token_file(struct cloud *c, const char *path, struct fail *f)
{
	struct buf b = BUF_INIT(TOKEN_MAX);
	int r = -1;

	if (private_load(&b, path, f) == -1) {
		fail_in(f, "TL_TOKEN_FILE");
		f->status = EX_CONFIG;
	} else {
		while (b.len > 0 && strchr(" \t\r\n", b.data[b.len - 1]))
			b.data[--b.len] = '\0';
		r = b.len == 0 ? fail_set(f, EX_CONFIG,
		    "TL_TOKEN_FILE: %s: empty", path) :
		    copy(&c->token, b.data, f);
	}
	buf_free(&b);
	return r;
}

static int
credentials(struct cloud *c, struct fail *f)
{
	const char *key = env("TENSORLAKE_API_KEY");
	const char *pat = env("TENSORLAKE_PAT");
	const char *path = env("TL_TOKEN_FILE");
	const char *org = env("TENSORLAKE_ORGANIZATION_ID");
	const char *project = env("TENSORLAKE_PROJECT_ID");

	if (key != NULL) {
		if (copy(&c->token, key, f) == -1)
			return -1;
	} else if (pat != NULL) {
		c->pat = true;
		if (copy(&c->token, pat, f) == -1)
			return -1;
	} else if (path != NULL) {
		/* A file holds either; ids beside it say that it is a PAT. */
		c->pat = org != NULL && project != NULL;
		if (token_file(c, path, f) == -1)
			return -1;
	} else
		return fail_set(f, EX_CONFIG, "no credential: set "
		    "TENSORLAKE_API_KEY, TENSORLAKE_PAT or TL_TOKEN_FILE");
	if (plain("the token", c->token, f) == -1)
		return -1;
	if (!c->pat && (org == NULL || project == NULL))
		return 0;
	if (org == NULL || project == NULL)
		return fail_set(f, EX_CONFIG, "a personal access token needs "
		    "TENSORLAKE_ORGANIZATION_ID and TENSORLAKE_PROJECT_ID");
	if (plain("TENSORLAKE_ORGANIZATION_ID", org, f) == -1 ||
	    plain("TENSORLAKE_PROJECT_ID", project, f) == -1 ||
	    copy(&c->org, org, f) == -1 ||
	    copy(&c->project, project, f) == -1)
		return -1;
	return 0;
}

/* B out of A: WIRE.md 1.1, but never a host that the user did not name. */
static int
lifecycle(struct cloud *c, struct fail *f)
{
	const char *host = strstr(c->api, "://");
	char shown[200];
	size_t n;
	int local;

	fail_show(shown, sizeof(shown), c->api, sizeof(shown) - 1);
	if (host == NULL || (strncasecmp(c->api, "http://", 7) != 0 &&
	    strncasecmp(c->api, "https://", 8) != 0))
		return fail_set(f, EX_CONFIG,
		    "TENSORLAKE_API_URL: %s: not an http(s) address", shown);
	host += 3;
	n = strcspn(host, "/?#");
	if (memchr(host, '@', n) != NULL)
		return fail_set(f, EX_CONFIG,
		    "TENSORLAKE_API_URL: holds a user name; use a token");
	if ((local = http_is_loopback(c->api, f)) == -1)
		return -1;
	if (local) {
		c->lifecycle_ns = true;
		return copy(&c->lifecycle, c->api, f);
	}
	if (strncasecmp(host, "api.", 4) != 0)
		return fail_set(f, EX_CONFIG, "TENSORLAKE_API_URL: %s: neither "
		    "a loopback address nor api.*, so the sandbox host is "
		    "unknown", shown);
	n = strcspn(host, "/?#:");
	if (asprintf(&c->lifecycle, "%.*ssandbox.%.*s", (int)(host - c->api),
	    c->api, (int)(n - 4), host + 4) == -1) {
		c->lifecycle = NULL;
		return fail_set(f, EX_OSERR, "out of memory");
	}
	return 0;
}

int
cloud_load(struct cloud *c, struct fail *f)
{
	const char *api = env("TENSORLAKE_API_URL");
	const char *ns = env("INDEXIFY_NAMESPACE");

	if (copy(&c->api, api != NULL ? api : API_DEFAULT, f) == -1 ||
	    copy(&c->ns, ns != NULL ? ns : "default", f) == -1 ||
	    plain("TENSORLAKE_API_URL", c->api, f) == -1 ||
	    plain("INDEXIFY_NAMESPACE", c->ns, f) == -1 ||
	    lifecycle(c, f) == -1 || credentials(c, f) == -1) {
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
cloud_http(struct cloud *c, bool plain_ok, bool verbose, struct fail *f)
{
	struct http *http;

	if (cloud_load(c, f) == -1)
		return NULL;
	if ((http = http_new(f)) == NULL) {
		cloud_free(c);
		return NULL;
	}
	if (plain_ok)
		http_allow_plain(http);
	if (verbose)
		http_verbose(http);
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

int
cloud_lifecycle_url(const struct cloud *c, struct buf *b, const char *rest,
    struct fail *f)
{
	size_t n = strlen(c->lifecycle);

	while (n > 0 && c->lifecycle[n - 1] == '/')
		n--;
	if (buf_add(b, c->lifecycle, n, f) == -1)
		return -1;
	if (c->lifecycle_ns && (buf_adds(b, "/v1/namespaces/", f) == -1 ||
	    hex_escape(b, c->ns, strlen(c->ns), "", f) == -1))
		return -1;
	return buf_addf(b, f, "/sandboxes%s", rest);
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
