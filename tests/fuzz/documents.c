/*
 * Documents, files and streams that others write and the client's side reads:
 * prepared, sandbox, template and image documents, process lists, settings of
 * Docker, ledgers, a journal of parts, blocks, a build's log, Dockerfiles to be
 * made older.  All of them get whatever it is.
 */
#include "fuzz.h"

#include <sys/mman.h>

#include <fcntl.h>
#include <sysexits.h>
#include <unistd.h>

#include "builder/upload/block.h"
#include "builder/upload/journal.h"
#include "client/display/progress.h"
#include "client/images/image_digest.h"
#include "client/images/image_register.h"
#include "client/ledger/abort.h"
#include "client/ledger/expiry.h"
#include "client/ledger/ledger.h"
#include "client/registry/dockercfg.h"
#include "client/sandbox/diagnose.h"
#include "client/sandbox/lifecycle.h"
#include "client/sandbox/process.h"
#include "client/sandbox/sandbox.h"
#include "client/stages/attest.h"
#include "client/stages/disk.h"
#include "client/stages/prepare.h"
#include "client/stages/prepared.h"
#include "client/stages/template.h"
#include "dockerfile/dockerfile.h"
#include "dockerfile/lower.h"

static struct fail f;

/* Whatever is said is a line that a terminal may see. */
static void
said(int r)
{
	const char *p;

	if (r != -1)
		return;
	MUST(f.status != 0);
	for (p = f.msg; *p != '\0'; p++)
		MUST((unsigned char)*p >= 0x20 && *p != 0x7f);
}

static void
stages(const struct span *doc, struct buf *text)
{
	struct prepared prepared = PREPARED_INIT;
	struct prepare prepare = PREPARE_INIT;
	struct template template = TEMPLATE_INIT;
	struct buf out = BUF_INIT(BUF_DOC_MAX);
	struct span block;
	uint64_t mb = 1;
	time_t first;
	int r;

	said(r = prepared_parse(&prepared, text, EX_DATAERR, &f));
	if (r == 0) {
		MUST(prepared.build_id != NULL);
		said(disk_bytes(doc, &mb, &mb, &f));
	}
	said(r = prepare_plan(&prepare, doc, &f));
	if (r == 0)
		said(prepare_body(&prepare, &out, &f));
	said(r = template_parse(&template, doc, &f));
	if (r == 0)
		said(template_eligible(&template, "a", &f));
	said(expiry_find(doc, &first, &f));
	said(r = abort_find(doc, &block, &f));
	if (r == 1)
		MUST(span_is_object(&block));
	said(attest_block(doc, &block, &f));
	prepared_free(&prepared);
	prepare_free(&prepare);
	template_free(&template);
	buf_free(&out);
}

static void
sandboxes(const struct span *doc)
{
	static const char *const args[] = { "a", NULL };
	const struct process what = { .command = "sh", .args = args };
	struct lifecycle life = LIFECYCLE_INIT, again = LIFECYCLE_INIT;
	struct lifecycle asked = LIFECYCLE_INIT;
	struct sandbox sandbox = SANDBOX_INIT;
	struct buf out = BUF_INIT(BUF_DOC_MAX);
	struct process_end end = { .pid = 0 };
	struct span back;
	int64_t pid;
	bool vague;

	said(sandbox_read(&sandbox, doc, &f));
	sandbox_free(&sandbox);
	if (lifecycle_read(&life, doc, &f) == 0 &&
	    lifecycle_write(&life, &out, &f) == 0) {
		MUST(span_parse(&back, out.data, out.len, &f) == 0);
		MUST(lifecycle_read(&again, &back, &f) == 0);
	}
	buf_clear(&out);
	if (lifecycle_body(&life, &out, &f) == 0 && out.len > 0)
		said(lifecycle_unbody(&asked, out.data, &f));
	lifecycle_free(&life);
	lifecycle_free(&again);
	lifecycle_free(&asked);
	buf_free(&out);
	said(process_ended(doc, &end, &vague, &f));
	(void)process_status(&end);
	said(process_find(doc, NULL, &what, &pid, &f));
	(void)process_listed(doc, 7);
}

