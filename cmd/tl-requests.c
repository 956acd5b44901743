/* tl-requests: what a build of a plan would ask of whom, and nothing sent. */

#include <err.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "client/cloud/begin.h"
#include "client/cloud/cloud.h"
#include "client/sandbox/builder.h"
#include "client/sandbox/lifecycle.h"
#include "client/sandbox/sandbox.h"
#include "client/stages/attest.h"
#include "client/stages/disk.h"
#include "client/stages/prepare.h"
#include "client/stages/sign.h"
#include "core/hex.h"
#include "core/opt.h"

static const char usage[] =
    "usage: tl-requests [-v] [OPTIONS] [SETTINGS] <PLAN >REQUESTS\n"
    "Print the requests that a build of a plan would send; send none.\n"
    "  --disk-mb SIZE, --builder-disk-mb SIZE, --cpus N, --memory-mb SIZE\n"
    "                          the same as for tl-build\n"
    "  --dialect WORD          the same: auto, seed or merged\n"
    "  --no-cache              the same\n"
    "  --no-context            for a Dockerfile without a context\n"
    "  -h, --help  -V, --version  -v, --verbose\n"
    SETTINGS_USAGE;

enum { DISK = 256, BUILDER_DISK, CPUS, MEMORY, DIALECT, NO_CACHE,
	NO_CONTEXT };

static const struct option options[] = {
	{ "disk-mb", required_argument, NULL, DISK },
	{ "builder-disk-mb", required_argument, NULL, BUILDER_DISK },
	{ "cpus", required_argument, NULL, CPUS },
	{ "memory-mb", required_argument, NULL, MEMORY },
	{ "dialect", required_argument, NULL, DIALECT },
	{ "no-cache", no_argument, NULL, NO_CACHE },
	{ "no-context", no_argument, NULL, NO_CONTEXT },
	SETTINGS_OPTIONS,
	OPT_COMMON,
	{ NULL, 0, NULL, 0 }
};

static struct cloud cloud = CLOUD_INIT;
static struct {
	uint64_t		 disk_mb, builder_disk_mb, memory_mb;
	double			 cpus;
	enum sign_dialect	 dialect;
} opt = { .disk_mb = DISK_DEFAULT_MB };
static struct buf out = BUF_INIT(BUF_DOC_MAX);

/* A line: method and address, then what is sent with it. */
static void
platform(const char *method, const char *rest, const char *body)
{
	struct fail f;

	if (buf_addf(&out, &f, "%s ", method) == -1 ||
	    cloud_platform_url(&cloud, &out, rest, &f) == -1 ||
	    buf_addf(&out, &f, "%s%s\n", body != NULL ? " " : "",
	    body != NULL ? body : "") == -1)
		opt_fail(&f);
}

static void
lifecycle(const char *method, const char *rest, const char *body)
{
	struct fail f;

	if (buf_addf(&out, &f, "%s ", method) == -1 ||
	    cloud_lifecycle_url(&cloud, &out, rest, &f) == -1 ||
	    buf_addf(&out, &f, "%s%s\n", body != NULL ? " " : "",
	    body != NULL ? body : "") == -1)
		opt_fail(&f);
}

/* To the sandbox's proxy, whose address its server tells. */
static void
proxy(const char *method, const char *path, const char *what)
{
	struct fail f;

	if (buf_addf(&out, &f, "%s {proxyUrl}%s%s%s\n", method, path,
	    *what != '\0' ? " " : "", what) == -1)
		opt_fail(&f);
}

/* Of the next line. */
static void
condition(const char *what)
{
	struct fail f;

	if (buf_addf(&out, &f, "# %s:\n", what) == -1)
		opt_fail(&f);
}

static void
lookups(const struct prepare *p)
{
	struct buf rest = BUF_INIT(BUF_SMALL_MAX);
	struct fail f;
	size_t i;

	for (i = 0; i < p->nrefs; i++) {
		buf_clear(&rest);
		if (buf_adds(&rest, "sandbox-templates/by-name/", &f) == -1 ||
		    hex_escape(&rest, p->refs[i].text,
		    strlen(p->refs[i].text), "", &f) == -1)
			opt_fail(&f);
		platform("GET", rest.data, NULL);
	}
	buf_free(&rest);
}

