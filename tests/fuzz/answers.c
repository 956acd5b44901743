/*
 * Whatever a server answers, to every request of the client's side: a thread
 * answers on loopback, and each function that asks gets that.
 *
 * The text's first line is a status of a list and, behind a blank, a header;
 * the rest are bodies, with a line "--" between: of the first request, the
 * second, and so on, and the last one of all that follow.
 */
#include "fuzz.h"

#include <sys/mman.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio_ext.h>
#include <sysexits.h>
#include <unistd.h>

#include "client/cloud/answer.h"
#include "client/images/image_chain.h"
#include "client/images/image_find.h"
#include "client/images/image_list.h"
#include "client/images/image_register.h"
#include "client/images/image_table.h"
#include "client/ledger/abort.h"
#include "client/sandbox/diagnose.h"
#include "client/sandbox/files.h"
#include "client/sandbox/lifecycle.h"
#include "client/sandbox/process_follow.h"
#include "client/sandbox/process_run.h"
#include "client/sandbox/process_start.h"
#include "client/stages/attest.h"
#include "client/stages/complete.h"
#include "client/stages/prepare.h"
#include "client/stages/sign.h"
#include "core/http.h"

#define TOKEN	"tok-0123456789abcdef"

/* What is answered now.  Nobody asks while it changes. */
static struct {
	int		 status;
	char		 header[256];
	const char	*body, *end;	/* of the next answer, and of all */
} now;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct fail f;
static struct http *http;
static struct cloud cloud = { .lifecycle_ns = true,
    .ns = (char *)(uintptr_t)"default", .token = (char *)(uintptr_t)TOKEN };
static struct sandbox sandbox = { .id = (char *)(uintptr_t)"sbx-1" };
static struct exchange x;
static struct reach reach;
static bool sent;	/* the token, in what is asked now */

static void
answer(int s)
{
	static char text[1 << 17];
	const char *body, *end;
	size_t n;

	pthread_mutex_lock(&lock);
	body = now.body;
	end = memmem(body, (size_t)(now.end - body), "\n--\n", 4);
	if (end != NULL)
		now.body = end + 4;
	else
		end = now.end;
	n = (size_t)snprintf(text, sizeof(text), "HTTP/1.1 %d X\r\n"
	    "Content-Type: application/json\r\n%s%sContent-Length: %zu\r\n\r\n",
	    now.status, now.header, now.header[0] != '\0' ? "\r\n" : "",
	    now.status == 204 ? 0 : (size_t)(end - body));
	if (now.status != 204) {
		memcpy(text + n, body, (size_t)(end - body));
		n += (size_t)(end - body);
	}
	pthread_mutex_unlock(&lock);
	(void)send(s, text, n, MSG_NOSIGNAL);
}

/* The bytes of a request's body behind its head: length, or chunks. */
static int
skip(FILE *in, const char *head)
{
	const char *p = strcasestr(head, "\r\nContent-Length:");
	unsigned long n = p != NULL ? strtoul(p + 17, NULL, 10) : 0;
	char line[32];

	while (n > 0 || strcasestr(head, "\r\nTransfer-Encoding:") != NULL) {
		if (n == 0) {
			if (fgets(line, sizeof(line), in) == NULL)
				return -1;
			if ((n = strtoul(line, NULL, 16) + 2) == 2)
				return fgets(line, sizeof(line), in) == NULL ?
				    -1 : 0;
		}
		for (; n > 0; n--)
			if (getc(in) == EOF)
				return -1;
		if (p != NULL)
			break;
	}
	return 0;
}

static void *
connection(void *arg)
{
	int s = (int)(intptr_t)arg, one = 1;
	char head[16384];
	FILE *in = fdopen(s, "r");
	size_t n = 0;

	if (in == NULL)
		abort();
	/* One that waits for a request would hold up exit(3) from glibc 2.38. */
	__fsetlocking(in, FSETLOCKING_BYCALLER);
	setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	while (n < sizeof(head) - 1 && fgets(head + n, (int)(sizeof(head) - n),
	    in) != NULL) {
		n += strlen(head + n);
		if (n < 4 || memcmp(head + n - 4, "\r\n\r\n", 4) != 0)
			continue;
		if (strcasestr(head, "\r\nExpect:") != NULL)
			(void)send(s, "HTTP/1.1 100 C\r\n\r\n", 18,
			    MSG_NOSIGNAL);
		if (skip(in, head) == -1)
			break;
		answer(s);
		n = 0;
	}
	fclose(in);
	return NULL;
}

