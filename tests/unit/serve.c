/* The server of lib/region/serve/serve.h, spoken to in raw bytes. */

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <linux/netlink.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "region/serve/serve.h"
#include "raw.h"
#include "unit.h"

static atomic_int begun, gone, freed, streaming;
static atomic_ullong body_seen;
static char big[3 << 20];

struct echo {
	struct buf	 b;
	struct fail	 f;
};

static void
echo_header(void *arg, const char *name, const char *value)
{
	struct echo *e = arg;

	buf_addf(&e->b, &e->f, "%s=%s;", name, value);
}

struct ticks {
	int	 left;
	bool	 forever;
};

static ssize_t
tick(void *arg, char *p, size_t n)
{
	struct ticks *t = arg;

	(void)n;
	if (t->forever)
		return 0;
	if (t->left-- == 0)
		return -1;
	if (t->left % 2 == 1)
		return 0;
	memcpy(p, "tick ", 5);
	return 5;
}

static void
tick_free(void *arg)
{
	free(arg);
	atomic_fetch_add(&freed, 1);
}

static void
begin(struct serve_request *r, void *arg)
{
	(void)arg;
	atomic_fetch_add(&begun, 1);
	r->own = strdup("own");
	if (strcmp(r->path, "/early") == 0)
		serve_error(r, 403, "forbidden", "no \"%s\"",
		    "entr\xc3\xa9\xc3\n\xed\xa0\x80\\");
	else if (strcmp(r->path, "/keep") == 0)
		r->keep_body = 10;
}

static void
body(struct serve_request *r, void *arg, const char *p, size_t n)
{
	(void)arg;
	(void)p;
	atomic_fetch_add(&body_seen, n);
	if (strcmp(r->path, "/midway") == 0)
		serve_reply(r, 409, "text/plain", "enough", 6);
}

static void
done(struct serve_request *r, void *arg)
{
	struct echo e = { .b = BUF_INIT(1 << 20) };
	struct ticks *t;
	char seg[3][256];
	uid_t uid;
	pid_t pid;
	int n;

	(void)arg;
	if (strcmp(r->path, "/headers") == 0) {
		serve_headers(r, echo_header, &e);
		buf_addf(&e.b, &e.f, "|%u|%s",
		    serve_header_count(r, "x-twice"),
		    serve_header(r, "X-TWICE") == NULL ? "none" :
		    serve_header(r, "X-TWICE"));
		serve_add_header(r, "X-Answer", "a");
		serve_add_header(r, "X-Answer", "b");
		serve_reply(r, 200, "text/plain", e.b.data, e.b.len);
	} else if (strcmp(r->path, "/keep") == 0) {
		serve_reply(r, 200, "text/plain", r->body.data, r->body.len);
	} else if (strcmp(r->path, "/stream") == 0 ||
	    strcmp(r->path, "/forever") == 0) {
		t = calloc(1, sizeof(*t));
		t->left = 8;
		t->forever = strcmp(r->path, "/forever") == 0;
		serve_reply_stream(r, 200, "text/plain", tick, tick_free, t);
		atomic_store(&streaming, 1);
	} else if (strcmp(r->path, "/big") == 0) {
		serve_reply(r, 200, NULL, big, sizeof(big));
	} else if (strcmp(r->path, "/file") == 0) {
		serve_reply_file(r, 206, "text/plain",
		    open("file", O_RDONLY | O_CLOEXEC), 2, 5);
	} else if (strcmp(r->path, "/peer") == 0) {
		n = serve_peer(r, &uid, &pid);
		buf_addf(&e.b, &e.f, "%d %d %d", n, n == 0 && uid == getuid(),
		    n == 0 && pid == getpid());
		serve_reply(r, 200, NULL, e.b.data, e.b.len);
	} else if (strcmp(r->path, "/none") == 0) {
		;
	} else if ((n = serve_match(r, "/t/{}/x/{}", seg, 3)) > 0) {
		buf_addf(&e.b, &e.f, "%d %s %s", n, seg[0], seg[1]);
		serve_reply(r, 200, NULL, e.b.data, e.b.len);
	} else {
		buf_addf(&e.b, &e.f, "%s|%s|%s|", r->target, r->path,
		    r->query);
		n = serve_query(r, "a b", &e.b, &e.f);
		buf_addf(&e.b, &e.f, "|%d|%s", n, r->method);
		serve_reply(r, 200, NULL, e.b.data, e.b.len);
	}
	/* A second answer does not count, and leaks nothing. */
	if (strcmp(r->path, "/none") != 0)
		serve_reply(r, 500, NULL, "second", 6);
	buf_free(&e.b);
}

