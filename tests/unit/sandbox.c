#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "client/sandbox/sandbox.h"
#include "unit.h"

#define PATH	"/api/v1/files?path=%2Fx"

/*
 * tl-wire(7), "Requests to the proxy": a proxy's address, and what a request
 * to it is like.
 */
static const struct {
	const char	*proxy, *url, *host;
} calls[] = {
	{ "http://127.0.0.1:9443", "http://127.0.0.1:9443" PATH,
	    "sbx-1.local" },
	{ "http://localhost:9443///", "http://localhost:9443" PATH,
	    "sbx-1.local" },
	{ "http://127.0.0.1:9443/a/b/", "http://127.0.0.1:9443/a/b" PATH,
	    "sbx-1.local" },
	{ "http://127.0.0.1:9443/a?b=c", "http://127.0.0.1:9443/a" PATH,
	    "sbx-1.local" },
	{ "https://sbx-1.proxy.example", "https://sbx-1.proxy.example" PATH,
	    NULL },
	{ "https://proxy.example:8443/a/b?c#d",
	    "https://proxy.example:8443" PATH, NULL },
	{ "https://proxy.example?c", "https://proxy.example" PATH, NULL },
	{ "HTTPS://proxy.example/", "HTTPS://proxy.example" PATH, NULL },
};

static const char *const bad[] = {
	"{}", "[]", "{\"id\":1}", "{\"id\":\"\"}", "{\"id\":\"a/b\"}",
	"{\"id\":\"..\"}", "{\"id\":\"a b\"}", "{\"id\":\"a\\r\\nX: y\"}",
	"{\"id\":\"a?b\"}", "{\"id\":\"a%2fb\"}", "{\"id\":\"a@b\"}",
	"{\"id\":\"a:1\"}", "{\"id\":\"\xc3\xa9\"}",
	"{\"id\":\"a\",\"id\":\"b\"}",
	"{\"id\":\"a\",\"proxyUrl\":\"\"}",
	"{\"id\":\"a\",\"proxyUrl\":\"ftp://x\"}",
	"{\"id\":\"a\",\"proxyUrl\":\"http://\"}",
	"{\"id\":\"a\",\"proxyUrl\":\"http:///x\"}",
	"{\"id\":\"a\",\"proxyUrl\":\"https://u:p@x/\"}",
	"{\"id\":\"a\",\"proxyUrl\":\"https://127.0.0.1:1@x/\"}",
	"{\"id\":\"a\",\"proxyUrl\":\"http://x/\\r\\nX: y\"}",
	"{\"id\":\"a\",\"routingHint\":\"x\\r\\nX: y\"}",
	"{\"id\":\"a\",\"routingHint\":\"\"}",
	"{\"id\":\"a\",\"routingHint\":1}",
};

static bool
reads(struct sandbox *s, const char *text)
{
	struct span doc;
	struct fail f;

	if (span_parse(&doc, text, strlen(text), &f) == -1) {
		printf("# not JSON: %s\n", text);
		return false;
	}
	return sandbox_read(s, &doc, &f) == 0;
}

static bool
has(const struct sandbox_call *c, const char *line)
{
	size_t i;

	for (i = 0; c->req.headers[i] != NULL; i++)
		if (strcmp(c->req.headers[i], line) == 0)
			return true;
	return false;
}

int
main(void)
{
	static const char *const extra[] = { "Accept: x/y", NULL };
	struct cloud cloud = CLOUD_INIT;
	struct sandbox s = SANDBOX_INIT;
	struct sandbox_call c;
	char text[600], longest[256];
	struct fail f;
	size_t i;

	cloud.token = strdup("t");
	for (i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		snprintf(text, sizeof(text), "{\"id\":\"sbx-1\",\"proxyUrl\":"
		    "\"%s\",\"routingHint\":\"n 7\"}", calls[i].proxy);
		UNIT_CHECK(!reads(&s, text), "a hint with a blank");
		snprintf(text, sizeof(text), "{\"id\":\"sbx-1\",\"proxyUrl\":"
		    "\"%s\",\"routingHint\":\"n7\"}", calls[i].proxy);
		UNIT_CHECK(reads(&s, text) && sandbox_call(&c, &s, &cloud,
		    "GET", PATH, extra, &f) == 0, "%s", calls[i].proxy);
		UNIT_CHECK(strcmp(c.req.url, calls[i].url) == 0, "%s",
		    c.req.url);
		UNIT_CHECK((c.req.host == NULL) == (calls[i].host == NULL) &&
		    (c.req.host == NULL ||
		    strcmp(c.req.host, calls[i].host) == 0), "Host");
		UNIT_CHECK(has(&c, "X-Tensorlake-Sandbox-Id: sbx-1") &&
		    has(&c, "X-Tensorlake-Route-Hint: n7") &&
		    has(&c, "Accept: x/y") && strcmp(c.req.bearer, "t") == 0,
		    "headers");
		sandbox_call_free(&c);
		sandbox_free(&s);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		UNIT_CHECK(!reads(&s, bad[i]) && s.id == NULL, "refused: %s",
		    bad[i]);

	UNIT_CHECK(reads(&s, "{\"id\":\"a\",\"proxyUrl\":null}") &&
	    s.proxy_url == NULL && s.route_hint == NULL, "only an id");
	UNIT_CHECK(sandbox_call(&c, &s, &cloud, "GET", "/", NULL, &f) == -1 &&
	    strstr(f.msg, "tl-sandbox wait") != NULL,
	    "cannot be reached before it runs");
	sandbox_free(&s);

	memset(longest, 'x', sizeof(longest));
	longest[255] = '\0';
	snprintf(text, sizeof(text), "{\"id\":\"%s\"}", longest);
	UNIT_CHECK(reads(&s, text), "an id of 255 bytes");
	sandbox_free(&s);
	snprintf(text, sizeof(text), "{\"id\":\"%sx\"}", longest);
	UNIT_CHECK(!reads(&s, text), "and none of 256");
	cloud_free(&cloud);
	return unit_end();
}
