/* tl-docker-config: the registry credentials that a plan needs. */
#include <err.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "client/registry/dockercfg.h"
#include "core/opt.h"

static const char usage[] =
"usage: tl-docker-config [-av] [-r HOST] [-t SECONDS] <plan\n"
"Write the credentials that Docker's configuration has for a plan's images.\n"
"\n"
"  -a, --all            of all registries, not only the plan's\n"
"  -r, --registry HOST  also of this one (repeatable)\n"
"  -t, --timeout N      for each credential helper, in seconds (30)\n"
"  -h, --help   -V, --version   -v, --verbose\n";

static const struct option options[] = {
	OPT_COMMON,
	{ "all", no_argument, NULL, 'a' },
	{ "registry", required_argument, NULL, 'r' },
	{ "timeout", required_argument, NULL, 't' },
	{ NULL, 0, NULL, 0 }
};

static void
read_plan(struct registries *wanted)
{
	struct buf text = BUF_INIT(BUF_SMALL_MAX);
	struct span plan;
	struct fail f;

	opt_input(&text, "tl-plan's document");
	if (span_parse(&plan, text.data, text.len, &f) == -1 ||
	    registries_of_plan(wanted, &plan, &f) == -1) {
		fail_in(&f, "stdin");
		opt_fail(&f);
	}
	buf_free(&text);
}

static void
say_lines(const struct buf *notes)
{
	const char *p = notes->data;
	size_t len;

	for (; p != NULL && *p != '\0'; p += len + 1) {
		len = strcspn(p, "\n");
		warnx("%.*s", (int)len, p);
	}
}

/* What is missed for want of knowing it comes up only in the sandbox. */
static void
warn_unknown(const struct registries *wanted)
{
	char shown[200];
	size_t i;

	for (i = 0; i < wanted->unknowns; i++)
		warnx("%s: its registry is not known here; "
		    "if it needs credentials, name it with --registry",
		    fail_show(shown, sizeof(shown), wanted->unknown[i], 150));
}

/* All places there are, the one that counts most first; what was read. */
static void
gather(struct credentials *c, const struct registries *wanted,
    int timeout_ms, struct buf *notes)
{
	const char *given = getenv("DOCKER_AUTH_CONFIG");
	struct buf config = BUF_INIT(BUF_SMALL_MAX);
	enum dockercfg which;
	struct fail f;
	char *path;
	int found;

	if (given != NULL && *given != '\0' &&
	    (buf_adds(&config, given, &f) == -1 ||
	    credentials_add(c, &config, "DOCKER_AUTH_CONFIG", wanted,
	    timeout_ms, notes, &f) == -1 ||
	    buf_adds(notes, "DOCKER_AUTH_CONFIG: read\n", &f) == -1))
		opt_fail(&f);
	for (which = 0; which < DOCKERCFGS; which++) {
		if ((found = dockercfg_path(which, &path, &f)) == -1)
			opt_fail(&f);
		if (found == 0)
			continue;
		buf_free(&config);
		if ((found = dockercfg_load(&config, path, &f)) == -1 ||
		    buf_addf(notes, &f, "%s: %s\n", path, found == 1 ?
		    "read" : "not there") == -1 || (found == 1 &&
		    credentials_add(c, &config, path, wanted, timeout_ms,
		    notes, &f) == -1))
			opt_fail(&f);
		free(path);
	}
	buf_free(&config);
}

int
main(int argc, char *argv[])
{
	struct registries wanted = REGISTRIES_INIT;
	struct credentials found = CREDENTIALS_INIT;
	struct buf out = BUF_INIT(BUF_DOC_MAX);
	struct buf notes = BUF_INIT(BUF_SMALL_MAX);
	uint64_t timeout = 30;
	bool verbose = false;
	struct fail f;
	int ch;

	while ((ch = getopt_long(argc, argv, "ahr:t:Vv", options,
	    NULL)) != -1)
		switch (ch) {
		case 'a':
			wanted.all = true;
			break;
		case 'h':
			opt_help(usage);
		case 'r':
			if (*optarg == '\0' || strchr(optarg, '/') != NULL)
				errx(EX_USAGE, "--registry %.100s: not a "
				    "host, such as registry.example:5000",
				    optarg);
			if (registries_add(&wanted, optarg, &f) == -1)
				opt_fail(&f);
			break;
		case 't':
			timeout = opt_number("--timeout", optarg, 1, 3600);
			break;
		case 'V':
			opt_version("tl-docker-config");
		case 'v':
			verbose = true;
			break;
		default:
			opt_usage(usage);
		}
	if (argc != optind)
		opt_usage(usage);

	read_plan(&wanted);
	gather(&found, &wanted, (int)timeout * 1000, &notes);
	if (!wanted.all && found.found != NULL)
		warn_unknown(&wanted);
	if (credentials_write(&found, &out, &f) == -1 ||
	    buf_adds(&out, "\n", &f) == -1)
		opt_fail(&f);
	if (verbose)
		say_lines(&notes);
	opt_output(&out);

	buf_free(&out);
	buf_free(&notes);
	credentials_free(&found);
	registries_free(&wanted);
	return 0;
}