/* The sandbox: what the options do not say, the prepared document does. */
static void
create(void)
{
	struct buf body = BUF_INIT(BUF_SMALL_MAX);
	char n[40];
	struct fail f;
	int r;

	snprintf(n, sizeof(n), "%g", opt.cpus);
	r = buf_addf(&body, &f, "{\"image\":{builder.image},\"resources\":"
	    "{\"cpus\":%s,", opt.cpus > 0 ? n : "{builder.cpus}");
	snprintf(n, sizeof(n), "%ju", (uintmax_t)opt.memory_mb);
	if (r == 0)
		r = buf_addf(&body, &f, "\"memory_mb\":%s,",
		    opt.memory_mb != 0 ? n : "{builder.memoryMb}");
	snprintf(n, sizeof(n), "%ju", (uintmax_t)(opt.builder_disk_mb >
	    opt.disk_mb ? opt.builder_disk_mb : opt.disk_mb));
	if (r == 0)
		r = buf_addf(&body, &f, "\"disk_mb\":%s},\"timeout_secs\":"
		    "%d}", opt.builder_disk_mb != 0 ? n :
		    "{builder.diskMb, or more}", LIFECYCLE_LEASE_S);
	if (r == -1)
		opt_fail(&f);
	lifecycle("POST", "", body.data);
	buf_free(&body);
}

/* Asked first whether it is there already, then followed to its end. */
static void
process(const char *what, bool listed)
{
	if (listed)
		proxy("GET", "/api/v1/processes", "");
	proxy("POST", "/api/v1/processes", what);
	proxy("GET", "/api/v1/processes/{pid}/output/follow", "");
	proxy("GET", "/api/v1/processes/{pid}", "");
}

static void
sign(void)
{
	enum sign_dialect d = opt.dialect == SIGN_AUTO ? SIGN_SEED :
	    opt.dialect;
	struct buf body = BUF_INIT(BUF_SMALL_MAX);
	struct fail f;

	if (sign_put_body(&body, d, "{snapshotRelPath}",
	    disk_parts(opt.disk_mb * DISK_MIB, NULL), DISK_PART_BYTES, &f) == -1)
		opt_fail(&f);
	condition("unless prepare has signed the upload");
	proxy("POST", "/api/v1/blob/sign", body.data);
	buf_clear(&body);
	if (sign_get_body(&body, d, "{parent.parentManifestUri}", &f) == -1)
		opt_fail(&f);
	condition("if there is a parent to sign for");
	proxy("POST", "/api/v1/blob/sign", body.data);
	buf_clear(&body);
	if (sign_get_body(&body, d, "{additionalLocalImages[].snapshotUri}",
	    &f) == -1)
		opt_fail(&f);
	condition("for each other template to sign for");
	proxy("POST", "/api/v1/blob/sign", body.data);
	buf_free(&body);
}

static void
attest(void)
{
	struct buf body = BUF_INIT(BUF_SMALL_MAX);
	struct fail f;

	if (attest_body(&body, "{snapshotRelPath}", NULL, &f) == -1)
		opt_fail(&f);
	proxy("POST", ATTEST_PATH, body.data);
	buf_free(&body);
}

static void
requests(const struct prepare *p, bool context, bool cache)
{
	struct buf body = BUF_INIT(BUF_DOC_MAX);
	struct fail f;

	lookups(p);
	if (prepare_body(p, &body, &f) == -1)
		opt_fail(&f);
	/* As if no reference were a template: that is not known yet. */
	platform("POST", "sandbox-template-builds", body.data);
	create();
	lifecycle("GET", "/{id}", NULL);
	process("/bin/true", false);
	sign();
	if (context) {
		if (cache)
			proxy("GET", "/api/v1/files?path="BUILDER_CACHE
			    "/context.record", "");
		proxy("PUT", "/api/v1/files?path=/tmp/tl-context.tar.gz",
		    "{the context}");
		if (cache) {
			condition("if there is such a record");
			proxy("PUT",
			    "/api/v1/files?path=/tmp/tl-context.record",
			    "{its record}");
		}
	}
	proxy("PUT", "/api/v1/files?path=/tmp/tl-spec.json", "{the spec}");
	process("{builder.command}", true);
	proxy("GET", "/api/v1/files?path="BUILDER_DIR"/metadata.json", "");
	attest();
	platform("POST", "sandbox-template-builds/{buildId}/complete",
	    "{the metadata}");
	lifecycle("DELETE", "/{id}", NULL);
	buf_free(&body);
}