static void
images(const struct span *doc)
{
	const struct buf dockerfile = { .data = (char *)(uintptr_t)"FROM a",
	    .len = 6 };
	const struct image_registration as = { .name = "n",
	    .dockerfile = &dockerfile, .snapshot = "s" };
	struct image_source source = IMAGE_SOURCE_INIT;
	struct buf out = BUF_INIT(BUF_DOC_MAX);
	struct block block = BLOCK_INIT;
	struct buf url = BUF_INIT(BUF_SMALL_MAX);
	int r;

	said(image_digest(doc, &out, &f));
	buf_clear(&out);
	said(r = image_source_read(&source, doc, &f));
	if (r == 0)
		said(image_register_body(&as, &source, &out, &f));
	image_source_free(&source);
	r = block_read(&block, doc, &f);
	if (r == 0)
		r = block_fit(&block, "block", 100, &f);
	said(r);
	if (r == 0 && !block.single) {
		MUST(block.nparts >= 1 && block.nparts <= block.nurls);
		said(block_url(&block, block.nparts - 1, &url, &f));
	}
	block_free(&block);
	buf_free(&url);
	buf_free(&out);
}

/* A file of these bytes, without one. */
static int
file_of(const char *p, size_t n, char path[64])
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	MUST(fd != -1 && write(fd, p, n) == (ssize_t)n &&
	    lseek(fd, 0, SEEK_SET) == 0);
	snprintf(path, 64, "/proc/self/fd/%d", fd);
	return fd;
}

static void
on_part(void *arg, uint64_t number, const unsigned char md5[PARTSUM_LEN],
    const char *etag)
{
	(void)arg;
	(void)md5;
	MUST(number >= 1 && etag != NULL);
}

static void
files(const char *p, size_t n)
{
	struct ledger_list list = { .n = 0 };
	struct journal *journal;
	char path[64];
	size_t i;
	int fd = file_of(p, n, path);

	if (ledger_read(&list, fd, "ledger", &f) == 0)
		for (i = 0; i < list.n; i++)
			MUST(list.list[i].key != NULL);
	ledger_list_free(&list);
	close(fd);
	/* It is no link's target, and stays where it is. */
	snprintf(path, sizeof(path), "/tmp/tl-fuzz-journal.%ld",
	    (long)getpid());
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	MUST(fd != -1 && write(fd, p, n) == (ssize_t)n);
	close(fd);
	journal = journal_open(path, "u-1", 1000, 100, on_part, NULL, &f);
	if (journal != NULL) {
		MUST(journal_add(journal, 3, (const unsigned char *)
		    "0123456789abcdef", "\"e\"", &f) == 0);
		journal_close(journal, 0);
	}
	unlink(path);
}

static void
docker(const struct buf *text)
{
	struct registries want = REGISTRIES_INIT;
	struct credentials found = CREDENTIALS_INIT;
	struct buf notes = BUF_INIT(BUF_SMALL_MAX), out = BUF_INIT(BUF_DOC_MAX);
	struct span doc;

	want.all = true;
	/* No helper: these are programs. */
	if (memmem(text->data, text->len, "cred", 4) == NULL &&
	    memmem(text->data, text->len, "\\u", 2) == NULL) {
		if (credentials_add(&found, text, "config.json", &want, 100,
		    &notes, &f) == 0 &&
		    credentials_write(&found, &out, &f) == 0)
			MUST(span_parse(&doc, out.data, out.len, &f) == 0);
	}
	credentials_free(&found);
	registries_free(&want);
	buf_free(&notes);
	buf_free(&out);
}

