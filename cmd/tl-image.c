/* tl-image: the images that are registered. */

#include <err.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "client/cloud/begin.h"
#include "client/images/image_digest.h"
#include "client/images/image_find.h"
#include "client/images/image_list.h"
#include "client/images/image_table.h"
#include "core/opt.h"
#include "core/utf8.h"

static const char usage[] =
    "usage: tl-image ls|show|digest|rm [options] [NAME|ID]...\n"
    "List the images that are registered, show one, delete some.\n"
    "  ls                      a table of all of them\n"
    "  show NAME|ID            one, as the server has it\n"
    "  digest NAME|ID          which snapshot it is, in a word\n"
    "  rm NAME|ID...           delete them\n"
    "  --if-exists             rm: one that is not there is no failure\n"
    "  --json                  ls: a JSON array instead\n"
    "  -h, --help  -V, --version  -v, --verbose\n"
    SETTINGS_USAGE;

enum { IF_EXISTS = 256, JSON };

static struct options {
	bool		 if_exists, json;
	struct settings	 settings;
	bool		 verbose;
} opt = { .settings = SETTINGS_INIT };

static struct cloud cloud = CLOUD_INIT;
static struct image_server server = { .cloud = &cloud };

/* "tl-image: NAME: no such image" and the like, in one line. */
static void
named(struct fail *f, const char *word)
{
	char shown[128];

	fail_in(f, fail_show(shown, sizeof(shown), word, 100));
}

static int
ls(char *const *word)
{
	struct image_list list = IMAGE_LIST_INIT;
	struct buf out = BUF_INIT(2 * BUF_DOC_MAX);
	struct fail f;

	(void)word;
	if (image_list_load(&list, &server, &f) == -1 ||
	    (opt.json ? image_array : image_table)(&list, &out, &f) == -1)
		opt_fail(&f);
	opt_output(&out);
	image_list_free(&list);
	buf_free(&out);
	return 0;
}

static void
find(const char *word, struct buf *out)
{
	struct fail f;
	int r;

	if ((r = image_find(&server, word, out, &f)) == 0)
		fail_set(&f, EX_NOINPUT, "no such image");
	if (r != 1) {
		named(&f, word);
		opt_fail(&f);
	}
}

static int
show(char *const *word)
{
	struct buf out = BUF_INIT(BUF_DOC_MAX);

	find(*word, &out);
	opt_output(&out);
	buf_free(&out);
	return 0;
}

static int
digest(char *const *word)
{
	struct buf text = BUF_INIT(BUF_DOC_MAX);
	struct buf out = BUF_INIT(BUF_SMALL_MAX);
	struct span image;
	struct fail f;

	find(*word, &text);
	if (span_parse(&image, text.data, text.len, &f) == -1 ||
	    image_digest(&image, &out, &f) == -1) {
		named(&f, *word);
		opt_fail(&f);
	}
	opt_output(&out);
	buf_free(&text);
	buf_free(&out);
	return 0;
}

/* Each is told when it is gone, whatever becomes of the next. */
static int
delete(const char *word, struct fail *f)
{
	struct buf name = BUF_INIT(BUF_SMALL_MAX);
	struct buf line = BUF_INIT(BUF_SMALL_MAX);
	int r;

	if ((r = image_delete(&server, word, &name, f)) == 1) {
		if (buf_adds(&line, "deleted ", f) == -1 ||
		    utf8_quote(&line, name.data, name.len, f) == -1 ||
		    buf_adds(&line, "\n", f) == -1)
			r = -1;
		else
			r = buf_write(&line, STDOUT_FILENO, "stdout", f);
	} else if (r == 0 && !opt.if_exists)
		r = fail_set(f, EX_NOINPUT, "no such image");
	buf_free(&name);
	buf_free(&line);
	return r;
}

static int
rm(char *const *word)
{
	int status = 0;
	struct fail f;

	for (; *word != NULL; word++) {
		if (delete(*word, &f) != -1)
			continue;
		named(&f, *word);
		/* What is wrong with one of them is no matter of the next. */
		if (f.status != EX_NOINPUT && f.status != EX_UNAVAILABLE &&
		    f.status != EX_NOPERM && f.status != EX_USAGE)
			opt_fail(&f);
		warnx("%s", f.msg);
		if (status == 0)
			status = f.status;
	}
	if (close(STDOUT_FILENO) == -1)
		err(EX_IOERR, "stdout");
	return status;
}

static const struct command {
	const char	*name;
	int		(*run)(char *const *word);
	int		 least, most;	/* words */
	const char	*takes;		/* besides the common options */
} commands[] = {
	{ "ls", ls, 0, 0, "j" },
	{ "show", show, 1, 1, "" },
	{ "digest", digest, 1, 1, "" },
	{ "rm", rm, 1, INT_MAX, "i" },
};

static const struct command *
parse(int argc, char *argv[])
{
	static const struct option options[] = {
		OPT_COMMON,
		{ "if-exists", no_argument, NULL, IF_EXISTS },
		{ "json", no_argument, NULL, JSON },
		SETTINGS_OPTIONS,
		{ NULL, 0, NULL, 0 }
	};
	size_t i;
	int ch, n;

	while ((ch = getopt_long(argc, argv, "hVv", options, NULL)) != -1)
		switch (ch) {
		case 'h':
			opt_help(usage);
		case 'V':
			opt_version("tl-image");
		case 'v':
			opt.verbose = true;
			break;
		case IF_EXISTS:
			opt.if_exists = true;
			break;
		case JSON:
			opt.json = true;
			break;
		default:
			if (!begin_option(&opt.settings, ch, optarg))
				opt_usage(usage);
		}
	if (optind == argc)
		opt_usage(usage);
	n = argc - optind - 1;
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		const struct command *c = &commands[i];

		if (strcmp(argv[optind], c->name) != 0)
			continue;
		if (n < c->least || n > c->most)
			break;
		if ((opt.if_exists && strchr(c->takes, 'i') == NULL) ||
		    (opt.json && strchr(c->takes, 'j') == NULL))
			errx(EX_USAGE, "%s: does not take all of these "
			    "options; see tl-image -h", c->name);
		return c;
	}
	opt_usage(usage);
}

int
main(int argc, char *argv[])
{
	const struct command *command = parse(argc, argv);
	struct fail f;
	int status;

	begin_settings(&opt.settings, "tl-image");
	server.http = cloud_http(&cloud, &opt.settings, opt.verbose, &f);
	if (server.http == NULL)
		opt_fail(&f);
	server.note = opt.verbose ? opt_note : NULL;

	status = command->run(&argv[optind + 1]);

	http_free(server.http);
	cloud_free(&cloud);
	settings_free(&opt.settings);
	return status;
}
