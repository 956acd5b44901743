/*
 * lib/region/serve/fault: rules and their counts; and what each kind does to
 * bytes.
 */

#include <sys/stat.h>
#include <sys/un.h>

#include <fcntl.h>
#include <sysexits.h>
#include <time.h>

#include "region/serve/fault.h"
#include "region/serve/serve.h"
#include "raw.h"
#include "unit.h"

static int handled;

static bool
pick(struct faults *a, const char *name, struct fault *hit)
{
	char line[512];

	memset(hit, 0, sizeof(*hit));
	return faults_pick(a, name, hit, line, sizeof(line));
}

static void
rules(void)
{
	static const char *const bad[] = { "part", "part:", ":reset",
	    "part:gone", "part:reset=5", "part:200", "part:40", "part:4000",
	    "part:reset@", "part:reset@0", "part:reset@2-1", "part:reset@x",
	    "part:slow=", "part:slow=x", "part:slow=99999999", "part:reset@1x",
	    "a-name-that-is-longer-than-names-are:reset" };
	struct faults *a;
	struct fault hit;
	struct fail f;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		a = faults_open(bad[i], NULL, &f);
		UNIT_CHECK(a == NULL && f.status == EX_CONFIG &&
		    strstr(f.msg, "TL_FAULT: ") != NULL, "refused: %s",
		    bad[i]);
		faults_free(a);
	}
	a = faults_open("part7:503@2 part:reset@4-5,*:slow=7@6-\n"
	    "# part:html\nput:refused", NULL, &f);
	UNIT_CHECK(a != NULL, "rules");
	if (a == NULL)
		return;
	UNIT_CHECK(!pick(a, "part7", &hit), "not the first");
	UNIT_CHECK(pick(a, "part7", &hit) && hit.kind == FAULT_STATUS &&
	    hit.status == 503, "the second");
	UNIT_CHECK(!pick(a, "part70", &hit), "part7 is not part70");
	UNIT_CHECK(pick(a, "part1", &hit) && hit.kind == FAULT_RESET,
	    "the fourth of any part");
	UNIT_CHECK(pick(a, "part", &hit) && hit.kind == FAULT_RESET, "fifth");
	UNIT_CHECK(pick(a, "part", &hit) && hit.kind == FAULT_SLOW &&
	    hit.ms == 7, "the sixth of all");
	UNIT_CHECK(!pick(a, "no", &hit) || hit.kind == FAULT_SLOW,
	    "and all that follow");
	UNIT_CHECK(pick(a, "put", &hit) && hit.kind == FAULT_SLOW,
	    "the first rule that applies");
	faults_free(a);
	a = faults_open("put:refused", NULL, &f);
	UNIT_CHECK(a != NULL && pick(a, "put", &hit) &&
	    hit.kind == FAULT_REFUSED && hit.ms == 300, "a default");
	faults_free(a);
}

static void
put_file(const char *path, const char *text)
{
	static long ns;
	struct timespec t[2] = { { .tv_sec = 1000000000 },
	    { .tv_sec = 1000000000 } };
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		abort();
	t[1].tv_nsec = ++ns;
	futimens(fd, t);
	close(fd);
}

static void
files(const char *path)
{
	struct faults *a;
	struct fault hit;
	struct fail f;
	char line[512];

	a = faults_open("put:404", path, &f);
	UNIT_CHECK(a != NULL && pick(a, "put", &hit) && hit.status == 404,
	    "without a file, the variable's");
	if (a == NULL)
		return;
	put_file(path, "put:409@1");
	UNIT_CHECK(pick(a, "put", &hit) && hit.status == 409, "the file's");
	UNIT_CHECK(!pick(a, "put", &hit), "once");
	put_file(path, "put:409@1");
	UNIT_CHECK(pick(a, "put", &hit) && hit.status == 409,
	    "counted afresh when it changes");
	put_file(path, "put:4o9@1");
	UNIT_CHECK(!faults_pick(a, "put", &hit, line, sizeof(line)) &&
	    strstr(line, path) != NULL && strstr(line, "put:4o9@1") != NULL,
	    "a malformed one is said: %s", line);
	UNIT_CHECK(!faults_pick(a, "put", &hit, line, sizeof(line)) &&
	    line[0] == '\0', "once");
	put_file(path, "");
	UNIT_CHECK(!pick(a, "put", &hit), "an empty one: none");
	unlink(path);
	UNIT_CHECK(pick(a, "put", &hit) && hit.status == 404,
	    "gone: the variable's again");
	faults_free(a);
	put_file(path, "put");
	a = faults_open(NULL, path, &f);
	UNIT_CHECK(a == NULL && f.status == EX_CONFIG, "malformed at start");
	faults_free(a);
	unlink(path);
}