static void
request_gone(struct serve_request *r, void *arg)
{
	(void)arg;
	free(r->own);
	atomic_fetch_add(&gone, 1);
}

static const struct serve_ops ops = { begin, body, done, request_gone,
    NULL };

static bool
soon(atomic_int *what, int value)
{
	int i;

	for (i = 0; i < 300 && atomic_load(what) != value; i++)
		usleep(10000);
	return atomic_load(what) == value;
}

#define GET(target)	"GET " target " HTTP/1.1\r\nHost: x\r\n" \
			"Connection: close\r\n\r\n"

static void
addresses(const char *url)
{
	ask(url, GET("/a%2Fb/..//c;x?a+b=%41+%2b&q='%00"));
	UNIT_CHECK(has("\r\n\r\n/a%2Fb/..//c;x?a+b=%41+%2b&q='%00|"
	    "/a%2Fb/..//c;x|a+b=%41+%2b&q='%00|A +|1|GET"),
	    "target, path and query as sent, a parameter decoded");
	ask(url, GET("/?a%20b=%4"));
	UNIT_CHECK(has("|-1|GET"), "a cut escape in a query");
	ask(url, GET("/?a+b=%00"));
	UNIT_CHECK(has("||-1|GET"), "a NUL in a query");
	ask(url, GET("/?a=b"));
	UNIT_CHECK(has("||0|GET"), "an absent parameter");
	ask(url, GET("http://h:1/p?q"));
	UNIT_CHECK(has("\r\n\r\nhttp://h:1/p?q|/p|q|"), "the absolute form");
	ask(url, GET("/t/a%2Fb%3A1/x/y"));
	UNIT_CHECK(has("\r\n\r\n2 a/b:1 y"), "segments of a path, unescaped");
	ask(url, GET("/t//x/y"));
	UNIT_CHECK(has("/t//x/y|"), "an empty segment does not match");
	ask(url, GET("/t/%00/x/y"));
	UNIT_CHECK(has("/t/%00/x/y|"), "a NUL does not match");
	ask(url, GET("/t/a/x/y/"));
	UNIT_CHECK(has("/t/a/x/y/|"), "nor does a path that goes on");
}

/* A request whose line or header has bytes that C takes for its end. */
static bool
refused(const char *url, const char *raw, size_t n)
{
	int fd = dial(url);

	if (send(fd, raw, n, MSG_NOSIGNAL) != (ssize_t)n)
		abort();
	hear(fd, got, sizeof(got), NULL);
	close(fd);
	return has("HTTP/1.1 400") && strstr(got, "HTTP/1.1 2") == NULL;
}

#define REFUSED(url, raw)	refused(url, raw, sizeof(raw) - 1)
#define HEAD	"GET /headers HTTP/1.1\r\nHost: x\r\n"

/* What another reader would take for something else. */
static void
cut(const char *url)
{
	UNIT_CHECK(REFUSED(url, HEAD "X-A: a\0b\r\nX-B: c\r\n\r\n"),
	    "a NUL in a header");
	UNIT_CHECK(REFUSED(url, HEAD "X-A: a\0b\r\n\r\n"),
	    "a NUL in the last header");
	UNIT_CHECK(REFUSED(url, HEAD "X-A: a\0\0\0\0\0\r\n\r\n"),
	    "many behind it");
	UNIT_CHECK(REFUSED(url, HEAD "X-\0A: a\r\n\r\n"), "one in a name");
	UNIT_CHECK(REFUSED(url, HEAD "\0X-A: a\r\n\r\n"),
	    "a line that begins with one");
	UNIT_CHECK(REFUSED(url, HEAD ": x\r\n\r\n" HEAD "\r\n"),
	    "a header without a name ends nothing");
	ask(url, "GET /headers HTTP/1.1\nHost: x\nX-A: a\n"
	    "Connection: close\n\n");
	/* What 1.0 does not take any more. */
	UNIT_CHECK(strstr(got, "Host=x;X-A=a;") != NULL ||
	    has("HTTP/1.1 400"), "lines without a CR");
	ask(url, "GET /headers HTTP/1.0\r\n\r\n");
	UNIT_CHECK(has("HTTP/1.1 200"), "no header at all");
}

