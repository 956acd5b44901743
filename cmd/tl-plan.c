/* tl-plan: what a Dockerfile wants of the server, found out offline. */

#include <sys/stat.h>

#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "client/plan/plan.h"
#include "core/opt.h"
#include "core/utf8.h"
#include "dockerfile/lower.h"

static const char usage[] =
"usage: tl-plan [-v] [-f FILE] [-n NAME] [--public] [CONTEXT |\n"
"           DOCKERFILE [CONTEXT] | -] | --import REF\n"
"Read a Dockerfile, or name an image to import; write the plan of its build.\n"
"\n"
"  -f, --file FILE   the Dockerfile, - is stdin; default: CONTEXT's\n"
"      --import REF  no Dockerfile: an image of a registry\n"
"  -n, --name NAME   register the image under this name\n"
"      --public      for everyone\n"
"  -h, --help        this text\n"
"  -v, --verbose     print what will be looked up and what not\n"
"  -V, --version     the version\n";

enum { OPT_PUBLIC = 256, OPT_IMPORT };

static const struct option longs[] = {
	{ "file", required_argument, NULL, 'f' },
	{ "name", required_argument, NULL, 'n' },
	{ "public", no_argument, NULL, OPT_PUBLIC },
	{ "import", required_argument, NULL, OPT_IMPORT },
	OPT_COMMON,
	{ NULL, 0, NULL, 0 }
};

/* What a user should know of before it costs anything. */
static void
warn_of(const struct plan *p, const char *file)
{
	char text[200];
	size_t i;

	for (i = 0; i < p->ignoreds; i++) {
		const char *word = p->ignored[i].word;

		if (strcmp(word, "SHELL") == 0)
			continue;
		warnx("%s:%zu: %s %s", file, p->ignored[i].line, word,
		    strcmp(word, "VOLUME") == 0 ? "mounts nothing in a "
		    "sandbox: what is written there is part of the image" :
		    strcmp(word, "ONBUILD") == 0 ? "acts on stages of this "
		    "Dockerfile only: no image keeps it" :
		    "has no effect in a sandbox image");
	}
	for (i = 0; i < p->unresolvables; i++)
		warnx("%s:%zu: %s is not looked up as a template (%s)", file,
		    p->unresolvable[i].line, fail_show(text, sizeof(text),
		    p->unresolvable[i].text, 150), p->unresolvable[i].reason);
}

static void
say(const struct plan *p)
{
	char text[200];
	size_t i;

	fprintf(stderr, "tl-plan: base image %s\n", fail_show(text,
	    sizeof(text), p->base_image, 150));
	for (i = 0; i < p->references; i++)
		fprintf(stderr, "tl-plan: to look up: %s (%s)\n",
		    fail_show(text, sizeof(text), p->reference[i].text, 150),
		    p->reference[i].additional ? "additional" : "base");
}

int
main(int argc, char *argv[])
{
	struct dockerfile d = DOCKERFILE_INIT;
	struct plan plan = PLAN_INIT;
	struct buf text = BUF_INIT(BUF_SMALL_MAX);
	struct buf out = BUF_INIT(BUF_DOC_MAX), older = BUF_INIT(BUF_DOC_MAX);
	struct gather nothing = GATHER_INIT;
	const char *context = ".", *arg = NULL, *name = NULL, *file;
	char *path = NULL, *found = NULL, *import = NULL;
	bool verbose = false, is_public = false;
	struct stat st;
	struct fail f;
	int ch;

	while ((ch = getopt_long(argc, argv, "f:hn:vV", longs, NULL)) != -1)
		switch (ch) {
		case 'f':
			arg = optarg;
			break;
		case 'n':
			name = optarg;
			break;
		case OPT_PUBLIC:
			is_public = true;
			break;
		case OPT_IMPORT:
			free(import);
			if (plan_import_reference(optarg, &import, &f) == -1)
				opt_fail(&f);
			break;
		case 'h':
			opt_help(usage);
		case 'v':
			verbose = true;
			break;
		case 'V':
			opt_version("tl-plan");
		default:
			opt_usage(usage);
		}
	argc -= optind;
	argv += optind;
	if (argc > 2 || (import != NULL && (argc > 0 || arg != NULL)))
		opt_usage(usage);
	if (name != NULL && !utf8_valid(name, strlen(name)))
		errx(EX_USAGE, "-n: not UTF-8");

	if (import != NULL) {
		if (buf_addf(&text, &f, "FROM %s\n", import) == -1 ||
		    (name == NULL &&
		    plan_import_name(import, &found, &f) == -1))
			opt_fail(&f);
	} else {
		/* As for tl-build: a folder, or a Dockerfile and maybe one. */
		if (argc == 2 || (argc == 1 && (strcmp(argv[0], "-") == 0 ||
		    (stat(argv[0], &st) == 0 && !S_ISDIR(st.st_mode))))) {
			if (arg != NULL)
				opt_usage(usage);
			arg = argv[0];
			argv++;
			argc--;
		}
		if (argc == 1)
			context = argv[0];
		if (asprintf(&path, "%s%sDockerfile",
		    argc == 1 ? context : "",
		    argc == 1 && context[strlen(context) - 1] != '/' ? "/" :
		    "") == -1)
			err(EX_OSERR, NULL);
		file = arg == NULL ? path : arg;
		if (stat(context, &st) == -1)
			err(EX_NOINPUT, "%s", context);
		if (!S_ISDIR(st.st_mode))
			errx(EX_NOINPUT, "%s: not a folder", context);
		if (buf_load(&text, file, &f) == -1)
			opt_fail(&f);
		if (strcmp(file, "-") == 0) {
			/* It has no name, and stands for the usual file. */
			file = "stdin";
			arg = NULL;
		}
		if (dockerfile_parse(&d, file, &text, &f) == -1 ||
		    plan_read(&plan, &d, file, &f) == -1 ||
		    (!d.foreign &&
		    lower(&d, file, &nothing, &older, NULL, &f) == -1) ||
		    (name == NULL && plan_name(arg == NULL ? path : arg,
		    &found, &f) == -1))
			opt_fail(&f);
		warn_of(&plan, file);
		if (verbose)
			say(&plan);
	}
	if (plan_write(&plan, name != NULL ? name : found, is_public, &text,
	    import, &out, &f) == -1)
		opt_fail(&f);
	opt_output(&out);

	plan_free(&plan);
	dockerfile_free(&d);
	buf_free(&text);
	buf_free(&out);
	buf_free(&older);
	free(path);
	free(found);
	free(import);
	return 0;
}
