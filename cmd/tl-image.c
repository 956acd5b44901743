/* tl-image: the images that are registered. */

#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "client/cloud/begin.h"
#include "client/fetch/fetch.h"
#include "client/images/image_digest.h"
#include "client/images/image_find.h"
#include "client/images/image_list.h"
#include "client/images/image_register.h"
#include "client/images/image_table.h"
#include "core/opt.h"
#include "core/quote.h"
#include "core/stop.h"
#include "core/utf8.h"

static const char usage[] =
    "usage: tl-image ls|show|digest|get|register|rm [options] [NAME|ID]...\n"
    "List registered images; show, fetch, register and delete them.\n"
    "  ls                      list all of them\n"
    "  show NAME|ID            show one, as the server sent it\n"
    "  digest NAME|ID          print a digest of its snapshot\n"
    "  get NAME|ID             fetch its disk: raw, a snapshot, or a tar\n"
    "  register NAME SNAPSHOT_ID\n"
    "                          register a snapshot of a sandbox\n"
    "  rm NAME|ID...           delete them\n"
    "  --dockerfile FILE       register: the Dockerfile that belongs to it\n"
    "  --if-exists             rm: not a failure if there is no such image\n"
    "  --json                  ls: as a JSON array\n"
    "  -o, --output FILE       get: write to FILE, not stdout\n"
    "  -p, --public            register: for everyone\n"
    "  --raw, --snapshot, --tar\n"
    "                          get: the form; --raw needs a FILE\n"
    "  -s, --sandbox FILE      get: whose proxy signs (TL_SANDBOX)\n"
    "  --signer FILE           get: or a configuration of tl-presign(1)\n"
    "                          (TL_SIGNER)\n"
    "  -h, --help  -V, --version  -v, --verbose\n"
    SETTINGS_USAGE;

enum { DOCKERFILE = 256, IF_EXISTS, JSON, RAW, SNAPSHOT, SIGNER, TAR };

