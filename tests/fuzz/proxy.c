/*
 * Proxy variables, a line each: http_proxy, https_proxy, all_proxy, no_proxy.
 * A password in them is in no message, wherever libcurl sees it.
 *
 * Nothing leaves the machine: no name can be looked up and no server reached,
 * as this program's own functions of these names say.
 */
#include "fuzz.h"

#include <sys/socket.h>

#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/http.h"

#define SECRET	"hush"

static const char *const names[] = { "http_proxy", "https_proxy", "all_proxy",
    "no_proxy" };
#define NAMES	(sizeof(names) / sizeof(names[0]))

int
getaddrinfo(const char *restrict node, const char *restrict service,
    const struct addrinfo *restrict hints, struct addrinfo **restrict res)
{
	(void)node;
	(void)service;
	(void)hints;
	(void)res;
	return EAI_NONAME;
}

int
connect(int fd, __CONST_SOCKADDR_ARG to, socklen_t n)
{
	(void)fd;
	(void)to;
	(void)n;
	errno = ECONNREFUSED;
	return -1;
}

/* Behind the last @ is what may be a host. */
static bool
is_shown(const char *value)
{
	const char *at = strrchr(value, '@');

	return strstr(at == NULL ? value : at, SECRET) != NULL;
}

static void
ask(struct http *h, const char *url)
{
	const struct http_request q = { .method = "GET", .url = url,
	    .bearer = "tok-0123456789", .timeout_ms = 10000 };
	struct http_reply r = HTTP_REPLY_INIT;
	bool shown = false;
	const char *p;
	struct fail f;
	size_t i;

	MUST(http_do(h, &q, &r, &f) == -1);
	MUST(f.status == EX_TEMPFAIL || f.status == EX_CONFIG);
	for (p = f.msg; *p != '\0'; p++)
		MUST((unsigned char)*p >= 0x20 && *p != 0x7f);
	for (i = 0; i < NAMES; i++)
		shown |= (p = getenv(names[i])) != NULL && is_shown(p);
	MUST(shown || strstr(f.msg, SECRET) == NULL);
	http_reply_free(&r);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct http *h;
	char *text = strndup((const char *)p, n), *rest = text, *line;
	struct fail f;
	size_t i;

	MUST(text != NULL);
	if (h == NULL) {
		MUST((h = http_new(&f)) != NULL);
		http_allow_plain(h);
		unsetenv("HTTPS_PROXY");
		unsetenv("ALL_PROXY");
		unsetenv("NO_PROXY");
	}
	for (i = 0; i < NAMES; i++)
		if ((line = strsep(&rest, "\n")) != NULL)
			setenv(names[i], line, 1);
		else
			unsetenv(names[i]);
	ask(h, "https://api.h.example/x");
	ask(h, "http://api.h.example/x");
	free(text);
	return 0;
}

FUZZ_MAIN(((const char *const []){
	"http://u:" SECRET "@proxy.example:3128\nhttps://u:" SECRET "@p:1\n",
	"http://u:12/" SECRET "@proxy.example:3128",
	"http://u:p@" SECRET "/x@proxy.example\nu:1#" SECRET "@p:80\n",
	"\n\nsocks5h://u:" SECRET "@127.0.0.1:1080\n*.example,10.0.0.0/8",
	"socks4a://" SECRET ":p@[::1]:1\nnosuch://u:" SECRET "@h:1\n\n*",
	"http://127.0.0.1:3128\nhttp://[fe80::1%25lo]:1\nproxy:8080\n",
}));
