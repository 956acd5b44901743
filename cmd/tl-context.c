/* tl-context: a build context as tar.gz, or what would be in it. */
#include <sys/resource.h>
#include <sys/stat.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "client/context/context.h"
#include "client/context/likely.h"
#include "client/context/own.h"
#include "core/hex.h"
#include "core/opt.h"
#include "core/quote.h"

static const char usage[] =
"usage: tl-context [-qv] [-f FILE] [--digest FILE] [--gzip isal|zlib]\n"
"           [--record FILE [--since FILE]] [--strict] [FOLDER]\n"
"       tl-context --list [-0qv] [-f FILE] [--digest FILE] [--strict]\n"
"           [FOLDER]\n"
"\n"
"Write a build context as tar.gz on stdout, or list what it would contain.\n"
"\n"
"  -0, --null         end each line of the list with a NUL, escape nothing\n"
"      --digest FILE  write a digest of the context there\n"
"  -f, --file FILE    the Dockerfile, whose own ignore file comes first\n"
"      --gzip WHICH   compress with: isal (the default, fast) or zlib\n"
"  -l, --list         list: size, why it is left out, name\n"
"  -q, --quiet        do not warn about likely secrets\n"
"      --record FILE  write a record of all that is in the context there\n"
"      --since FILE   leave out what is as in this record of an earlier one\n"
"      --strict       refuse likely secrets\n"
"  -h, --help  -V, --version  -v, --verbose\n";

enum { OPT_DIGEST = 256, OPT_GZIP, OPT_RECORD, OPT_SINCE, OPT_STRICT };

/* Likely secrets are named up to so many, then counted. */
#define NAMED_MAX	20

static const struct option options[] = {
	OPT_COMMON,
	{ "digest", required_argument, NULL, OPT_DIGEST },
	{ "file", required_argument, NULL, 'f' },
	{ "gzip", required_argument, NULL, OPT_GZIP },
	{ "list", no_argument, NULL, 'l' },
	{ "null", no_argument, NULL, '0' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "record", required_argument, NULL, OPT_RECORD },
	{ "since", required_argument, NULL, OPT_SINCE },
	{ "strict", no_argument, NULL, OPT_STRICT },
	{ NULL, 0, NULL, 0 }
};

/* One line, "SIZE why NAME": the name last, for it may hold anything. */
static int
list_entry(const struct context *c, size_t i, bool null, struct buf *path,
    struct buf *out, struct fail *f)
{
	const struct walk_entry *e = c->walk.entry + i;
	int r;

	buf_clear(path);
	if (walk_path(&c->walk, i, path, f) == -1)
		return -1;
	if (e->why == WALK_IN)
		r = buf_addf(out, f, "%" PRIu64 "\t-\t", e->size);
	else if ((r = buf_adds(out, "-\t", f)) == 0 &&
	    (r = context_why(c, i, out, f)) == 0)
		r = buf_add(out, "\t", 1, f);
	if (r == -1)
		return -1;
	if (null)
		return buf_add(out, path->data, path->len + 1, f);
	if (quote_add(out, path->data, path->len, f) == -1)
		return -1;
	return buf_add(out, "\n", 1, f);
}

static void
list(const struct context *c, bool null)
{
	struct buf out = BUF_INIT(4 * WALK_NAMES_MAX);
	struct buf path = BUF_INIT(2 * WALK_PATH_MAX);
	struct fail f;
	size_t i;

	for (i = 0; i < c->walk.n; i++)
		if (list_entry(c, i, null, &path, &out, &f) == -1)
			opt_fail(&f);
	opt_output(&out);
	buf_free(&path);
	buf_free(&out);
}

/* What a build may miss later, unless the user's own patterns say so. */
static void
warn_left_out(const struct context *c)
{
	struct buf path = BUF_INIT(2 * WALK_PATH_MAX);
	struct buf why = BUF_INIT(2 * WALK_PATH_MAX);
	char shown[WALK_SHOWN];
	struct fail f;
	size_t i;

	for (i = 0; i < c->walk.n; i++) {
		if (c->walk.entry[i].why != WALK_SPECIAL &&
		    c->walk.entry[i].why != WALK_OUTPUT)
			continue;
		buf_clear(&path);
		buf_clear(&why);
		if (walk_path(&c->walk, i, &path, &f) == -1 ||
		    context_why(c, i, &why, &f) == -1)
			opt_fail(&f);
		warnx("%s: left out (%s)", walk_show(shown, c->dir,
		    path.data), why.data);
	}
	buf_free(&path);
	buf_free(&why);
}

/* Before anything is sent. */
static void
look_for_secrets(const struct context *c, bool quiet, bool strict)
{
	struct buf path = BUF_INIT(2 * WALK_PATH_MAX);
	char shown[WALK_SHOWN];
	const char *what;
	struct fail f;
	size_t i, n = 0;

	for (i = 0; i < c->walk.n; i++) {
		buf_clear(&path);
		if (c->walk.entry[i].kind != WALK_FILE ||
		    c->walk.entry[i].why != WALK_IN)
			continue;
		if (walk_path(&c->walk, i, &path, &f) == -1)
			opt_fail(&f);
		what = likely_secret(&c->walk, i, c->root, path.data);
		if (what != NULL && ++n <= NAMED_MAX && !quiet)
			warnx("%s: looks like %s and is sent to the builder; "
			    "an ignore file keeps it out", walk_show(shown,
			    c->dir, path.data), what);
	}
	buf_free(&path);
	if (n > NAMED_MAX && !quiet)
		warnx("and %zu more that look like secrets",
		    n - (size_t)NAMED_MAX);
	if (n > 0 && strict)
		errx(EX_DATAERR, "%zu of the context look%s like secrets, "
		    "and --strict refuses them", n, n == 1 ? "s" : "");
}