static void *
serve(void *arg)
{
	int s, listener = (int)(intptr_t)arg;
	pthread_t t;

	while ((s = accept(listener, NULL, NULL)) != -1)
		if (pthread_create(&t, NULL, connection,
		    (void *)(intptr_t)s) != 0 || pthread_detach(t) != 0)
			abort();
	return NULL;
}

static void
begin(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(a);
	static char url[64];
	pthread_t t;

	MUST(s != -1 && bind(s, (struct sockaddr *)&a, len) == 0 &&
	    listen(s, 64) == 0 &&
	    getsockname(s, (struct sockaddr *)&a, &len) == 0);
	MUST(pthread_create(&t, NULL, serve, (void *)(intptr_t)s) == 0);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d", ntohs(a.sin_port));
	cloud.api = cloud.lifecycle = sandbox.proxy_url = url;
	/* No wait is as long as a second of it says. */
	setenv("TL_RETRY_SECOND_MS", "1", 1);
	MUST((http = http_new(&f)) != NULL);
	exchange_init(&x, http, &cloud);
	reach_init(&reach, &x, &sandbox);
}

/* The next one is asked from the first body on. */
static void
turn(const char *text, size_t n)
{
	static const int status[] = { 200, 201, 204, 302, 400, 401, 403, 404,
	    405, 409, 410, 422, 500 };
	const char *nl = memchr(text, '\n', n), *p, *end = text + n;
	size_t len, i;
	int number = atoi(text);

	pthread_mutex_lock(&lock);
	now.status = 200;
	for (i = 0; i < sizeof(status) / sizeof(status[0]); i++)
		if (status[i] == number)
			now.status = number;
	p = memchr(text, ' ', n);
	len = nl == NULL || p == NULL || p > nl ? 0 : (size_t)(nl - p - 1);
	if (len >= sizeof(now.header))
		len = sizeof(now.header) - 1;
	if (len > 0)
		memcpy(now.header, p + 1, len);
	now.header[len] = '\0';
	/* One header: another length would be waited for. */
	if (strspn(now.header, "abcdefghijklmnopqrstuvwxyz-") == 0 ||
	    strchr(now.header, '\r') != NULL ||
	    strncasecmp(now.header, "content-", 8) == 0 ||
	    strncasecmp(now.header, "connection", 10) == 0 ||
	    strncasecmp(now.header, "retry-", 6) == 0 ||
	    strncasecmp(now.header, "t", 1) == 0 ||
	    strchr(now.header, ':') == NULL)
		now.header[0] = '\0';
	now.body = nl != NULL ? nl + 1 : end;
	now.end = end;
	pthread_mutex_unlock(&lock);
}

/* Whatever is said is a line that a terminal may see, without the token. */
static int
said(int r)
{
	const char *p;

	if (r != -1)
		return r;
	MUST(f.status >= EX_USAGE && f.status <= EX_CONFIG);
	MUST(f.msg[0] != '\0' && (!sent || strstr(f.msg, TOKEN) == NULL));
	for (p = f.msg; *p != '\0'; p++)
		MUST((unsigned char)*p >= 0x20 && *p != 0x7f);
	return r;
}

static void
doubt(const char *line)
{
	MUST(strchr(line, '\n') == NULL && strstr(line, TOKEN) == NULL);
}

/* What was put out is one JSON text. */
static void
whole(int r, struct buf *out)
{
	struct span doc;

	if (said(r) != -1)
		MUST(span_parse(&doc, out->data, out->len, &f) == 0);
	buf_clear(out);
}