static void
headers(const char *url)
{
	ask(url, "GET /headers HTTP/1.1\r\nHost: x\r\nX-Twice: one\r\n"
	    "x-tWice: two\r\nX-Space: \t a \r\nX_Twice: three\r\n"
	    "Empty:\r\nConnection: close\r\n\r\n");
	UNIT_CHECK(has("Host=x;X-Twice=one;x-tWice=two;"),
	    "headers in order, repeats too");
	UNIT_CHECK(has("X_Twice=three;Empty=;"), "a spelling of its own");
	UNIT_CHECK(has("|2|one"), "counted whatever the case");
	UNIT_CHECK(has("X-Space=a;"), "blanks around a value are not its own");
	UNIT_CHECK(has("X-Answer: a\r\nX-Answer: b\r\n"),
	    "headers of an answer");
	UNIT_CHECK(has("\r\nDate: "), "dated");
	ask(url, "GET /headers HTTP/1.1\r\nHost: x\r\nX-Twice : a\r\n\r\n");
	UNIT_CHECK(has("HTTP/1.1 400"),
	    "a blank before the colon (RFC 9112 5.1)");
	ask(url, "GET /headers HTTP/1.1\r\nHost: x\r\nX-Twic: a\r\n e\r\n"
	    "\r\n");
	UNIT_CHECK(has("HTTP/1.1 400"), "a folded header (RFC 9112 5.2)");
	ask(url, "GET /headers HTTP/1.1\r\nHost: x\r\nX-Twic:\r\n\te\r\n"
	    "\r\n");
	UNIT_CHECK(has("HTTP/1.1 400"), "a folded header without a value");
	ask(url, "GET /headers HTTP/1.1\r\n Host: x\r\nX-Twic: a\r\n\r\n");
	UNIT_CHECK(has("HTTP/1.1 400"), "a fold with nothing before it");
}

