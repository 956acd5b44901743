/* tl-requests: what a build of a plan would ask of whom, and nothing sent. */

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "build/begin.h"
#include "build/builder.h"
#include "build/cloud.h"
#include "build/prepare.h"
#include "core/hex.h"
#include "core/opt.h"

static const char usage[] =
    "usage: tl-requests [-v] [SETTINGS] <PLAN >REQUESTS\n"
    "Say the requests that a build of a plan would send; send none.\n"
    "  -h, --help  -V, --version  -v, --verbose\n"
    SETTINGS_USAGE;

static const struct option options[] = {
	SETTINGS_OPTIONS,
	OPT_COMMON,
	{ NULL, 0, NULL, 0 }
};

static struct cloud cloud = CLOUD_INIT;
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

	if (buf_addf(&out, &f, "%s {proxyUrl}%s %s\n", method, path, what)
	    == -1)
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

static void
requests(const struct prepare *p)
{
	struct buf body = BUF_INIT(BUF_DOC_MAX);
	struct fail f;

	lookups(p);
	if (prepare_body(p, &body, &f) == -1)
		opt_fail(&f);
	/* As if no reference were a template: that is not known yet. */
	platform("POST", "sandbox-template-builds", body.data);
	lifecycle("POST", "", "{the prepared builder's image and sizes}");
	lifecycle("GET", "/{id}", NULL);
	proxy("POST", "/api/v1/processes", "/bin/true");
	proxy("POST", "/api/v1/blob/sign", "{the upload; new path only}");
	proxy("POST", "/api/v1/blob/sign", "{the parent, if there is one}");
	proxy("POST", "/api/v1/blob/sign", "{each template besides}");
	proxy("POST", "/api/v1/processes", "mkdir -p "BUILDER_DIR"/context");
	proxy("PUT", "/api/v1/files", BUILDER_DIR"/context.tar.gz");
	proxy("PUT", "/api/v1/files", BUILDER_DIR"/spec.json");
	proxy("POST", "/api/v1/processes", "{the prepared builder's command}");
	proxy("GET", "/api/v1/files", BUILDER_DIR"/metadata.json");
	platform("POST", "sandbox-template-builds/{buildId}/complete",
	    "{the metadata}");
	lifecycle("DELETE", "/{id}", NULL);
	buf_free(&body);
}

int
main(int argc, char *argv[])
{
	struct buf text = BUF_INIT(BUF_SMALL_MAX);
	struct settings settings = SETTINGS_INIT;
	struct prepare prepare = PREPARE_INIT;
	bool verbose = false;
	struct span plan;
	struct fail f;
	int ch;

	while ((ch = getopt_long(argc, argv, "hVv", options, NULL)) != -1)
		switch (ch) {
		case 'h':
			opt_help(usage);
		case 'V':
			opt_version("tl-requests");
		case 'v':
			verbose = true;
			break;
		default:
			if (!begin_option(&settings, ch, optarg))
				opt_usage(usage);
		}
	if (optind != argc)
		opt_usage(usage);
	begin_settings(&settings, "tl-requests");

	if (buf_read(&text, STDIN_FILENO, "stdin", &f) == -1)
		opt_fail(&f);
	if (text.len == 0) {
		fail_set(&f, EX_DATAERR, "stdin: empty, expected a plan");
		opt_fail(&f);
	}
	if (span_parse(&plan, text.data, text.len, &f) == -1 ||
	    prepare_plan(&prepare, &plan, &f) == -1) {
		fail_in(&f, "stdin");
		opt_fail(&f);
	}
	if (cloud_load(&cloud, &settings, &f) == -1)
		opt_fail(&f);
	if (verbose)
		fprintf(stderr, "tl-requests: each with Authorization: Bearer"
		    " ... (%s)\n", cloud.pat ? "a personal access token" :
		    "a key");
	requests(&prepare);

	opt_output(&out);
	cloud_free(&cloud);
	settings_free(&settings);
	prepare_free(&prepare);
	buf_free(&text);
	buf_free(&out);
	return 0;
}
