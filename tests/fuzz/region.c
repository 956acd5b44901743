/*
 * Requests to platform-api and to a sandbox's proxy, without a connection: any
 * method, address, headers and body.  The first line is "METHOD TARGET", the
 * lines up to an empty one are headers, the rest is the body.
 */
#include "fuzz.h"

#include <sys/stat.h>

#include <unistd.h>

#include <microhttpd.h>

#include "core/hex.h"
#include "region/platform/api_impl.h"
#include "region/sandbox/proc.h"
#include "region/sandbox/procapi.h"
#include "region/sign/receipt_key.h"
#include "../tree.h"
#include "request.h"

static struct fail f;
static char root[] = "/tmp/tl-fuzz-region.XXXXXX";
static struct serve server = { .name = (char *)(uintptr_t)"fuzz" };
static struct api api = { .expire_s = 1 << 30, .attest = ATTEST_ACCEPT,
    .attest_age_s = 3600, .builder = { "i", "c", 1, 1, 1 } };
static struct config store = {
	.bucket = (char *)(uintptr_t)"b",
	/* Nobody is there. */
	.endpoint = (char *)(uintptr_t)"http://127.0.0.1:1",
	.region = (char *)(uintptr_t)"us-east-1",
	.access_key = (char *)(uintptr_t)"AK",
	.secret_key = (char *)(uintptr_t)"SK",
	.expires_s = 60,
};
static const struct host host = { .lock_fd = -1 };
/* One that has ended: nothing starts in it, and what it said is there. */
static struct sandbox sandbox = {
	.host = &host, .id = "sbx-1", .refs = 1, .status = SANDBOX_ENDED,
	.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER,
	.sock = -1, .wake = -1,
};
static struct proc proc = { .refs = 1, .state = PROC_ENDED, .pid = 7,
    .what = (char *)(uintptr_t)"{\"command\":\"sh\",\"args\":[]}",
    .result = 3 << 8, .fd = { -1, -1 }, .in = -1 };

static void
done(void)
{
	platform_close(api.platform);
	keys_free(api.keys);
	pool_free(api.pool);
	outlog_close(&proc.log);
	tree_remove(root);
}

static void
begin(void)
{
	static const char *const templates[][5] = {
		{ "t_a", "a", "s-0", "s3://b/k", "s3://b/p" },
		{ "t_p", "p", "s-p", "s3://b/p", NULL },
	};
	struct platform_template t[2];
	struct build b = { .id = (char *)(uintptr_t)"bld_1",
	    .project = (char *)(uintptr_t)"proj_1",
	    .name = (char *)(uintptr_t)"n",
	    .dockerfile = (char *)(uintptr_t)"FROM a",
	    .node_kind = (char *)(uintptr_t)"base",
	    .snapshot_id = (char *)(uintptr_t)"s-1",
	    .rel_path = (char *)(uintptr_t)"p/s", .created_at = time(NULL) };
	const struct platform_once once = { NULL, NULL };
	const struct buf answer = { .data = (char *)(uintptr_t)"{}", .len = 2 };
	uint8_t digest[SHA256_DIGEST_SIZE];
	char path[64], hex[2 * SHA256_DIGEST_SIZE + 1];
	struct sha256_ctx c;
	static char attest_keys[64];
	char line[RECEIPT_KEY_LINE];
	struct receipt_key own;
	FILE *keys;
	size_t i;

	MUST(mkdtemp(root) != NULL);
	atexit(done);
	sha256_init(&c);
	sha256_update(&c, 5, (const uint8_t *)"token");
	sha256_digest(&c, sizeof(digest), digest);
	hex_encode(hex, digest, sizeof(digest));
	umask(077);
	snprintf(path, sizeof(path), "%s/keys", root);
	MUST((keys = fopen(path, "w")) != NULL);
	fprintf(keys, "key %s k1 org_1 proj_1\n", hex);
	MUST(fclose(keys) == 0);
	MUST((api.keys = keys_load(path, &f)) != NULL);
	/* Nobody has the other half of it. */
	snprintf(path, sizeof(path), "%s/attest.key", root);
	snprintf(attest_keys, sizeof(attest_keys), "%s/attest.keys", root);
	MUST(receipt_key_make(path, &f) == 0 &&
	    receipt_key_load(&own, path, &f) == 0);
	receipt_key_line(&own, line);
	MUST((keys = fopen(attest_keys, "w")) != NULL);
	fprintf(keys, "%s\n", line);
	MUST(fclose(keys) == 0);
	api.attest_keys = attest_keys;
	snprintf(path, sizeof(path), "%s/db", root);
	MUST((api.platform = platform_open(path, &f)) != NULL);
	MUST((api.pool = pool_new(&f)) != NULL);
	api.reader = api.signer = &store;

	for (i = 0; i < 2; i++) {
		t[i] = (struct platform_template)PLATFORM_TEMPLATE_INIT;
		t[i].id = strdup(templates[i][0]);
		t[i].project = strdup("");
		t[i].name = strdup(templates[i][1]);
		t[i].snapshot_id = strdup(templates[i][2]);
		t[i].snapshot_uri = strdup(templates[i][3]);
		t[i].parent_uri = templates[i][4] == NULL ? NULL :
		    strdup(templates[i][4]);
		t[i].node_kind = strdup(i == 0 ? "diff" : "base");
		t[i].snapshot_bytes = t[i].rootfs_bytes = 1;
		t[i].public = true;
	}
	MUST(platform_seed(api.platform, t, 2, &f) == 0);
	platform_template_free(&t[0]);
	/* And one of the project's own. */
	free(t[1].id);
	t[1].id = NULL;
	free(t[1].project);
	t[1].project = strdup("proj_1");
	MUST(platform_template_put(api.platform, &t[1], &f) == 0);
	platform_template_free(&t[1]);
	MUST(platform_build_add(api.platform, &b, &once, &answer, &f) == 1);
	MUST(outlog_open(&proc.log, root, OUTLOG_MAX, &f) == 0);
	outlog_feed(&proc.log, OUTLOG_OUT, "a\nb\377", 4, 1);
	outlog_end(&proc.log, 2);
	sandbox.folder = root;
	sandbox.procs = &proc;
	sandbox.nprocs = 1;
}