/* A credential is not needed; one that is there must be right. */
static int
where(const struct settings *s, struct fail *f)
{
	bool has = settings_get(s, SETTING_API_KEY, NULL) != NULL ||
	    settings_get(s, SETTING_PAT, NULL) != NULL ||
	    settings_get(s, SETTING_TOKEN_FILE, NULL) != NULL;

	return has ? cloud_load(&cloud, s, f) : cloud_places(&cloud, s, f);
}

/* Where it counts a sandbox runs already, and is paid for. */
static void
check_proxy(void)
{
	const char *env = getenv("TENSORLAKE_SANDBOX_PROXY_URL");
	struct fail f;

	if (env == NULL || *env == '\0')
		return;
	if (sandbox_check_url(env, "TENSORLAKE_SANDBOX_PROXY_URL", &f) == -1) {
		f.status = EX_CONFIG;
		opt_fail(&f);
	}
}

int
main(int argc, char *argv[])
{
	struct buf text = BUF_INIT(BUF_SMALL_MAX);
	struct settings settings = SETTINGS_INIT;
	struct prepare prepare = PREPARE_INIT;
	const char *word = NULL;
	bool verbose = false, context = true, cache = true;
	struct span plan, import;
	struct fail f;
	int ch, imported;

	while ((ch = getopt_long(argc, argv, "hVv", options, NULL)) != -1)
		switch (ch) {
		case 'h':
			opt_help(usage);
		case 'V':
			opt_version("tl-requests");
		case 'v':
			verbose = true;
			break;
		case DISK:
			opt.disk_mb = opt_mib("--disk-mb", optarg, 0,
			    DISK_MB_MAX);
			break;
		case BUILDER_DISK:
			opt.builder_disk_mb = opt_mib("--builder-disk-mb",
			    optarg, 1, DISK_MB_MAX);
			break;
		case CPUS:
			opt.cpus = opt_decimal("--cpus", optarg,
			    LIFECYCLE_CPUS_MAX);
			break;
		case MEMORY:
			opt.memory_mb = opt_mib("--memory-mb", optarg, 1,
			    DISK_MB_MAX);
			break;
		case DIALECT:
			word = optarg;
			break;
		case NO_CACHE:
			cache = false;
			break;
		case NO_CONTEXT:
			context = false;
			break;
		default:
			if (!begin_option(&settings, ch, optarg))
				opt_usage(usage);
		}
	if (optind != argc)
		opt_usage(usage);
	begin_settings(&settings, "tl-requests");
	if (word == NULL)
		word = settings_get(&settings, SETTING_DIALECT, NULL);
	if (word != NULL && sign_dialect(word, &opt.dialect) == -1)
		errx(EX_USAGE, "--dialect: must be auto, seed or merged");

	if (buf_read(&text, STDIN_FILENO, "stdin", &f) == -1)
		opt_fail(&f);
	if (text.len == 0) {
		fail_set(&f, EX_DATAERR, "stdin: empty, expected a plan");
		opt_fail(&f);
	}
	if (span_parse(&plan, text.data, text.len, &f) == -1 ||
	    prepare_plan(&prepare, &plan, &f) == -1 ||
	    (imported = span_get(&plan, "importImageReference", &import, &f))
	    == -1) {
		fail_in(&f, "stdin");
		opt_fail(&f);
	}
	if (where(&settings, &f) == -1)
		opt_fail(&f);
	check_proxy();
	if (verbose)
		warnx("each with Authorization: Bearer and a key or a "
		    "personal access token");
	requests(&prepare, context && imported == 0, cache);

	opt_output(&out);
	cloud_free(&cloud);
	settings_free(&settings);
	prepare_free(&prepare);
	buf_free(&text);
	buf_free(&out);
	return 0;
}