static void
bodies(const char *url)
{
	int i, fd;

	ask(url, "POST /keep HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
	    "Content-Length: 10\r\n\r\n0123456789");
	UNIT_CHECK(has("HTTP/1.1 200") && has("\r\n\r\n0123456789"),
	    "a body kept");
	ask(url, "POST /keep HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
	    "Content-Length: 11\r\n\r\n0123456789a");
	UNIT_CHECK(has("HTTP/1.1 413") && has("\"code\": \"too_large\""),
	    "one byte too many");
	ask(url, "POST /keep HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n6\r\n012345\r\n"
	    "4\r\n6789\r\n0\r\n\r\n");
	UNIT_CHECK(has("HTTP/1.1 200") && has("\r\n\r\n0123456789"),
	    "a chunked body kept");
	ask(url, "POST /keep HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n6\r\n012345\r\n"
	    "5\r\n6789a\r\n0\r\n\r\n");
	UNIT_CHECK(has("HTTP/1.1 413"), "a chunked body too long");
	ask(url, "POST /keep HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
	    "\r\n");
	UNIT_CHECK(has("HTTP/1.1 200") && has("Content-Length: 0"),
	    "neither length nor chunks is an empty body");
	ask(url, "POST /keep HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
	UNIT_CHECK(has("HTTP/1.1 400"), "both lengths");
	ask(url, "POST /keep HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
	    "Content-Length: 4\r\n\r\nabcd");
	UNIT_CHECK(has("HTTP/1.1 400"), "two lengths");
	ask(url, "POST /keep HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n"
	    "\r\nabc");
	UNIT_CHECK(has("HTTP/1.1 400"), "a length that is none");
	ask(url, "POST /keep HTTP/1.1\r\nHost: x\r\n"
	    "Transfer-Encoding: gzip\r\n\r\nabc");
	/* libmicrohttpd 1.0 does not let it come to us, and says 400. */
	UNIT_CHECK(has("HTTP/1.1 501") || has("HTTP/1.1 400"),
	    "a coding that is unknown");
	ask(url, "POST /none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
	    "\r\n");
	UNIT_CHECK(has("HTTP/1.1 500"), "a handler that gives no answer");

	atomic_store(&body_seen, 0);
	ask(url, "PUT /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
	    "Content-Length: 5\r\n\r\nabcde");
	UNIT_CHECK(has("|PUT") && atomic_load(&body_seen) == 5,
	    "a body in pieces");
	ask(url, "PUT /midway HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
	    "Content-Length: 5\r\n\r\nabcde");
	UNIT_CHECK(has("HTTP/1.1 409") && has("enough"), "refused midway");

	fd = dial(url);
	say(fd, "PUT /keep HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
	    "Content-Length: 5\r\n\r\n");
	hear(fd, got, sizeof(got), "\r\n\r\n");
	UNIT_CHECK(has("HTTP/1.1 100"), "told to go on");
	say(fd, "abcde");
	hear(fd, got, sizeof(got), "abcde");
	UNIT_CHECK(has("HTTP/1.1 200"), "answered after going on");
	close(fd);
	fd = dial(url);
	say(fd, "PUT /early HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
	    "Content-Length: 5\r\n\r\n");
	hear(fd, got, sizeof(got), NULL);
	UNIT_CHECK(strncmp(got, "HTTP/1.1 403", 12) == 0,
	    "refused without being told to go on");
	close(fd);

	fd = dial(url);
	say(fd, "POST /keep HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
	    "Content-Length: 0\r\n\r\n" GET("/second"));
	hear(fd, got, sizeof(got), NULL);
	UNIT_CHECK(has("HTTP/1.1 200 OK") && has("|GET"),
	    "an empty body announced, and a request behind it");
	close(fd);

	/* Both are still usable for the next request. */
	fd = dial(url);
	for (i = 0; i < 3; i++) {
		say(fd, i == 1 ? "POST /early HTTP/1.1\r\nHost: x\r\n\r\n" :
		    "DELETE /early HTTP/1.1\r\nHost: x\r\n"
		    "Content-Length: 26\r\n\r\nGET /smuggled HTTP/1.1\r\n"
		    "\r\n");
		hear(fd, got, sizeof(got), "\"}\n");
		UNIT_CHECK(has("HTTP/1.1 403") && has("\r\n\r\n{\"error\": "
		    "\"no \\\"entr\xc3\xa9" "??" "???\\\\\\\"\", "
		    "\"code\": \"forbidden\"}\n") &&
		    strstr(got, "Connection: close") == NULL,
		    "refused, and the connection lives (%d)", i);
	}
	close(fd);
}

/* A body refused at once, from a client that reads only when all is sent. */
static void
refused_early(const char *url)
{
	char head[128];
	size_t sent = 0;
	ssize_t n;
	int fd = dial(url);

	snprintf(head, sizeof(head), "PUT /early HTTP/1.1\r\nHost: x\r\n"
	    "Content-Length: %zu\r\n\r\n", sizeof(big));
	say(fd, head);
	while (sent < sizeof(big)) {
		n = send(fd, big + sent, sizeof(big) - sent, MSG_NOSIGNAL);
		if (n <= 0)
			break;
		sent += (size_t)n;
	}
	UNIT_CHECK(sent == sizeof(big), "a refused body can be sent whole");
	hear(fd, got, sizeof(got), NULL);
	UNIT_CHECK(has("HTTP/1.1 403") && has("Connection: close"),
	    "and its answer read");
	close(fd);

	/* One that never sends what it promised is not waited for. */
	fd = dial(url);
	say(fd, head);
	hear(fd, got, sizeof(got), NULL);
	UNIT_CHECK(has("HTTP/1.1 403"), "a body that does not come");
	close(fd);
}

static void
answers(const char *url)
{
	int fd, before;
	size_t n;

	ask(url, GET("/stream"));
	UNIT_CHECK(has("Transfer-Encoding: chunked") &&
	    has("\r\n5\r\ntick \r\n5\r\ntick \r\n") && has("\r\n0\r\n"),
	    "a stream in chunks");
	ask(url, "GET /stream HTTP/1.0\r\n\r\n");
	UNIT_CHECK(has("\r\n\r\ntick tick tick tick "),
	    "and without for HTTP/1.0");
	fd = dial(url);
	say(fd, GET("/big"));
	n = hear(fd, got, sizeof(got), NULL);
	UNIT_CHECK(n > sizeof(big) && has("Content-Length: 3145728"),
	    "a large answer");
	close(fd);
	ask(url, GET("/file"));
	UNIT_CHECK(has("HTTP/1.1 206") && has("Content-Length: 5") &&
	    has("\r\n\r\ncdefg"), "a piece of a file");
	ask(url, "HEAD /file HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
	    "\r\n");
	UNIT_CHECK(has("Content-Length: 5") && strstr(got, "cdefg") == NULL,
	    "HEAD has the length and no body");
	ask(url, GET("/peer"));
	UNIT_CHECK(has("\r\n\r\n-1 0 0"), "no peer over tcp");

	before = atomic_load(&freed);
	atomic_store(&streaming, 0);
	fd = dial(url);
	say(fd, GET("/forever"));
	UNIT_CHECK(soon(&streaming, 1), "an endless stream");
	close(fd);
	UNIT_CHECK(soon(&freed, before + 1), "ends when its reader goes");
}

static void
unix_socket(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct serve_options o = { .name = "unit", .listen = "unix:/" ,
	    .ops = &ops };
	char dir[200], listen_at[256], path[250];
	struct serve *s, *t;
	struct stat st;
	struct fail f;
	int fd;

	if (getcwd(dir, sizeof(dir)) == NULL)
		abort();
	snprintf(path, sizeof(path), "%s/s", dir);
	snprintf(listen_at, sizeof(listen_at), "unix:%s", path);
	UNIT_CHECK(serve_start(&o, &f) == NULL && f.status == EX_CANTCREAT,
	    "a folder is no place for a socket");
	o.listen = "unix:s";
	UNIT_CHECK(serve_start(&o, &f) == NULL && f.status == EX_USAGE,
	    "nor is a relative path");
	o.listen = listen_at;
	strcpy(sa.sun_path, path);
	/* A socket that nobody listens on any more. */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	UNIT_CHECK(bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0, "stale");
	close(fd);
	s = serve_start(&o, &f);
	UNIT_CHECK(s != NULL, "a stale socket is replaced");
	if (s == NULL)
		return;
	UNIT_CHECK(strcmp(serve_url(s), listen_at) == 0, "its URL");
	UNIT_CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600,
	    "for its owner alone");
	t = serve_start(&o, &f);
	UNIT_CHECK(t == NULL && f.status == EX_UNAVAILABLE,
	    "a live one is not replaced: %s", f.msg);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	UNIT_CHECK(connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0,
	    "reached");
	say(fd, GET("/peer"));
	hear(fd, got, sizeof(got), NULL);
	UNIT_CHECK(has("\r\n\r\n0 1 1"), "its peer is known");
	close(fd);
	serve_stop(s);
	UNIT_CHECK(stat(path, &st) == -1, "the socket is removed");
}

