#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include "client/sandbox/sandbox.h"
#include "core/json.h"

#define URL_MAX		4096UL
#define WORD_MAX	255UL	/* an id or hint: fits its header line */

bool
sandbox_word(const char *s, const char *not)
{
	size_t n = strlen(s);

	if (n == 0 || n > WORD_MAX || strcmp(s, ".") == 0 ||
	    strcmp(s, "..") == 0)
		return false;
	for (; *s != '\0'; s++)
		if (*s <= ' ' || *s > '~' || strchr(not, *s) != NULL)
			return false;
	return true;
}

int
sandbox_check_url(const char *url, const char *what, struct fail *f)
{
	const char *host, *p;
	char shown[200];

	fail_show(shown, sizeof(shown), url, sizeof(shown) - 1);
	if (strncasecmp(url, "http://", 7) == 0)
		host = url + 7;
	else if (strncasecmp(url, "https://", 8) == 0)
		host = url + 8;
	else
		return fail_set(f, EX_DATAERR,
		    "%s: %s: not an http(s) address", what, shown);
	for (p = url; *p != '\0'; p++)
		if (*p <= ' ' || *p > '~')
			return fail_set(f, EX_DATAERR, "%s: %s: holds a "
			    "blank, control or non-ASCII byte", what, shown);
	if (strcspn(host, ":/?#") == 0)
		return fail_set(f, EX_DATAERR, "%s: %s: no host", what, shown);
	/* The part before an '@' would be sent as a password. */
	if (memchr(host, '@', strcspn(host, "/?#")) != NULL)
		return fail_set(f, EX_DATAERR, "%s: holds a user name", what);
	return 0;
}

int
sandbox_read(struct sandbox *s, const struct span *doc, struct fail *f)
{
	*s = (struct sandbox)SANDBOX_INIT;
	if (!span_is_object(doc))
		return fail_set(f, EX_DATAERR, "not an object");
	if (json_string(doc, "id", JSON_NEED, &s->id, f) == -1 ||
	    json_string(doc, "proxyUrl", JSON_MAY, &s->proxy_url, f) == -1 ||
	    json_string(doc, "routingHint", JSON_MAY, &s->route_hint, f) == -1)
		goto bad;
	/* The id goes into a path, a host name and a header as it is. */
	if (!sandbox_word(s->id, SANDBOX_ID_NOT)) {
		fail_set(f, EX_DATAERR, "id: not fit for a URL's path");
		goto bad;
	}
	if (s->route_hint != NULL && !sandbox_word(s->route_hint, "")) {
		fail_set(f, EX_DATAERR, "routingHint: not fit for a header");
		goto bad;
	}
	if (s->proxy_url != NULL &&
	    sandbox_check_url(s->proxy_url, "proxyUrl", f) == -1)
		goto bad;
	return 0;
bad:
	sandbox_free(s);
	return -1;
}

int
sandbox_load(struct sandbox *s, const char *path, struct fail *f)
{
	struct buf text = BUF_INIT(BUF_SMALL_MAX);
	struct span doc;
	int r = -1;

	if (path == NULL) {
		path = getenv("TL_SANDBOX");
		if (path == NULL || *path == '\0')
			return fail_set(f, EX_USAGE, "which sandbox? give its "
			    "document with -s, or set TL_SANDBOX");
	}
	if (buf_load(&text, path, f) == 0) {
		if (strcmp(path, "-") == 0)
			path = "stdin";
		if (text.len == 0)
			fail_set(f, EX_DATAERR, "%s: empty, expected a "
			    "sandbox document", path);
		else if (span_parse(&doc, text.data, text.len, f) == -1 ||
		    sandbox_read(s, &doc, f) == -1)
			fail_in(f, path);
		else
			r = 0;
	}
	buf_free(&text);
	return r;
}

void
sandbox_free(struct sandbox *s)
{
	free(s->id);
	free(s->proxy_url);
	free(s->route_hint);
	*s = (struct sandbox)SANDBOX_INIT;
}

int
sandbox_call(struct sandbox_call *c, const struct sandbox *s,
    const struct cloud *cloud, const char *method, const char *path,
    const char *const *extra, struct fail *f)
{
	const char *list[CLOUD_HEADERS + 1];
	const char *url = s->proxy_url;
	size_t i, n = 0, len;
	int local;

	memset(c, 0, sizeof(*c));
	c->url = (struct buf)BUF_INIT(URL_MAX);
	if (url == NULL)
		return fail_set(f, EX_DATAERR, "sandbox %s: no proxyUrl yet; "
		    "tl-sandbox wait completes the document", s->id);
	if ((local = http_is_loopback(url, f)) == -1)
		return -1;
	if (local)
		len = strcspn(url, "?#");
	else {
		/*
		 * Elsewhere the path is dropped:
		 * tl-wire(7), "Requests to the proxy".
		 */
		len = (size_t)(strchr(url, ':') + 3 - url);
		len += strcspn(url + len, "/?#");
	}
	while (len > 0 && url[len - 1] == '/')
		len--;
	if (buf_add(&c->url, url, len, f) == -1 ||
	    buf_adds(&c->url, path, f) == -1) {
		fail_in(f, "proxyUrl");
		goto bad;
	}
	snprintf(c->host, sizeof(c->host), "%s.local", s->id);
	snprintf(c->id, sizeof(c->id), "X-Tensorlake-Sandbox-Id: %s", s->id);
	list[n++] = c->id;
	if (s->route_hint != NULL) {
		snprintf(c->hint, sizeof(c->hint),
		    "X-Tensorlake-Route-Hint: %s", s->route_hint);
		list[n++] = c->hint;
	}
	for (i = 0; extra != NULL && extra[i] != NULL; i++) {
		if (n == CLOUD_HEADERS) {
			fail_set(f, EX_SOFTWARE, "too many headers");
			goto bad;
		}
		list[n++] = extra[i];
	}
	list[n] = NULL;
	if (cloud_headers(cloud, &c->head, list, f) == -1)
		goto bad;
	c->req.method = method;
	c->req.url = c->url.data;
	c->req.bearer = cloud->token;
	c->req.headers = c->head.list;
	if (local)
		c->req.host = c->host;
	return 0;
bad:
	sandbox_call_free(c);
	return -1;
}

void
sandbox_call_free(struct sandbox_call *c)
{
	buf_free(&c->url);
	cloud_headers_free(&c->head);
}