/* A request as serve_exchange.c has it, up to its answer. */
static void
exchange(const char *method, char *target, const char *head, const char *body,
    bool processes)
{
	struct exchange x = { .s = &server };
	struct serve_request *r = &x.req;
	char *query = strchr(target, '?'), *path = strdup(target);
	char *copy = strdup(head);
	struct header token = { .name = (char *)(uintptr_t)"Authorization",
	    .value = (char *)(uintptr_t)"Bearer token" };

	MUST(copy != NULL && path != NULL);
	path[strcspn(path, "?")] = '\0';
	headers(&x, copy);
	free(copy);
	*x.asked_end = &token;
	r->method = method;
	r->target = target;
	r->path = path;
	r->query = query != NULL ? query + 1 : "";
	r->length = strlen(body);
	r->serve = &server;
	r->priv = &x;
	if (processes)
		r->keep_body = PROCAPI_BODY_MAX;
	else
		api_ops.begin(r, &api);
	r->body = (struct buf)BUF_INIT(BUF_DOC_MAX);
	if (x.response == NULL && r->length <= r->keep_body) {
		MUST(buf_adds(&r->body, body, &f) == 0);
		if (!processes)
			api_ops.done(r, &api);
		else if (!procapi_done(r, &sandbox))
			serve_error(r, 404, "NOT_FOUND", "no such address");
		MUST(x.response != NULL);
	}
	if (!processes)
		api_ops.gone(r, &api);
	if (x.response != NULL) {
		MUST(x.status >= 200 && x.status < 600 && x.status != 500);
		MHD_destroy_response(x.response);
	}
	/* Whoever held on to it has let go. */
	MUST(sandbox.refs == 1 && proc.refs == 1);
	*x.asked_end = NULL;
	serve_headers_free(x.asked);
	serve_headers_free(x.headers);
	buf_free(&r->body);
	free(path);
}

/* Where a body is read, whatever the address has become. */
static void
anywhere(const char *text, const char *head, const char *body)
{
	static const char *const addresses[] = {
		"/platform/v1/sandbox-template-builds",
		"/platform/v1/sandbox-template-builds/bld_1/complete",
		"/platform/v1/sandbox-templates",
		"/api/v1/processes",
	};
	size_t i = strlen(text) % 4;
	char target[64];

	snprintf(target, sizeof(target), "%s", addresses[i]);
	exchange("POST", target, head, body, i == 3);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	char *text = strndup((const char *)p, n), *head, *target, *body;
	char name[64] = "";
	struct serve_request r;

	MUST(text != NULL);
	if (api.platform == NULL)
		begin();
	head = text + strcspn(text, "\n");
	if (*head != '\0')
		*head++ = '\0';
	if (*head == '\n')
		body = head + 1, *head = '\0';
	else if ((body = strstr(head, "\n\n")) != NULL) {
		*body = '\0';
		body += 2;
	} else
		body = head + strlen(head);
	target = text + strcspn(text, " ");
	if (*target != '\0')
		*target++ = '\0';
	if (*target == '/') {
		r = (struct serve_request){ .method = text, .path = target };
		api_ops.name(&r, name, sizeof(name));
		MUST(memchr(name, '\0', sizeof(name)) != NULL);
		exchange(text, target, head, body, strncmp(target,
		    "/api/v1/processes", 17) == 0);
	}
	anywhere(target, head, body);
	free(text);
	return 0;
}

