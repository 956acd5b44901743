/* Who a token belongs to, asked through a real server. */

#include <sys/stat.h>

#include <fcntl.h>
#include <sysexits.h>

#include "region/serve/keys.h"
#include "raw.h"
#include "unit.h"

#define TOK_A "4f66a4283f8bc9768c3cb97fd06d267b79315aee941c9c1727b9354509242ffe"
#define PAT_A "1a2e1c872ca6fd3c0930abb3b8322f44fb93d6b252d9560eca3924cf832b94c9"

static struct keys *keys;

static void
done(struct serve_request *r, void *arg)
{
	char text[256];
	struct key k;
	int n;

	(void)arg;
	if (keys_caller(keys, r, &k) == -1)
		return;
	n = snprintf(text, sizeof(text), "<%s %s %s %d>", k.id, k.org,
	    k.project, k.pat);
	serve_reply(r, 200, NULL, text, (size_t)n);
}

static const char *
load(const char *text, mode_t mode)
{
	static struct fail f;
	int fd = open("keys", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text) ||
	    fchmod(fd, mode) == -1)
		abort();
	close(fd);
	keys_free(keys);
	f.msg[0] = '\0';
	f.status = 0;
	keys = keys_load("keys", &f);
	if (keys == NULL && f.status != EX_CONFIG)
		printf("# status %d\n", f.status);
	return f.msg;
}

#define REFUSED(text, mode, why) do {					\
	const char *m_ = load(text, mode);				\
	UNIT_CHECK(keys == NULL && strstr(m_, why) != NULL &&		\
	    strstr(m_, TOK_A) == NULL, "refused: %s", m_);		\
} while (0)

#define REQUEST(lines)	"GET / HTTP/1.1\r\nHost: x\r\n" lines		\
			"Connection: close\r\n\r\n"
#define ORG(s)		"X-Forwarded-Organization-Id: " s "\r\n"
#define PROJECT(s)	"X-Forwarded-Project-Id: " s "\r\n"

int
main(void)
{
	static const struct serve_ops ops = { .done = done };
	struct serve_options o = { .name = "unit", .listen = "127.0.0.1:0",
	    .ops = &ops };
	char dir[] = "/tmp/tl-unit.XXXXXX", longest[200];
	const char *url;
	struct serve *s;
	struct fail f;

	serve_block_signals();
	if (mkdtemp(dir) == NULL || chdir(dir) == -1)
		abort();
	UNIT_CHECK(keys_load("absent", &f) == NULL && f.status == EX_NOINPUT,
	    "no file: %s", f.msg);
	REFUSED("", 0600, "no key in it");
	REFUSED("# key\n\n", 0600, "no key in it");
	REFUSED("key " TOK_A " k o p\n", 0640, "chmod 600");
	REFUSED("key " TOK_A " k o p\n", 0602, "chmod 600");
	REFUSED("\nkey " TOK_A " k o\n", 0600, "keys:2: not five words");
	REFUSED("key " TOK_A " k o p q\n", 0600, "not five words");
	REFUSED("kex " TOK_A " k o p\n", 0600, "must begin with");
	REFUSED("key tok-a k o p\n", 0600, "not a SHA-256");
	REFUSED("key x" TOK_A " k o p\n", 0600, "not a SHA-256");
	REFUSED("key " TOK_A " k o ../p\n", 0600, "an id");
	REFUSED("key " TOK_A " k o p\nkey " TOK_A " k o q\n", 0600,
	    "keys:2: the token is listed already");
	REFUSED("pat " TOK_A " k o p\nkey " TOK_A " k o q\n", 0600,
	    "listed already");
	REFUSED("pat " TOK_A " k o p\npat " TOK_A " j o q\n", 0600,
	    "listed already");
	REFUSED("key " TOK_A " k o p\nkey " PAT_A " j q p\n", 0600,
	    "keys:2: project p: listed already, of another");
	snprintf(longest, sizeof(longest), "key " TOK_A " %065d o p\n", 1);
	REFUSED(longest, 0600, "an id");
	snprintf(longest, sizeof(longest), "key " TOK_A " %064d o p\n", 1);
	load(longest, 0600);
	UNIT_CHECK(keys != NULL, "64 characters are an id");

	load("key " TOK_A " key_1 org_1 proj_1 # mine\r\n"
	    "pat " PAT_A " pat_1 org_1 proj_1\n"
	    "pat\t" PAT_A "  pat_1 org_2 proj_2\n", 0600);
	UNIT_CHECK(keys != NULL, "a good file");
	if (keys == NULL || (s = serve_start(&o, &f)) == NULL)
		return 1;
	url = serve_url(s);

	ask(url, REQUEST("Authorization: Bearer tok-a\r\n"));
	UNIT_CHECK(has("<key_1 org_1 proj_1 0>"), "a key");
	ask(url, REQUEST("authorization: bearer tok-a\r\n" ORG("org_2")
	    PROJECT("proj_2")));
	UNIT_CHECK(has("<key_1 org_1 proj_1 0>"),
	    "a key keeps its scope, whatever is sent");
	ask(url, REQUEST(""));
	UNIT_CHECK(has("HTTP/1.1 401") && has("WWW-Authenticate: Bearer") &&
	    has("\"code\": \"unauthenticated\""), "no token");
	ask(url, REQUEST("Authorization: Bearer tok-b\r\n"));
	UNIT_CHECK(has("HTTP/1.1 401") && strstr(got, "tok-b") == NULL,
	    "another token");
	ask(url, REQUEST("Authorization: Bearer \r\n"));
	UNIT_CHECK(has("HTTP/1.1 401"), "an empty token");
	ask(url, REQUEST("Authorization: Bearer " TOK_A "\r\n"));
	UNIT_CHECK(has("HTTP/1.1 401"), "the hash is no token");
	ask(url, REQUEST("Authorization: Basic tok-a\r\n"));
	UNIT_CHECK(has("HTTP/1.1 401"), "another scheme");
	ask(url, REQUEST("Authorization: Bearer tok-a\r\n"
	    "Authorization: Bearer tok-a\r\n"));
	UNIT_CHECK(has("HTTP/1.1 401"), "two tokens");

	ask(url, REQUEST("Authorization: Bearer pat-a\r\n" ORG("org_2")
	    PROJECT("proj_2")));
	UNIT_CHECK(has("<pat_1 org_2 proj_2 1>"), "a PAT and its scope");
	ask(url, REQUEST("Authorization: Bearer pat-a\r\n" ORG("org_1")
	    PROJECT("proj_2")));
	UNIT_CHECK(has("HTTP/1.1 403") && has("\"code\": \"forbidden\""),
	    "ids that do not belong together");
	ask(url, REQUEST("Authorization: Bearer pat-a\r\n" ORG("org_1")));
	UNIT_CHECK(has("HTTP/1.1 403") && has("scope_required"),
	    "a PAT without a project");
	ask(url, REQUEST("Authorization: Bearer pat-a\r\n" ORG("org_1")
	    PROJECT("proj_1") PROJECT("proj_1")));
	UNIT_CHECK(has("HTTP/1.1 403"), "a scope said twice");

	serve_stop(s);
	keys_free(keys);
	unlink("keys");
	if (chdir("/") == -1 || rmdir(dir) == -1)
		perror("# rmdir");
	return unit_end();
}
