/* tl-upload: send a file through the signed URLs of a block. */

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "builder/upload/upload.h"
#include "core/hex.h"
#include "core/json.h"
#include "core/opt.h"
#include "core/private.h"

#define JOBS	4
#define TRIES	8	/* the last one about half a minute after the first */

static const char usage[] =
"usage: tl-upload [-v] [-j N] [-J FILE] [-pS] [-s SPEC] SNAPSHOT <block\n"
"       tl-upload [-v] [-j N] [-pS] -g -s SPEC SNAPSHOT\n"
"  -g, --growing       send SNAPSHOT while it is written; stdin says \"whole\"\n"
"  -j, --jobs N        parts sent at once (4)\n"
"  -J, --journal FILE  record acknowledged parts there, send only the rest\n"
"  -p, --progress      print progress on stderr, once a second\n"
"  -S, --sum           the result has the SHA-256 of SNAPSHOT\n"
"  -s, --spec SPEC     take the block from member upload of this file\n"
"  -t, --tries N       tries of each request (8)\n"
"  -v, --verbose       print each request on stderr\n"
"  -h, --help  -V, --version\n";

#define OPEN_MS	20	/* how late a file is noticed that was not there */

static volatile sig_atomic_t caught;

static void
on_signal(int sig)
{
	caught = sig;
}

static void
signals(void)
{
	struct sigaction sa = { .sa_handler = on_signal };

	sigemptyset(&sa.sa_mask);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* At most a line a second, and one when all is there. */
static void
progress(void *arg, uint64_t done, uint64_t total)
{
	static time_t last;
	struct timespec now;

	(void)arg;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (now.tv_sec == last && done < total)
		return;
	last = now.tv_sec;
	fprintf(stderr, "tl-upload: %" PRIu64 " / %" PRIu64 " bytes\n", done,
	    total);
}

static int
result(const struct upload_result *r, bool sum, struct buf *out,
    struct fail *f)
{
	char hex[2 * sizeof(r->sha256) + 1];
	struct jout j = JOUT_INIT(out);

	jout_object(&j);
	jout_member(&j, "uri", r->uri);
	jout_key(&j, "sizeBytes");
	jout_u64(&j, r->size);
	jout_key(&j, "parts");
	jout_u64(&j, r->parts);
	jout_key(&j, "etag");
	jout_string(&j, r->etag);
	if (sum) {
		hex_encode(hex, r->sha256, sizeof(r->sha256));
		jout_member(&j, "sha256", hex);
	}
	jout_close(&j);
	if (jout_end(&j, f) == -1)
		return -1;
	return buf_add(out, "\n", 1, f);
}

/* One that is still to be written may not be there yet. */
static int
open_growing(const char *path)
{
	struct pollfd p = { STDIN_FILENO, POLLIN, 0 };
	int fd, said = 0;

	while ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1 &&
	    errno == ENOENT && said == 0 && caught == 0)
		said = poll(&p, 1, OPEN_MS);
	return fd;
}

int
main(int argc, char *argv[])
{
	static const struct option longs[] = {
		{ "growing", no_argument, NULL, 'g' },
		{ "jobs", required_argument, NULL, 'j' },
		{ "journal", required_argument, NULL, 'J' },
		{ "progress", no_argument, NULL, 'p' },
		{ "spec", required_argument, NULL, 's' },
		{ "sum", no_argument, NULL, 'S' },
		{ "tries", required_argument, NULL, 't' },
		OPT_COMMON, { NULL, 0, NULL, 0 }
	};
	struct upload_options opt = { .jobs = JOBS, .tries = TRIES,
	    .stop = &caught, .grows = -1 };
	struct buf text = BUF_INIT(BUF_DOC_MAX), out = BUF_INIT(BUF_SMALL_MAX);
	const char *spec = NULL, *from;
	struct upload_result res;
	struct span doc, block;
	struct http *http;
	struct fail f;
	int ch, fd, r;

	while ((ch = getopt_long(argc, argv, "gj:J:pSs:t:hVv", longs,
	    NULL)) != -1)
		switch (ch) {
		case 'g':
			opt.grows = STDIN_FILENO;
			break;
		case 'j':
			opt.jobs = (unsigned)opt_number("--jobs", optarg, 1,
			    UPLOAD_JOBS_MAX);
			break;
		case 'J':
			opt.journal = optarg;
			break;
		case 'p':
			opt.progress = progress;
			break;
		case 'S':
			opt.sum = true;
			break;
		case 's':
			spec = optarg;
			break;
		case 't':
			opt.tries = (unsigned)opt_number("--tries", optarg, 1,
			    100);
			break;
		case 'v':
			opt.verbose = true;
			break;
		case 'h':
			opt_help(usage);
		case 'V':
			opt_version("tl-upload");
		default:
			opt_usage(usage);
		}
	if (argc - optind != 1)
		opt_usage(usage);
	if (opt.grows != -1 && spec == NULL)
		errx(EX_USAGE, "--growing: needs --spec, as stdin says when "
		    "the file is whole");
	if (opt.grows != -1 && opt.journal != NULL)
		errx(EX_USAGE, "--growing: no --journal with it");

	from = spec == NULL ? "stdin" : spec;
	private_hold();
	if (buf_load(&text, spec == NULL ? "-" : spec, &f) == -1)
		opt_fail(&f);
	if (text.len == 0) {
		fail_set(&f, EX_DATAERR, "%s: empty, expected a signed block",
		    from);
		opt_fail(&f);
	}
	if (span_parse(&doc, text.data, text.len, &f) == -1) {
		fail_in(&f, from);
		opt_fail(&f);
	}
	block = doc;
	if (spec != NULL && json_sub(&doc, "upload", JSON_NEED, '{', &block,
	    &f) == -1) {
		fail_in(&f, from);
		opt_fail(&f);
	}
	signals();
	fd = opt.grows == -1 ? open(argv[optind], O_RDONLY | O_CLOEXEC) :
	    open_growing(argv[optind]);
	if (fd == -1 && (opt.grows == -1 || errno != ENOENT)) {
		fail_sys(&f, EX_NOINPUT, "%s", argv[optind]);
		opt_fail(&f);
	}
	if ((http = http_new(&f)) == NULL)
		opt_fail(&f);
	if (opt.verbose)
		http_verbose(http);

	r = upload_file(http, &block, fd, argv[optind], &opt, &res, &f);
	http_free(http);
	buf_free(&text);
	if (fd != -1)
		close(fd);
	if (r == -1) {
		if (caught != 0)
			f.status = 128 + caught;
		opt_fail(&f);
	}
	if (opt.verbose && res.resumed != 0)
		fprintf(stderr, "tl-upload: %u of %u parts were there\n",
		    res.resumed, res.parts);
	if (result(&res, opt.sum, &out, &f) == -1)
		opt_fail(&f);
	opt_output(&out);
	upload_result_free(&res);
	buf_free(&out);
	return 0;
}