#define P	"/platform/v1/organizations/org_1/projects/proj_1/"

FUZZ_MAIN(((const char *const []){
	"POST " P "sandbox-template-builds\nIdempotency-Key: k\n\n{\"name\":\""
	"n\",\"dockerfile\":\"FROM a\\n\",\"baseImage\":\"a\",\"public\":false"
	",\"parentTemplate\":null,\"additionalLocalImages\":[],\"importImageRef"
	"erence\":null,\"rootfsNodeKind\":\"base\"}",
	"POST /platform/v1/sandbox-template-builds\nX-Tl-Answer: versioned\n\n{"
	"\"name\":\"n\",\"dockerfile\":\"FROM a\",\"public\":true,\"parentTemp"
	"late\":{\"templateId\":\"t_a\",\"name\":\"a\"},\"additionalLocalImages"
	"\":[{\"templateId\":\"t_p\",\"reference\":\"a:1\"},{\"x\":1}],\"rootfs"
	"NodeKind\":\"diff\"}",
	"POST " P "sandbox-template-builds\nX-Tl-Answer: legacy\n\n{\"name\":\"l"
	"\",\"dockerfile\":\"FROM a\",\"rootfsNodeKind\":\"base\"}",
	"POST " P "sandbox-template-builds/bld_1/complete\n\n{\"snapshotId\":\""
	"s-1\",\"snapshotUri\":\"s3://b/p/s\",\"snapshotFormatVersion\":\"durab"
	"le_archive_v1\",\"snapshotSizeBytes\":1,\"rootfsDiskBytes\":4096,\"root"
	"fsNodeKind\":\"base\",\"snapshotSha256\":null,\"attestation\":{\"rece"
	"ipt\":\"{}\",\"signature\":\"00\"}}",
	"POST /platform/v1/sandbox-template-builds/bld_1/complete\nIdempotency-K"
	"ey: a\n\n{\"snapshotId\":\"s-1\",\"snapshotUri\":\"s3://b/p/s\",\"snap"
	"shotFormatVersion\":\"v\",\"snapshotSizeBytes\":1,\"rootfsDiskBytes\":1"
	",\"rootfsNodeKind\":\"base\"}",
	"POST /platform/v1/sandbox-templates\n\n{\"name\":\"r\",\"dockerfile\":"
	"\"FROM a\",\"snapshotId\":\"s-2\",\"snapshotUri\":\"s3://b/q\",\"snaps"
	"hotSizeBytes\":1,\"rootfsDiskBytes\":4096,\"public\":false,\"rootfsNod"
	"eKind\":\"diff\",\"parentManifestUri\":\"s3://b/k\"}",
	"GET " P "sandbox-templates?pageSize=1&next=MQ&limit=2\n\n",
	"GET " P "sandbox-templates/by-name/a%2Fb\n\n",
	"DELETE //platform/v1/sandbox-templates/a\n\n",
	"GET /v1/namespaces/default/snapshots/s-p\n\n",
	"GET /v1/namespaces/default/snapshots?x=1\n\n",
	"POST /platform/v1/keys/introspect\nX-Forwarded-Project-Id: proj_1\n\n",
	"POST /api/v1/processes\n\n{\"command\":\"sh\",\"args\":[\"-c\",\"x\"],"
	"\"env\":{\"A\":\"b\"},\"working_dir\":\"/\",\"user\":\"root\",\"stdin_"
	"mode\":\"pipe\",\"timeout\":1.5}",
	"POST /api/v1/processes/run\n\n{\"command\":\"sh\",\"timeout\":3}",
	"POST /api/v1/processes/7/signal\n\n{\"signal\":15}",
	"GET /api/v1/processes/7/output\n\n",
	"GET /api/v1/processes/7/stdout/follow\n\n",
	"POST /api/v1/processes/7/stdin/close\n\n",
	"DELETE /api/v1/processes/7\n\n",
	"GET /api/v1/processes\n\n",
}));
