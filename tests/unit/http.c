/* core/http: headers, trailers and redirects of a server that means ill. */

#include <sys/socket.h>
#include <sys/wait.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/http.h"
#include "unit.h"

static struct http_reply reply = HTTP_REPLY_INIT;
static struct fail f;

/* What is sent: the text, with N bytes of x in place of '@'. */
static void
serve(int s, const char *answer, size_t fill)
{
	static char block[4096];
	char c[4] = "";
	int at = accept(s, NULL, NULL);
	const char *p;
	size_t n;

	while (memcmp(c, "\r\n\r\n", 4) != 0) {
		memmove(c, c + 1, 3);
		if (read(at, c + 3, 1) != 1)
			_exit(0);
	}
	memset(block, 'x', sizeof(block));
	for (p = answer; *p != '\0'; p++)
		if (*p != '@') {
			if (write(at, p, 1) != 1)
				_exit(0);
		} else
			for (n = 0; n < fill; n += sizeof(block))
				if (write(at, block, sizeof(block)) == -1)
					_exit(0);
	/* Not a reset while the answer is still read. */
	shutdown(at, SHUT_WR);
	while (read(at, c, 1) == 1)
		;
	_exit(0);
}

/* What becomes of an answer. */
static int
ask(const char *answer, size_t fill, const char *type)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct http_request q = { .method = "GET", .type = type };
	socklen_t len = sizeof(a);
	struct http *h;
	char url[64];
	pid_t pid;
	int s, r;

	s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s == -1 || bind(s, (struct sockaddr *)&a, len) == -1 ||
	    listen(s, 1) == -1 ||
	    getsockname(s, (struct sockaddr *)&a, &len) == -1 ||
	    (pid = fork()) == -1)
		exit(EX_OSERR);
	if (pid == 0)
		serve(s, answer, fill);
	close(s);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/", ntohs(a.sin_port));
	q.url = url;
	http_reply_clear(&reply);
	if ((h = http_new(&f)) == NULL)
		exit(EX_OSERR);
	f.status = 0;
	r = http_do(h, &q, &reply, &f);
	http_free(h);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return r;
}

#define HEAD	"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n" \
	"ETag: \"e\"\r\n"
#define CHUNKS	HEAD "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n"