static void
stages(const char *text, size_t n, struct buf *out)
{
	static char plan_text[] = "{\"name\":\"n\",\"public\":false,"
	    "\"dockerfile\":\"FROM a\\n\",\"baseImage\":\"a\",\"references\":"
	    "[{\"reference\":\"a\",\"line\":1,\"role\":\"base\"}],"
	    "\"ignored\":[],\"unresolvable\":[]}";
	static char prepared_text[] = "{\"buildId\":\"b-1\",\"snapshotId\":"
	    "\"s-1\",\"rootfsNodeKind\":\"diff\",\"snapshotRelPath\":\"p/s\","
	    "\"parent\":{\"parentManifestUri\":\"s3://b/p\","
	    "\"rootfsDiskBytes\":1},\"builder\":{\"image\":\"i\",\"command\":"
	    "\"c\",\"cpus\":1,\"memoryMb\":1,\"diskMb\":1},"
	    "\"additionalLocalImages\":[{\"snapshotUri\":\"s3://b/i\"}]}";
	struct buf prepared_buf = { prepared_text, sizeof(prepared_text) - 1,
	    sizeof(prepared_text), sizeof(prepared_text) };
	struct completion c = { .snapshot_id = (char *)(uintptr_t)"s-1",
	    .snapshot_uri = (char *)(uintptr_t)"s3://b/s", .snapshot_bytes = 1,
	    .format_version = (char *)(uintptr_t)"v", .disk_bytes = 1,
	    .node_kind = (char *)(uintptr_t)"base" };
	struct attest attest = { .http = http, .cloud = &cloud, .doubt = doubt,
	    .sandbox = &sandbox };
	struct sign sign = { .http = http, .cloud = &cloud, .doubt = doubt,
	    .sandbox = &sandbox };
	struct prepared prepared = PREPARED_INIT;
	struct prepare prepare = PREPARE_INIT;
	struct span doc;
	int r;

	turn(text, n);
	MUST(span_parse(&doc, plan_text, sizeof(plan_text) - 1, &f) == 0);
	MUST(prepare_plan(&prepare, &doc, &f) == 0);
	if (said(prepare_lookup(&prepare, http, &cloud, NULL, &f)) == 0)
		MUST(!prepare.refs[0].found ||
		    prepare.refs[0].template.id != NULL);
	whole(prepare_post(&prepare, http, &cloud, "Idempotency-Key: k", NULL,
	    out, &f), out);
	prepare_free(&prepare);
	turn(text, n);
	whole(complete_post(&c, "b-1", http, &cloud, NULL, NULL, NULL, out,
	    &f), out);
	turn(text, n);
	whole(attest_ask(&attest, "p/s", NULL, out, &f), out);

	MUST(prepared_parse(&prepared, &prepared_buf, EX_DATAERR, &f) == 0);
	turn(text, n);
	r = sign_prepared(&sign, &prepared, 2, 5 << 20, out, &f);
	/* What aborts it is asked of the same server, and no other. */
	if (r == 0 && memmem(out->data, out->len, "//", 2) == NULL)
		sign_undo(&sign, out);
	whole(r, out);
	turn(text, n);
	whole(sign_get(&sign, "x", "s3://b/x", out, &f), out);
	prepared_free(&prepared);
}

static void
sandboxes(const char *text, size_t n, struct buf *out)
{
	struct lifecycle life = LIFECYCLE_INIT;
	struct diagnosis d = { .full = 0 };

	life.image = strdup("i");
	life.cpus = 1;
	turn(text, n);
	if (said(lifecycle_create(&x, &life, "k", &f)) == 0)
		MUST(life.id != NULL && sandbox_word(life.id, SANDBOX_ID_NOT));
	else
		MUST(life.id == NULL || sandbox_word(life.id, SANDBOX_ID_NOT));
	free(life.id);
	life.id = strdup("sbx-1");
	turn(text, n);
	if (said(lifecycle_get(&x, &life, &f)) == 0) {
		MUST(life.status != NULL);
		whole(lifecycle_write(&life, out, &f), out);
	}
	lifecycle_free(&life);
	turn(text, n);
	said(lifecycle_delete(&x, "sbx-1", 0, &f));
	turn(text, n);
	said(diagnose_ask(&d, &reach, 1, &f));
	said(diagnose_advice(&d, out, &f));
	buf_clear(out);
}

static int
on_line(void *arg, enum process_stream stream, const char *p, size_t n,
    struct fail *why)
{
	(void)arg;
	(void)stream;
	(void)why;
	MUST(memchr(p, '\n', n) == NULL);
	return 0;
}