static ssize_t
read_ten(void *arg, uint64_t pos, char *p, size_t n)
{
	(void)arg;
	(void)pos;
	memset(p, 'r', n);
	return (ssize_t)n;
}

static ssize_t
stream_ten(void *arg, char *p, size_t n)
{
	int *left = arg;

	(void)n;
	if (--*left < 0)
		return -1;
	memcpy(p, "stream ten", 10);
	return 10;
}

static void
done(struct serve_request *r, void *arg)
{
	static int left;
	int fd;

	handled++;
	if (strcmp(r->path, "/read") == 0)
		serve_reply_read(r, 200, "text/plain", 10, read_ten, NULL,
		    NULL);
	else if (strcmp(r->path, "/stream") == 0) {
		left = 3;
		serve_reply_stream(r, 200, "text/plain", stream_ten, NULL,
		    &left);
	} else if (strcmp(r->path, "/file") == 0) {
		fd = open(arg, O_RDONLY | O_CLOEXEC);
		serve_reply_file(r, 200, "text/plain", fd, 5, 10);
	} else if (strcmp(r->path, "/empty") == 0)
		serve_reply(r, 204, NULL, "", 0);
	else
		serve_reply(r, 200, "text/plain", "0123456789", 10);
}

static void
name(const struct serve_request *r, char *text, size_t size)
{
	snprintf(text, size, "%s", r->path + 1);
}

static const char *
get(const char *url, const char *path)
{
	char raw[256];

	snprintf(raw, sizeof(raw), "GET %s HTTP/1.1\r\nHost: x\r\n"
	    "Connection: close\r\n\r\n", path);
	return ask(url, raw);
}