/* A server that takes connections, and nothing else. */
static int
silent(char url[64])
{
	struct sockaddr_in a = { .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(a);

	if (s == -1 || bind(s, (struct sockaddr *)&a, len) == -1 ||
	    listen(s, 8) == -1 ||
	    getsockname(s, (struct sockaddr *)&a, &len) == -1)
		exit(EX_OSERR);
	snprintf(url, 64, "http://127.0.0.1:%d/", ntohs(a.sin_port));
	return s;
}

static struct http *
client(void)
{
	struct http *h = http_new(&f);

	if (h == NULL)
		exit(EX_OSERR);
	return h;
}

/* What is not sent at all. */
static void
test_refused(void)
{
	struct http_request q = { .method = "GET", .timeout_ms = 200 };
	struct http *h = client();
	struct http_reply *done;

	q.url = "ftp://h/x";
	UNIT_CHECK(http_do(h, &q, &reply, &f) == -1 && f.status == EX_CONFIG &&
	    strcmp(f.msg, "ftp://h/x: not an http(s) address") == 0,
	    "another scheme: %s", f.msg);
	q.url = "http://192.0.2.1/x?sig=hush";
	q.bearer = "token-0123456789";
	UNIT_CHECK(http_do(h, &q, &reply, &f) == -1 && f.status == EX_CONFIG &&
	    strstr(f.msg, "a token would go over plain http") != NULL &&
	    strstr(f.msg, "hush") == NULL && strstr(f.msg, q.bearer) == NULL,
	    "a token, in plain text: %s", f.msg);
	http_allow_plain(h);
	UNIT_CHECK(http_do(h, &q, &reply, &f) == -1 && f.status ==
	    EX_TEMPFAIL && strstr(f.msg, "hush") == NULL,
	    "but where that is wanted: %s", f.msg);
	UNIT_CHECK(http_wait(h, 0, &done, &f) == -1 && f.status == EX_SOFTWARE,
	    "nothing is under way");
	http_free(h);
}

/* Who does not answer is not waited for. */
static void
test_silent(void)
{
	struct http_reply other = HTTP_REPLY_INIT, *done = NULL;
	struct http_request q = { .method = "GET" };
	struct http *h = client();
	char url[64];
	int s = silent(url);

	q.url = url;
	http_stall(h, 1);
	UNIT_CHECK(http_do(h, &q, &reply, &f) == -1 && f.status ==
	    EX_TEMPFAIL && strstr(f.msg, "no byte for 1 s") != NULL,
	    "a stall: %s", f.msg);
	http_free(h);

	setenv("TL_STALL_S", "1", 1);
	h = client();
	UNIT_CHECK(http_do(h, &q, &reply, &f) == -1 &&
	    strstr(f.msg, "no byte for 1 s") != NULL, "by the variable");
	http_free(h);
	setenv("TL_STALL_S", "0x", 1);
	h = client();
	http_deadline(h, 1);
	UNIT_CHECK(http_do(h, &q, &reply, &f) == -1 && f.status ==
	    EX_TEMPFAIL && strstr(f.msg, "the deadline has passed") != NULL,
	    "a variable that is no number; the deadline: %s", f.msg);
	unsetenv("TL_STALL_S");
	http_free(h);

	h = client();
	UNIT_CHECK(http_start(h, &q, &reply, &f) == 0 &&
	    http_start(h, &q, &other, &f) == 0 &&
	    http_wait(h, 50, &done, &f) == 0, "two at once: none is done");
	http_cancel(h, &reply);
	close(s);
	UNIT_CHECK(http_wait(h, 10000, &done, &f) == 1 && done == &other &&
	    other.fail.status == EX_TEMPFAIL,
	    "one was dropped, the other ends: %s", other.fail.msg);
	s = silent(url);
	UNIT_CHECK(http_start(h, &q, &reply, &f) == 0,
	    "one that nobody waits for");
	http_free(h);
	close(s);
	http_reply_free(&other);
}

/* Certificates that cannot be read are not none. */
static void
test_bundle(void)
{
	struct http_request q = { .method = "GET", .timeout_ms = 10000 };
	struct http *h = client();
	char url[64], tls[80];
	int s = silent(url);

	snprintf(tls, sizeof(tls), "https%s", url + 4);
	q.url = tls;
	http_ca_bundle(h, "/nowhere/ca.pem");
	UNIT_CHECK(http_do(h, &q, &reply, &f) == -1 && f.status == EX_CONFIG &&
	    strstr(f.msg, "/nowhere/ca.pem") != NULL,
	    "a bundle that is not there: %s", f.msg);
	http_free(h);
	close(s);
}

int
main(void)
{
	UNIT_CHECK(ask(CHUNKS "\r\n", 0, "text/plain") == 0 &&
	    strcmp(reply.etag, "\"e\"") == 0 && reply.body.len == 2,
	    "an answer");
	UNIT_CHECK(ask(CHUNKS "ETag: \"t\"\r\nContent-Type: text/html\r\n\r\n",
	    0, "text/plain") == 0 && strcmp(reply.etag, "\"e\"") == 0 &&
	    strcmp(reply.type, "text/plain") == 0 && !reply.bad_type,
	    "trailers say nothing");
	UNIT_CHECK(ask(CHUNKS "HTTP/1.1 200 OK: x\r\nETag: \"t\"\r\n\r\n", 0,
	    NULL) == 0 && strcmp(reply.etag, "\"e\"") == 0,
	    "nor one that looks like another answer");
	UNIT_CHECK(ask(HEAD "X: @\r\n\r\n", 90 << 10, NULL) == 0 &&
	    strcmp(reply.etag, "\"e\"") == 0, "a long header");
	UNIT_CHECK(ask(HEAD "X: @\r\n\r\n", 1 << 20, NULL) == -1 &&
	    f.status == EX_PROTOCOL && strstr(f.msg, "headers are too long")
	    != NULL, "one that is too long: %s", f.msg);
	UNIT_CHECK(ask(HEAD "X: @\r\nX: @\r\nX: @\r\nX: @\r\n\r\n", 90 << 10,
	    NULL) == -1 && f.status == EX_PROTOCOL &&
	    strstr(f.msg, "headers are too long") != NULL,
	    "too many: %s", f.msg);
	UNIT_CHECK(ask(CHUNKS "X: @\r\nX: @\r\nX: @\r\nX: @\r\n\r\n", 90 << 10,
	    NULL) == -1 && f.status == EX_PROTOCOL,
	    "trailers that are too many: %s", f.msg);
	UNIT_CHECK(ask(CHUNKS "X: @\r\n\r\n", 1 << 20, NULL) == -1 &&
	    f.status == EX_PROTOCOL, "one that is too long: %s", f.msg);
	UNIT_CHECK(ask("HTTP/1.1 100 Continue\r\nETag: \"c\"\r\n\r\n"
	    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0, NULL) == 0 &&
	    reply.etag[0] == '\0', "an answer before the answer");
	test_refused();
	test_silent();
	test_bundle();
	http_reply_free(&reply);
	return unit_end();
}