static struct options {
	bool		 if_exists, json, public;
	const char	*dockerfile, *output, *sandbox, *signer;
	int		 form;		/* RAW, SNAPSHOT, TAR; 0: not given */
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

static int
enroll(char *const *word)
{
	struct buf text = BUF_INIT(BUF_SMALL_MAX);
	struct buf out = BUF_INIT(BUF_DOC_MAX);
	struct image_registration g = { .name = word[0], .snapshot = word[1],
	    .dockerfile = &text, .public = opt.public };
	struct fail f;

	if (*g.name == '\0')
		errx(EX_USAGE, "register: the name is empty");
	if (buf_load(&text, opt.dockerfile, &f) == -1)
		opt_fail(&f);
	if (text.len == 0 || !utf8_valid(text.data, text.len))
		errx(EX_DATAERR, "%s: %s", strcmp(opt.dockerfile, "-") == 0 ?
		    "stdin" : opt.dockerfile, text.len == 0 ?
		    "empty, expected a Dockerfile" : "is not UTF-8");
	if (!utf8_valid(g.name, strlen(g.name)))
		errx(EX_USAGE, "register: the name is not UTF-8");
	if (image_register(&server, &g, &out, &f) == -1) {
		named(&f, g.name);
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
		    quote_add(&line, name.data, name.len, f) == -1 ||
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

static _Noreturn void
failed(const struct fail *f)
{
	if (stop_signal != 0) {
		warnx("%s", f->msg);
		exit(stop_status());
	}
	opt_fail(f);
}

/* A program of another part of the toolkit, which may not be installed. */
static void
need(const char *name, const char *part)
{
	char *path = opt_beside(name);

	if (access(path, X_OK) == -1)
		errx(EX_UNAVAILABLE, "get: %s is not installed; it comes with "
		    "tl-%s, or make install-%s", name, part, part);
	free(path);
}

static int
get(char *const *word)
{
	const char *dialect = settings_get(&opt.settings, SETTING_DIALECT,
	    NULL);
	struct fetch g = { .server = &server, .output = opt.output,
	    .signer = opt.signer, .sandbox = opt.sandbox, .form =
	    opt.form == SNAPSHOT ? FETCH_SNAPSHOT : opt.form == TAR ?
	    FETCH_TAR : FETCH_RAW };
	struct buf text = BUF_INIT(BUF_DOC_MAX);
	struct span image;
	struct fail f;
	int r;

	if (g.form != FETCH_SNAPSHOT)
		need("tl-snapshot", "builder");
	if (g.sandbox == NULL)
		need("tl-presign", "region");
	if (dialect != NULL && sign_dialect(dialect, &g.dialect) == -1)
		errx(EX_CONFIG, "dialect: must be auto, seed or merged");
	/* A reader that is gone is a write that fails: there is a folder. */
	signal(SIGPIPE, SIG_IGN);
	stop_catch();
	find(*word, &text);
	if ((r = span_parse(&image, text.data, text.len, &f)) == 0)
		r = fetch_image(&g, &image, &f);
	if (r == -1) {
		named(&f, *word);
		failed(&f);
	}
	buf_free(&text);
	return r != 0 ? r : opt_stopped();
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
	{ "get", get, 1, 1, "o" },
	{ "register", enroll, 2, 2, "d" },
	{ "rm", rm, 1, INT_MAX, "i" },
};

/* A variable, unless it is empty. */
static const char *
set(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && *value != '\0' ? value : NULL;
}

static const struct command *
parse(int argc, char *argv[])
{
	static const struct option options[] = {
		OPT_COMMON,
		{ "dockerfile", required_argument, NULL, DOCKERFILE },
		{ "if-exists", no_argument, NULL, IF_EXISTS },
		{ "json", no_argument, NULL, JSON },
		{ "output", required_argument, NULL, 'o' },
		{ "public", no_argument, NULL, 'p' },
		{ "raw", no_argument, NULL, RAW },
		{ "sandbox", required_argument, NULL, 's' },
		{ "signer", required_argument, NULL, SIGNER },
		{ "snapshot", no_argument, NULL, SNAPSHOT },
		{ "tar", no_argument, NULL, TAR },
		SETTINGS_OPTIONS,
		{ NULL, 0, NULL, 0 }
	};
	size_t i;
	int ch, n;

	while ((ch = getopt_long(argc, argv, "hVvo:ps:", options, NULL)) != -1)
		switch (ch) {
		case 'h':
			opt_help(usage);
		case 'V':
			opt_version("tl-image");
		case 'v':
			opt.verbose = true;
			break;
		case DOCKERFILE:
			opt.dockerfile = optarg;
			break;
		case IF_EXISTS:
			opt.if_exists = true;
			break;
		case JSON:
			opt.json = true;
			break;
		case 'o':
			opt.output = optarg;
			break;
		case 'p':
			opt.public = true;
			break;
		case 's':
			opt.sandbox = optarg;
			break;
		case SIGNER:
			opt.signer = optarg;
			break;
		case RAW:
		case SNAPSHOT:
		case TAR:
			if (opt.form != 0 && opt.form != ch)
				errx(EX_USAGE, "give only one of --raw, "
				    "--snapshot and --tar");
			opt.form = ch;
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
		    (opt.json && strchr(c->takes, 'j') == NULL) ||
		    ((opt.dockerfile != NULL || opt.public) &&
		    strchr(c->takes, 'd') == NULL) ||
		    ((opt.output != NULL || opt.signer != NULL ||
		    opt.sandbox != NULL || opt.form != 0) && strchr(c->takes, 'o') == NULL))
			errx(EX_USAGE, "%s: does not take all of these "
			    "options; see tl-image -h", c->name);
		if (c->run == enroll && opt.dockerfile == NULL)
			errx(EX_USAGE, "register: needs --dockerfile FILE, "
			    "what it was made of");
		if (opt.signer != NULL && opt.sandbox != NULL)
			errx(EX_USAGE, "get: give only one of -s and --signer");
		if (opt.sandbox == NULL && opt.signer == NULL)
			opt.signer = set("TL_SIGNER");
		if (c->run == get && opt.signer == NULL &&
		    opt.sandbox == NULL && set("TL_SANDBOX") == NULL)
			errx(EX_USAGE, "get: who signs? Give a sandbox's "
			    "document with -s, or --signer FILE");
		if (c->run == get && opt.output == NULL &&
		    opt.form != SNAPSHOT && opt.form != TAR)
			errx(EX_USAGE, "get: a raw disk needs -o FILE");
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
