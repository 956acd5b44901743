/* tl-lower: a Dockerfile of today as an older one that makes the same image. */

#include <sys/stat.h>

#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "core/opt.h"
#include "dockerfile/lower.h"

static const char usage[] =
"usage: tl-lower [-v] [-c CONTEXT] [-d DIR] [-l FILE] [DOCKERFILE]\n"
"Read a Dockerfile, by default from stdin; write an older one that makes\n"
"the same image.\n"
"\n"
"  -c, --context CONTEXT  the folder that COPY copies from\n"
"  -d, --files DIR        a new folder for files that it needs; give it to\n"
"                         the builder as the build context tl-files\n"
"  -l, --lines FILE       write there, for each line written, the number of\n"
"                         the line it comes from\n"
"  -h, --help             this text\n"
"  -v, --verbose          print how many folders were made\n"
"  -V, --version          the version\n";

static const struct option longs[] = {
	{ "context", required_argument, NULL, 'c' },
	{ "files", required_argument, NULL, 'd' },
	{ "lines", required_argument, NULL, 'l' },
	OPT_COMMON,
	{ NULL, 0, NULL, 0 }
};

int
main(int argc, char *argv[])
{
	struct dockerfile d = DOCKERFILE_INIT;
	struct gather g = GATHER_INIT;
	struct buf text = BUF_INIT(BUF_SMALL_MAX);
	struct buf out = BUF_INIT(BUF_DOC_MAX);
	struct buf lines = BUF_INIT(BUF_DOC_MAX);
	const char *context = NULL, *files = NULL, *told = NULL, *name = "stdin";
	bool verbose = false;
	struct fail f;
	int ch;

	while ((ch = getopt_long(argc, argv, "c:d:hl:vV", longs, NULL)) != -1)
		switch (ch) {
		case 'c':
			context = optarg;
			break;
		case 'd':
			files = optarg;
			break;
		case 'h':
			opt_help(usage);
		case 'l':
			told = optarg;
			break;
		case 'v':
			verbose = true;
			break;
		case 'V':
			opt_version("tl-lower");
		default:
			opt_usage(usage);
		}
	argc -= optind;
	argv += optind;
	if (argc > 1)
		opt_usage(usage);
	if (argc == 1) {
		name = argv[0];
		if (buf_load(&text, name, &f) == -1)
			opt_fail(&f);
	} else
		opt_input(&text, "a Dockerfile");
	if (files != NULL && mkdir(files, 0755) == -1)
		err(errno == ENOENT ? EX_NOINPUT : EX_CANTCREAT, "%s", files);

	if (dockerfile_parse(&d, name, &text, &f) == -1 ||
	    gather_open(&g, context, files, &f) == -1 ||
	    lower(&d, name, &g, &out, &lines, &f) == -1)
		opt_fail(&f);
	if (g.folder > 0 && files == NULL)
		errx(EX_USAGE, "%s: it needs extra files; name a folder for "
		    "them with -d", name);
	if (verbose)
		fprintf(stderr, "tl-lower: %zu folders\n", g.folder);
	if (told != NULL && buf_save(&lines, told, &f) == -1)
		opt_fail(&f);
	opt_output(&out);

	gather_close(&g);
	dockerfile_free(&d);
	buf_free(&text);
	buf_free(&out);
	buf_free(&lines);
	return 0;
}