static void
shown(const char *p, size_t n)
{
	static const enum progress_mode modes[] = { PROGRESS_PLAIN,
	    PROGRESS_LIVE, PROGRESS_JSON, PROGRESS_NONE };
	struct progress_options as = { .mark = "0123456789abcdef",
	    .who = "tl-build", .columns = 40 };
	struct buf line = BUF_INIT(BUF_SMALL_MAX), b = BUF_INIT(BUF_SMALL_MAX);
	struct diagnosis d;
	struct progress *progress;
	size_t i, k, half = n / 2;
	char *out = NULL;
	size_t len = 0;
	FILE *to;

	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		as.mode = modes[i];
		MUST((to = open_memstream(&out, &len)) != NULL);
		MUST((progress = progress_new(&as, to, NULL, &f)) !=
		    NULL);
		MUST(progress_feed(progress, p, half, &f) == 0);
		progress_tick(progress);
		progress_columns(progress, 20);
		MUST(progress_feed(progress, p + half, n - half, &f) == 0);
		said(progress_end(progress, &f));
		progress_free(progress);
		fclose(to);
		/* Escapes are its own, and in one mode only. */
		for (k = 0; k < len && as.mode != PROGRESS_LIVE; k++)
			MUST(out[k] != '\033' && out[k] != '\r' &&
			    out[k] != '\b');
		free(out);
		out = NULL;
	}
	MUST(progress_clean(&line, p, n, &f) == 0);
	for (i = 0; i < line.len; i++)
		MUST((unsigned char)line.data[i] >= 0x20 ||
		    line.data[i] == '\t' || line.data[i] == '\n');
	buf_free(&line);
	memset(&d, 0, sizeof(d));
	diagnose_kernel(&d, p, n);
	diagnose_df(&d, p, n);
	diagnose_text(&d, p, n);
	said(diagnose_advice(&d, &b, &f));
	buf_free(&b);
}

static void
older(const struct buf *text)
{
	struct dockerfile d = DOCKERFILE_INIT, again = DOCKERFILE_INIT;
	struct gather nothing = GATHER_INIT;
	struct buf out = BUF_INIT(BUF_DOC_MAX);

	if (dockerfile_parse(&d, "x", text, &f) == 0 &&
	    lower(&d, "x", &nothing, &out, NULL, &f) == 0 && out.len > 0)
		MUST(dockerfile_parse(&again, "x", &out, &f) == 0);
	dockerfile_free(&d);
	dockerfile_free(&again);
	buf_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct buf text = BUF_INIT(BUF_DOC_MAX);
	struct span doc;

	MUST(buf_add(&text, p, n, &f) == 0);
	if (span_parse(&doc, text.data, text.len, &f) == 0) {
		stages(&doc, &text);
		sandboxes(&doc);
		images(&doc);
		docker(&text);
	}
	files(text.data, n);
	shown(text.data, n);
	older(&text);
	buf_free(&text);
	return 0;
}