static int64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void
wire(const char *url, const char *path)
{
	static const char *const four[] = { "/x", "/read", "/file",
	    "/stream" };
	static const char *const half[] = { "\r\n\r\n01234", "\r\n\r\nrrrrr",
	    "\r\n\r\nfghij", "\r\n\r\n5\r\nstrea\r\n" };
	int64_t begun;
	size_t i, n;
	int before, fd, last;

	get(url, "/x");
	UNIT_CHECK(has("200 OK") && has("0123456789"), "no faults");

	put_file(path, "*:cut");
	for (i = 0; i < 4; i++) {
		get(url, four[i]);
		n = strlen(got);
		UNIT_CHECK((i == 3 || has("Content-Length: 10\r\n")) &&
		    n > strlen(half[i]) &&
		    strcmp(got + n - strlen(half[i]), half[i]) == 0,
		    "%s is cut", four[i]);
	}
	get(url, "/empty");
	UNIT_CHECK(strcmp(got, "HTTP/1.1 20") == 0, "a head is cut");

	put_file(path, "*:wrong-length");
	for (i = 0; i < 4; i++) {
		get(url, four[i]);
		n = strlen(got);
		UNIT_CHECK(i == 3 ? has("5\r\nstrea\r\n0\r\n\r\n") :
		    has("Content-Length: 5\r\n") &&
		    strcmp(got + n - strlen(half[i]), half[i]) == 0,
		    "%s is less than it should be", four[i]);
	}

	before = handled;
	put_file(path, "x:html@1 x:503@2 x:429@3 x:401@4 x:200-error@5 "
	    "x:reset@6");
	get(url, "/x");
	UNIT_CHECK(has("200 OK") && has("text/html") && has("<html>"), "html");
	get(url, "/x");
	UNIT_CHECK(has("HTTP/1.1 503 ") && has("\"error\": "), "503");
	get(url, "/x");
	UNIT_CHECK(has("HTTP/1.1 429 ") && has("Retry-After: 1\r\n"), "429");
	get(url, "/x");
	UNIT_CHECK(has("HTTP/1.1 401 ") && has("WWW-Authenticate: Bearer"),
	    "401");
	get(url, "/x");
	UNIT_CHECK(has("HTTP/1.1 200 OK") && has("\"error\": "), "200-error");
	UNIT_CHECK(*get(url, "/x") == '\0', "reset");
	UNIT_CHECK(handled == before, "none of these was handled");

	put_file(path, "x:reset-after x:no-answer=100@2");
	UNIT_CHECK(*get(url, "/x") == '\0', "reset-after");
	UNIT_CHECK(handled == before + 1, "was handled");
	put_file(path, "x:no-answer=150");
	begun = now_ms();
	UNIT_CHECK(*get(url, "/x") == '\0' && now_ms() - begun >= 150,
	    "no-answer");
	UNIT_CHECK(handled == before + 2, "was handled");
	put_file(path, "x:slow=150");
	begun = now_ms();
	get(url, "/x");
	UNIT_CHECK(has("0123456789") && now_ms() - begun >= 150, "slow");

	put_file(path, "x:refused=300");
	begun = now_ms();
	UNIT_CHECK(*get(url, "/x") == '\0' && now_ms() - begun < 300,
	    "refused: reset first");
	UNIT_CHECK(dial(url) == -1, "then nobody listens");
	while ((fd = dial(url)) == -1 && now_ms() - begun < 5000)
		usleep(10000);
	UNIT_CHECK(fd != -1 && now_ms() - begun >= 300, "then it does again");
	close(fd);
	put_file(path, "x:refused-after=300");
	last = dial(url);
	say(last, "GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
	hear(last, got, sizeof(got), "0123456789");
	UNIT_CHECK(has("0123456789") && dial(url) == -1,
	    "refused-after: answered, then nobody listens");
	close(last);
	begun = now_ms();
	while ((fd = dial(url)) == -1 && now_ms() - begun < 5000)
		usleep(10000);
	UNIT_CHECK(fd != -1, "then it does again");
	close(fd);
	unlink(path);
	get(url, "/x");
	UNIT_CHECK(has("0123456789"), "no faults any more");
}

/* The end of the server does not wait for a fault's. */
static void
unix_refused(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	UNIT_CHECK(connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0,
	    "is there");
	say(fd, "GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
	UNIT_CHECK(hear(fd, got, sizeof(got), NULL) == 0, "ends unanswered");
	close(fd);
	UNIT_CHECK(access(path, F_OK) == -1, "and is not there");
}

int
main(void)
{
	char dir[] = "/tmp/tl-unit-fault.XXXXXX";
	static const struct serve_ops ops = { .done = done, .name = name };
	struct serve_options o = { .name = "unit", .listen = "127.0.0.1:0",
	    .ops = &ops };
	struct serve *s;
	struct fail f;
	char path[64], text[64];

	serve_block_signals();
	if (mkdtemp(dir) == NULL)
		abort();
	snprintf(path, sizeof(path), "%s/fault", dir);
	snprintf(text, sizeof(text), "%s/text", dir);
	put_file(text, "abcdefghijklmnopqrstuvwxyz");
	rules();
	files(path);

	unsetenv("TL_FAULT");
	o.arg = text;
	s = serve_faults(&o, path, &f) == -1 ? NULL : serve_start(&o, &f);
	UNIT_CHECK(s != NULL, "listens");
	if (s != NULL)
		wire(serve_url(s), path);
	serve_stop(s);

	snprintf(text, sizeof(text), "unix:%s/sock", dir);
	o.listen = text;
	setenv("TL_FAULT", "x:refused=60000", 1);
	s = serve_faults(&o, NULL, &f) == -1 ? NULL : serve_start(&o, &f);
	UNIT_CHECK(s != NULL, "a unix socket");
	if (s != NULL)
		unix_refused(text + 5);
	serve_stop(s);

	snprintf(text, sizeof(text), "%s/text", dir);
	unlink(text);
	unlink(path);
	UNIT_CHECK(rmdir(dir) == 0, "nothing is left");
	return unit_end();
}