static void *
stopper(void *arg)
{
	struct stat st;
	int i;

	for (i = 0; i < 500 && stat("ready", &st) == -1; i++)
		usleep(10000);
	kill(getpid(), SIGTERM);
	return arg;
}

/* By a device, or NULL. */
static int
dial_by(const char *url, const char *device)
{
	const char *port = strrchr(url, ':') + 1;
	struct sockaddr_in sa = { .sin_family = AF_INET,
	    .sin_port = htons((uint16_t)atoi(port)),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (device != NULL && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE,
	    device, (socklen_t)strlen(device)) == -1)
		return -1;
	return connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0 ? fd : -1;
}

/*
 * Another user that opens so many connections, asks on each, and keeps them
 * until told: how many were answered.
 */
static int
guest(const char *url, uid_t uid, const char *device, int count, int *leave)
{
	static const char ask[] = "GET /guest HTTP/1.1\r\nHost: x\r\n\r\n";
	const struct timeval patience = { .tv_sec = 10 };
	int up[2], down[2], i, fd, n = 0;
	char c;

	if (pipe(up) == -1 || pipe(down) == -1)
		abort();
	if (fork() == 0) {
		close(down[1]);
		if (setresuid(uid, uid, uid) == -1)
			_exit(1);
		for (i = 0; i < count; i++)
			if ((fd = dial_by(url, device)) != -1 && setsockopt(fd,
			    SOL_SOCKET, SO_RCVTIMEO, &patience,
			    sizeof(patience)) == 0 && send(fd, ask,
			    sizeof(ask) - 1, MSG_NOSIGNAL) > 0 &&
			    recv(fd, &c, 1, 0) == 1)
				n++;
		if (write(up[1], &n, sizeof(n)) != sizeof(n))
			_exit(1);
		_exit(read(down[0], &c, 1) == 1);
	}
	close(up[1]);
	close(down[0]);
	if (read(up[0], &n, sizeof(n)) != sizeof(n))
		n = -1;
	close(up[0]);
	*leave = down[1];
	return n;
}

static int
visit(const char *url, uid_t uid, int count)
{
	int leave, n = guest(url, uid, NULL, count, &leave);

	close(leave);
	return n;
}