FUZZ_MAIN(((const char *const []){
	"{\"buildId\":\"b-1\",\"snapshotId\":\"s-1\",\"snapshotRelPath\":\""
	"projects/p/b-1/s-1.tlsnap\",\"rootfsNodeKind\":\"diff\",\"builder"
	"\":{\"image\":\"i\",\"command\":\"tl-rootfs-build 'a b'\",\"cpus\""
	":2,\"memoryMb\":4096,\"diskMb\":30720},\"parent\":{\"parentManifes"
	"tUri\":\"s3://i/b\",\"rootfsDiskBytes\":21474836480},\"additionalL"
	"ocalImages\":[{\"name\":\"a\",\"snapshotUri\":\"gs://i/t\"}]}",
	"{\"buildId\":\"b-1\",\"snapshotId\":\"s-1\",\"snapshotUri\":\"s3:/"
	"/b/k\",\"rootfsNodeKind\":\"base\",\"builder\":{\"image\":\"i\",\""
	"command\":\"c\",\"cpus\":1e0,\"memoryMb\":1,\"diskMb\":1},\"upload"
	"\":{\"abortUrl\":\"http://h/a\"},\"parent\":null}",
	"{\"name\":\"n\",\"public\":false,\"dockerfile\":\"FROM a\\n\",\"ba"
	"seImage\":\"a\",\"references\":[{\"reference\":\"a\",\"line\":1,\""
	"role\":\"base\"},{\"reference\":\"b:1\",\"line\":2,\"role\":\"addi"
	"tional\"}],\"ignored\":[],\"unresolvable\":[],\"importImageReferen"
	"ce\":\"a\"}",
	"{\"id\":\"t-1\",\"name\":\"a\",\"snapshotId\":\"s\",\"snapshotForm"
	"atVersion\":\"durable_archive_v1\",\"public\":true,\"snapshotUri\""
	":\"s3://b/k\",\"snapshotSizeBytes\":1,\"rootfsDiskBytes\":2,\"root"
	"fsNodeKind\":\"diff\",\"snapshotSha256\":\"aa\"}",
	"{\"id\":\"sbx-1\",\"namespace\":\"default\",\"status\":\"running\""
	",\"proxyUrl\":\"https://s.example\",\"ingressEndpoint\":\"https://"
	"i\",\"routingHint\":\"node-7\",\"image\":\"i\",\"resources\":{\"cp"
	"us\":2.0,\"memoryMb\":4096,\"diskMb\":30720},\"buildId\":\"b-1\"}",
	"{\"processes\":[{\"pid\":7,\"command\":\"sh\",\"args\":[\"a\"],\"s"
	"tatus\":\"running\",\"started_at\":1},{\"pid\":8,\"command\":\"x\""
	"}],\"pid\":7,\"status\":\"exited\",\"exit_code\":3,\"signal\":null"
	",\"oom_killed\":true}",
	"{\"pid\":7,\"status\":\"signaled\",\"signal\":9,\"exit_code\":null"
	"}",
	"{\"status\":\"completed\",\"sandboxId\":\"sbx-1\",\"snapshotUri\":"
	"\"s3://b/k\",\"sizeBytes\":10,\"rootfsDiskBytes\":20,\"snapshotFor"
	"matVersion\":\"v\",\"rootfsNodeKind\":\"diff\",\"parentManifestUri"
	"\":\"s3://b/p\"}",
	"{\"upload\":{\"kind\":\"s3_multipart\",\"uri\":\"s3://b/k\",\"uplo"
	"adId\":\"u-1\",\"partSizeBytes\":60,\"partUrls\":[\"http://h/1?\\u"
	"0041\"],\"completeUrl\":\"http://h/c\",\"abortUrl\":\"http://h/a?X"
	"-Amz-Date=20260101T000000Z&X-Amz-Expires=60\"},\"parentDownload\":"
	"{\"kind\":\"single_get\",\"method\":\"GET\",\"url\":\"http://h/b\""
	",\"headers\":{},\"expiresAt\":\"2026-06-02T00:00:00Z\"},\"localIma"
	"geDownloads\":[null]}",
	"{\"attestation\":{\"receipt\":\"{\\\"kind\\\":1}\",\"signature\":"
	"\"ac\"}}",
	"{\"kind\":\"s3_multipart\",\"uri\":\"s3://b/k\",\"uploadId\":\"u-1"
	"\",\"partSizeBytes\":60,\"partUrls\":[\"http://h/1?\\u0041\",\"htt"
	"p://h/2\"],\"completeUrl\":\"http://h/c\",\"abortUrl\":\"http://h/"
	"a\",\"expiresAt\":\"2026-01-01T00:00:00Z\"}",
	"{\"kind\":\"single_put\",\"url\":\"http://h/1\",\"method\":\"PUT\""
	",\"headers\":{\"a\":\"b\",\"Content-Length\":\"7\"}}",
	"{\"auths\":{\"https://index.docker.io/v1/\":{\"auth\":\"dTpw\"},\""
	"r.example:5000\":{\"username\":\"u\",\"password\":\"p\"},\"q/x\":{"
	"\"identitytoken\":\"t\",\"auth\":\"dTo=\"},\"z\":{\"registrytoken"
	"\":\"t\"},\"\":{}},\"HttpHeaders\":{}}",
	"2026-01-01T00:00:00Z intent build k-1 0123456789abcdef0123456789ab"
	"cdef http://h default detail text\n2026-01-01T00:00:01Z made build"
	" k-1 b-1\n2026-01-01T00:00:02Z intent sandbox k-2 0123456789abcdef"
	"0123456789abcdef http://h default\n2026-01-01T00:00:02Z made sandb"
	"ox k-2 sbx-1\n2026-01-01T00:00:02Z keep sandbox sbx-1\n2026-01-01T"
	"00:00:02Z intent upload k-3 0123456789abcdef0123456789abcdef http:"
	"//h default\n2026-01-01T00:00:03Z made upload k-3 0123456789abcdef"
	"0123456789abcdef\n2026-01-01T00:00:03Z gone upload 0123456789abcde"
	"f0123456789abcdef\n2026-01-01T00:00:04Z folder /tmp/x\n2026-01-01T"
	"00:00:04Z intent template k-4 0123456789abcdef0123456789abcdef htt"
	"p://h default\n2026-01-01T00:00:02Z none template k-4\n",
	"tl-upload 1 a24a7f55f278dd49fb1f99c5507800cb198a5bfe10fe2126cd0b25"
	"672152b0da 1000 100\n1 00112233445566778899aabbccddeeff \"etag\"\n"
	"2 00112233445566778899aabbccddeeff \"e2\"\n",
	"0123456789abcdef stage run 3 RUN x\n0123456789abcdef done 1.5\npla"
	"in \033[31mred\033[0m\015over\010\n0123456789abcdef upload 5 10\n"
	"\033]0;t\007{\"type\":\"stage\"}\n0123456789abcdef error x\nlast",
	"<6>[   12.000000] Out of memory: Killed process 12 (buildah) total"
	"-vm:1kB\noom-kill:constraint=CONSTRAINT_MEMCG,task=buildah,pid=12"
	"\nMemory cgroup out of memory: Killed process 3\n",
	"Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/vd"
	"a 10 9 1 100% /\noverlay 10 9 1 97% /var/lib/x y\nwrite /x: no spa"
	"ce left on device\nKilled\nsignal: killed\n",
	"# syntax=docker/dockerfile:1\n# escape=\\\nARG V=1\nFROM --platfor"
	"m=linux/amd64 a:${V:-2} AS One\nRUN --mount=type=cache,target=/x <"
	"<EOF\nx\nEOF\nCOPY --link --chmod=755 --from=one /a /b\nCOPY <<A <"
	"<-\"B\" /c/\nx\nA\n\ty\nB\nADD --checksum=sha256:aa http://h/x /y"
	"\nFROM one\nCOPY --parents --exclude=x a b /\nHEALTHCHECK CMD x\nO"
	"NBUILD RUN y\n",
	"FROM a\nCOPY --chmod=u+x [\"a b\", \"c\"]\nRUN [\"x\", \"y\"]\nVOL"
	"UME /v\nRUN <<-X sh\n\ty\n\tX\nWORKDIR $a\nENV a=b c=\"d e\"\nLABE"
	"L x=y\nEXPOSE 80/tcp\nUSER u\nSTOPSIGNAL 9\nSHELL [\"a\"]\n",
	"FROM a AS b\nRUN <<A sh -c \"x $y\" <<B\n1\nA\n2\nB\nRUN --network"
	"=none --security=insecure --mount=from=b,src=/x,dst=/y true\nCOPY "
	"--from=b --chown=1:2 x y\nCOPY <<\"E\" --chmod=1755 /x\nE\n",
}));