static void
processes(const char *text, size_t n)
{
	static const char *const args[] = { "a", NULL };
	const struct process what = { .command = "sh", .args = args };
	struct process_link link = { .reach = &reach, .line = on_line,
	    .second_ms = 1 };
	struct files files = { .reach = &reach };
	struct process_end end = { .pid = 0 };
	int64_t pid = 0;
	uint64_t size;
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	MUST(fd != -1);
	turn(text, n);
	if (said(process_start(&link, &what, &pid, &f)) == 0)
		MUST(pid > 0);
	turn(text, n);
	if (said(process_follow(&link, 7, &end, &f)) == 0)
		MUST(process_status(&end) >= 0 && process_status(&end) < 256);
	turn(text, n);
	said(process_kill(&link, 7, &f));
	turn(text, n);
	if (said(files_get(&files, "/x", fd, &size, &f)) == 0)
		MUST(lseek(fd, 0, SEEK_CUR) == (off_t)size);
	lseek(fd, 0, SEEK_SET);
	turn(text, n);
	said(files_put(&files, "/x", fd, true, &size, &f));
	close(fd);
}

static void
images(const char *text, size_t n, struct buf *out)
{
	static const char image_text[] = "{\"id\":\"t\",\"snapshotUri\":"
	    "\"s3://b/t\",\"rootfsNodeKind\":\"diff\",\"snapshotId\":\"s\"}";
	const struct buf dockerfile = { .data = (char *)(uintptr_t)"FROM a",
	    .len = 6 };
	const struct image_registration as = { .name = "n",
	    .dockerfile = &dockerfile, .snapshot = "s-1" };
	struct image_server server = { http, &cloud, NULL };
	struct image_chain chain = IMAGE_CHAIN_INIT;
	struct image_list list = IMAGE_LIST_INIT;
	struct span doc;
	size_t i;

	turn(text, n);
	if (said(image_find(&server, "n", out, &f)) == 1)
		MUST(span_parse(&doc, out->data, out->len, &f) == 0 &&
		    span_is_object(&doc));
	buf_clear(out);
	turn(text, n);
	said(image_delete(&server, "n", out, &f));
	buf_clear(out);
	turn(text, n);
	if (said(image_list_load(&list, &server, &f)) == 0) {
		whole(image_array(&list, out, &f), out);
		said(image_table(&list, out, &f));
		for (i = 0; i < out->len; i++)
			MUST((unsigned char)out->data[i] >= 0x20 ||
			    out->data[i] == '\n');
		buf_clear(out);
	}
	image_list_free(&list);
	turn(text, n);
	whole(image_register(&server, &as, out, &f), out);
	MUST(span_parse(&doc, image_text, sizeof(image_text) - 1, &f) == 0);
	turn(text, n);
	if (said(image_chain_find(&chain, &server, &doc, &f)) == 0)
		MUST(chain.n >= 1 && chain.n <= IMAGE_CHAIN_MAX);
	image_chain_free(&chain);
}