/* One user, or the users of a sandbox, do not shut others out. */
static void
crowd(const char *url)
{
	int a, b, n, i;

	if (geteuid() != 0)
		return;
	/* qemu-user knows nobody to ask. */
	n = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (n == -1) {
		printf("# who is connected cannot be found out here\n");
		return;
	}
	close(n);
	n = guest(url, 70000, "lo", 40, &a);
	UNIT_CHECK(n == 40, "some connections: %d", n);
	n = guest(url, 70001, NULL, 40, &b);
	UNIT_CHECK(n == 24, "one range of users has 64: %d", n);
	n = visit(url, 70000 + 65536, 3);
	UNIT_CHECK(n == 3, "another range is not kept out: %d", n);
	ask(url, "GET /guest HTTP/1.1\r\nHost: x\r\nConnection: close"
	    "\r\n\r\n");
	UNIT_CHECK(has("HTTP/1.1 "), "nor are we");
	close(a);
	close(b);
	/* That they have left is noticed a moment later. */
	for (i = 0; i < 100 && (n = visit(url, 70002, 30)) != 30; i++)
		usleep(20000);
	UNIT_CHECK(n == 30, "who leaves makes room: %d", n);
	n = visit(url, 12345, 260);
	UNIT_CHECK(n == 256, "a user of the machine has 256: %d", n);
}

int
main(void)
{
	static const char *const bad[] = { "", "x", ":80", "127.0.0.1",
	    "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:1x", "0.0.0.0:0",
	    "10.0.0.1:0", "example.com:0", NULL };
	struct serve_options o = { .name = "unit", .listen = "127.0.0.1:0",
	    .ops = &ops };
	struct buf line = BUF_INIT(1000);
	char dir[] = "/tmp/tl-unit.XXXXXX", url[64];
	struct serve *s, *t;
	struct fail f;
	pthread_t thread;
	int i, fd;

	serve_block_signals();
	if (mkdtemp(dir) == NULL || chdir(dir) == -1)
		abort();
	fd = open("file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (write(fd, "abcdefghij", 10) != 10)
		abort();
	close(fd);
	for (i = 0; bad[i] != NULL; i++) {
		o.listen = bad[i];
		UNIT_CHECK(serve_start(&o, &f) == NULL && f.status == EX_USAGE,
		    "address '%s' refused", bad[i]);
	}
	if (geteuid() == 0) {
		o.listen = "127.0.0.1:reserved";
		s = serve_start(&o, &f);
		UNIT_CHECK(s != NULL && atoi(strrchr(serve_url(s), ':') +
		    1) < 1024, "a port of root's");
		if (s != NULL)
			serve_stop(s);
	}
	o.listen = "127.0.0.1:0";
	s = serve_start(&o, &f);
	UNIT_CHECK(s != NULL, "listens");
	if (s == NULL)
		return unit_end();
	snprintf(url, sizeof(url), "%s", serve_url(s));
	UNIT_CHECK(strncmp(url, "http://127.0.0.1:", 17) == 0 &&
	    atoi(url + 17) > 0, "on a free port");
	o.listen = url + 7;
	t = serve_start(&o, &f);
	UNIT_CHECK(t == NULL && f.status == EX_UNAVAILABLE,
	    "a busy port: %s", t == NULL ? f.msg : "");

	crowd(url);
	addresses(url);
	headers(url);
	cut(url);
	bodies(url);
	refused_early(url);
	answers(url);
	unix_socket();

	/* Held open, and idle: it does not delay the end. */
	fd = dial(url);
	say(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	hear(fd, got, sizeof(got), "|GET");
	pthread_create(&thread, NULL, stopper, NULL);
	UNIT_CHECK(serve_run(s, "nowhere/ready", &f) == -1,
	    "a ready file that cannot be");
	UNIT_CHECK(serve_run(s, "ready", &f) == 0, "runs until told to end");
	pthread_join(thread, NULL);
	UNIT_CHECK(access("ready", F_OK) == -1,
	    "and takes its ready file away");
	serve_stop(s);
	UNIT_CHECK(hear(fd, got, sizeof(got), NULL) == 0, "all are sent home");
	close(fd);
	UNIT_CHECK(dial(url) == -1, "nobody listens");
	UNIT_CHECK(atomic_load(&begun) == atomic_load(&gone),
	    "gone once for each begun (%d, %d)", atomic_load(&begun),
	    atomic_load(&gone));
	buf_free(&line);
	unlink("file");
	if (chdir("/") == -1 || rmdir(dir) == -1)
		perror("# rmdir");
	return unit_end();
}
