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
	http_reply_free(&reply);
	return unit_end();
}