/* Signed blocks whose URLs are this server's. */
static void
blocks(const char *text, size_t n)
{
	struct image_server server = { http, &cloud, NULL };
	char block[256];
	struct span doc;
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	MUST(fd != -1);
	snprintf(block, sizeof(block), "{\"kind\":\"single_get\",\"url\":"
	    "\"%s/x?s=1\",\"abortUrl\":\"%s/a\"}", cloud.api, cloud.api);
	MUST(span_parse(&doc, block, strlen(block), &f) == 0);
	turn(text, n);
	if (said(image_fetch(&server, &doc, 5, fd, &f)) == 0)
		MUST(lseek(fd, 0, SEEK_END) == 5);
	turn(text, n);
	said(abort_upload(http, &doc, 1, NULL, &f));
	close(fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct buf out = BUF_INIT(BUF_DOC_MAX);
	char *text;

	if (n > 60000)
		return 0;
	/* atoi() and the like want its end. */
	MUST((text = malloc(n + 1)) != NULL);
	memcpy(text, p, n);
	text[n] = '\0';
	if (http == NULL)
		begin();
	sent = true;
	stages(text, n, &out);
	sandboxes(text, n, &out);
	processes(text, n);
	images(text, n, &out);
	sent = false;
	blocks(text, n);
	buf_free(&out);
	free(text);
	return 0;
}

FUZZ_MAIN(((const char *const []){
	"200 \n{\"id\":\"t-1\",\"name\":\"n\",\"snapshotId\":\"s-1\",\"snapshot"
	"Uri\":\"s3://b/t\",\"public\":true,\"rootfsNodeKind\":\"base\",\"statu"
	"s\":\"running\",\"sandbox_url\":\"http://h\",\"routing_hint\":\"n1\"}"
	"\n--\n{\"buildId\":\"b-1\",\"snapshotId\":\"s-1\",\"rootfsNodeKind\":"
	"\"base\",\"snapshotUri\":\"s3://b/k\",\"builder\":{\"image\":\"i\",\"c"
	"ommand\":\"c\",\"cpus\":1.5,\"memoryMb\":1,\"diskMb\":1}}",
	"200 \n{\"kind\":\"s3_multipart\",\"uri\":\"s3://b/k\",\"uploadId\":\"u"
	"\",\"partSizeBytes\":5242880,\"partUrls\":[\"/1\",\"/2\"],\"completeUr"
	"l\":\"/c\",\"abortUrl\":\"/a\"}\n--\n{\"kind\":\"single_get\",\"method"
	"\":\"GET\",\"url\":\"/g\",\"headers\":{},\"expiresAt\":\"2026-06-02T00"
	":00:00Z\"}",
	"200 \n{\"processes\":[{\"pid\":6,\"command\":\"sh\",\"args\":[\"a\"],"
	"\"status\":\"running\"}]}\n--\n{\"pid\":7,\"command\":\"sh\",\"status"
	"\":\"running\"}\n--\n{\"pid\":7,\"status\":\"exited\",\"exit_code\":3}",
	"200 content-type: text/event-stream\nevent: output\ndata: {\"line\":\""
	"x\",\"stream\":\"stdout\",\"timestamp\":1}\n\nevent: eof\ndata: {}\n\n"
	"--\n{\"pid\":7,\"status\":\"signaled\",\"signal\":9}",
	"200 link: </x?page=2>; rel=\"next\"\n{\"items\":[{\"id\":\"t\",\"name"
	"\":\"n\",\"snapshotUri\":\"s3://b/t\",\"rootfsDiskBytes\":1},{\"id\":"
	"\"u\",\"snapshotUri\":\"s3://b/u\"}],\"pagination\":{\"next\":\"/y\"},"
	"\"next\":\"/z\"}\n--\n{\"items\":[]}",
	"200 \n{\"status\":\"completed\",\"sandbox_id\":\"sbx-1\",\"snapshot_ur"
	"i\":\"s3://b/s\",\"size_bytes\":8,\"rootfs_disk_bytes\":4096}\n--\n{\""
	"id\":\"t-2\",\"name\":\"n\"}",
	"200 \n{\"receipt\":\"{\\\"a\\\":1}\",\"signature\":\"00\",\"stdout\":"
	"\"Filesystem 1024-blocks Used Available Capacity Mounted on\\n/dev/vda"
	" 10 9 1 97% /\\n\",\"stderr\":\"<6>oom-kill:\"}",
	"201 \n{\"sandbox_id\":\"sbx-2\",\"status\":\"pending\"}\n--\n{\"id\":"
	"\"sbx-1\",\"namespace\":\"default\",\"status\":\"terminated\",\"outcom"
	"e\":\"x\",\"resources\":{\"cpus\":1.0,\"memory_mb\":1}}",
	"400 \n{\"error\":{\"message\":\"no\",\"code\":\"C\"},\"token\":\"" TOKEN
	"\"}",
	"403 \n<Error><Code>AccessDenied</Code><Message>Request has expired</Me"
	"ssage></Error>",
	"404 \n{\"error\":\"SANDBOX_NOT_FOUND\"}\n--\n{\"items\":[]}",
	"409 \n{\"error\":\"exists\"}",
	"302 location: /elsewhere\n",
	"500 \nhello",
	"204 \n",
	"200 \n<html>a page</html>",
	"200 etag: \"x\"\nhello",
}));
