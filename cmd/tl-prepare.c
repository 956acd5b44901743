/* tl-prepare: from a plan to the server's prepared build, its bytes as sent. */

#include <getopt.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "build/idempotency.h"
#include "build/prepare.h"
#include "core/opt.h"

static const char usage[] =
    "usage: tl-prepare [-v] [-k KEY] [--insecure-http] <PLAN >PREPARED\n"
    "  -k, --idempotency-key KEY  ask again for a build asked for before\n"
    "      --insecure-http        let the token go over plain http\n"
    "  -v, --verbose              say on stderr what is done\n";

enum { INSECURE = 256 };

static const struct option options[] = {
	{ "idempotency-key", required_argument, NULL, 'k' },
	{ "insecure-http", no_argument, NULL, INSECURE },
	OPT_COMMON,
	{ NULL, 0, NULL, 0 }
};

static void
say(const char *line)
{
	fprintf(stderr, "tl-prepare: %s\n", line);
}

int
main(int argc, char *argv[])
{
	struct buf text = BUF_INIT(BUF_SMALL_MAX), out = BUF_INIT(BUF_DOC_MAX);
	struct prepare prepare = PREPARE_INIT;
	struct cloud cloud = CLOUD_INIT;
	void (*note)(const char *) = NULL;
	char key_line[IDEMPOTENCY_HEADER];
	const char *key = NULL;
	struct http *http;
	struct span plan;
	bool plain = false;
	struct fail f;
	int ch;

	while ((ch = getopt_long(argc, argv, "hVvk:", options, NULL)) != -1)
		switch (ch) {
		case 'h':
			opt_help(usage);
		case 'V':
			opt_version("tl-prepare");
		case 'v':
			note = say;
			break;
		case 'k':
			key = optarg;
			break;
		case INSECURE:
			plain = true;
			break;
		default:
			opt_usage(usage);
		}
	if (optind != argc)
		opt_usage(usage);
	if ((key != NULL ? idempotency_given(key_line, key, &f) :
	    idempotency_random(key_line, &f)) == -1)
		opt_fail(&f);

	if (buf_read(&text, STDIN_FILENO, "stdin", &f) == -1)
		opt_fail(&f);
	/* A stage that failed before this one looks like an empty pipe. */
	if (text.len == 0) {
		fail_set(&f, EX_DATAERR, "stdin: empty, expected a plan");
		opt_fail(&f);
	}
	if (span_parse(&plan, text.data, text.len, &f) == -1 ||
	    prepare_plan(&prepare, &plan, &f) == -1) {
		fail_in(&f, "stdin");
		opt_fail(&f);
	}

	if (cloud_load(&cloud, &f) == -1 || (http = http_new(&f)) == NULL)
		opt_fail(&f);
	if (plain)
		http_allow_plain(http);
	if (note != NULL)
		http_verbose(http);
	if (prepare_lookup(&prepare, http, &cloud, note, &f) == -1 ||
	    prepare_post(&prepare, http, &cloud, key_line, note, &out, &f)
	    == -1)
		opt_fail(&f);

	opt_output(&out);
	http_free(http);
	cloud_free(&cloud);
	prepare_free(&prepare);
	buf_free(&text);
	buf_free(&out);
	return 0;
}