static void
say_what(const struct context *c)
{
	uint64_t bytes = 0;
	char shown[WALK_SHOWN];
	size_t i, in = 0;

	for (i = 0; i < c->walk.n; i++)
		if (c->walk.entry[i].why == WALK_IN) {
			bytes += c->walk.entry[i].size;
			in++;
		}
	warnx("ignore file: %s", c->ignore_name == NULL ? "none" :
	    walk_show(shown, ".", c->ignore_name));
	warnx("%zu entries of %" PRIu64 " bytes, %zu left out", in, bytes,
	    c->walk.n - in);
}

/* A tree is as deep as it is; each of its folders is open while below it. */
static void
allow_depth(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* Whether path holds just that; what cannot be read does not. */
static bool
holds(const char *path, const struct buf *text)
{
	struct buf had = BUF_INIT(BUF_SMALL_MAX);
	struct fail f;
	struct stat st;
	bool same;

	same = stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
	    buf_load(&had, path, &f) == 0 && had.len == text->len &&
	    memcmp(had.data, text->data, text->len) == 0;
	buf_free(&had);
	return same;
}

/* The file's time says when the context was first seen as it is. */
static void
save_digest(const char *path, const uint8_t sum[SUM_SIZE])
{
	struct buf out = BUF_INIT(BUF_SMALL_MAX);
	char hex[2 * SUM_SIZE + 1];
	struct fail f;

	hex_encode(hex, sum, SUM_SIZE);
	if (buf_addf(&out, &f, "%s\n", hex) == -1 ||
	    (!holds(path, &out) && buf_save(&out, path, &f) == -1))
		opt_fail(&f);
	buf_free(&out);
}

int
main(int argc, char *argv[])
{
	struct context c = CONTEXT_INIT;
	enum gzip_with with = GZIP_ISAL;
	const char *dockerfile = NULL, *digest = NULL, *unwanted;
	const char *record = NULL, *since = NULL;
	struct records records = RECORDS_INIT;
	uint8_t sum[SUM_SIZE];
	bool listing = false, null = false, verbose = false;
	bool quiet = false, strict = false;
	struct leave leave = LEAVE_INIT;
	struct walk_never never = { NULL, NULL, 0, &leave };
	struct stat output;
	struct own own;
	int64_t epoch;
	bool clamped;
	struct fail f;
	int ch;

	while ((ch = getopt_long(argc, argv, "0f:hlqVv", options, NULL)) != -1)
		switch (ch) {
		case '0':
			null = true;
			break;
		case 'f':
			dockerfile = optarg;
			break;
		case 'h':
			opt_help(usage);
		case 'l':
			listing = true;
			break;
		case 'q':
			quiet = true;
			break;
		case OPT_STRICT:
			strict = true;
			break;
		case 'V':
			opt_version("tl-context");
		case 'v':
			verbose = true;
			break;
		case OPT_DIGEST:
			digest = optarg;
			break;
		case OPT_RECORD:
			record = optarg;
			break;
		case OPT_SINCE:
			since = optarg;
			break;
		case OPT_GZIP:
			if (strcmp(optarg, "isal") == 0)
				with = GZIP_ISAL;
			else if (strcmp(optarg, "zlib") == 0)
				with = GZIP_ZLIB;
			else
				errx(EX_USAGE, "--gzip %.40s: must be isal or "
				    "zlib", optarg);
			break;
		default:
			opt_usage(usage);
		}
	argc -= optind;
	argv += optind;
	if (argc > 1 || (null && !listing) || (record != NULL && listing) ||
	    (since != NULL && record == NULL))
		opt_usage(usage);
	clamped = opt_source_date_epoch(&epoch);
	if (fstat(STDOUT_FILENO, &output) == -1)
		err(EX_IOERR, "stdout");
	if (!listing && isatty(STDOUT_FILENO))
		errx(EX_USAGE, "stdout is a terminal: redirect it, or use "
		    "--list");

	allow_depth();
	own_find(&own);
	if (digest != NULL)
		own_add(&own, digest);
	if (record != NULL)
		own_add(&own, record);
	if (since != NULL)
		own_add(&own, since);
	unwanted = getenv("TL_LEAVE_OUT");
	if (unwanted != NULL && *unwanted != '\0' &&
	    leave_load(&leave, unwanted, &f) == -1)
		opt_fail(&f);
	never.own = own.st;
	never.n = own.n;
	if (S_ISREG(output.st_mode))
		never.output = &output;
	if (context_list(&c, argc == 1 ? argv[0] : NULL, dockerfile, &never,
	    &f) == -1)
		opt_fail(&f);
	if (verbose)
		say_what(&c);
	if (!quiet || strict)
		look_for_secrets(&c, quiet, strict);
	if (listing) {
		if (digest != NULL && context_sum(&c, clamped ? &epoch : NULL,
		    sum, &f) == -1)
			opt_fail(&f);
		list(&c, null);
	} else {
		warn_left_out(&c);
		if (record != NULL && records_begin(&records, since, &f) == -1)
			opt_fail(&f);
		if (context_send(&c, with, STDOUT_FILENO, "stdout",
		    clamped ? &epoch : NULL, digest != NULL ? sum : NULL,
		    record != NULL ? &records : NULL, &f) == -1)
			opt_fail(&f);
		if (close(STDOUT_FILENO) == -1)
			err(EX_IOERR, "stdout");
	}
	if (record != NULL && records_save(&records, record, &f) == -1)
		opt_fail(&f);
	if (digest != NULL)
		save_digest(digest, sum);
	records_free(&records);
	context_free(&c);
	leave_free(&leave);
	return 0;
}
