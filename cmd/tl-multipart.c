/* tl-multipart: open multipart uploads in the bucket, list and end them. */

#include <err.h>
#include <getopt.h>
#include <signal.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/http.h"
#include "core/opt.h"
#include "region/sign/config.h"
#include "region/sign/multipart.h"
#include "region/sign/path.h"

static const char usage[] =
"usage: tl-multipart [-v] -c FILE create KEY | abort KEY ID |\n"
"                             list KEY | release KEY\n"
"\n"
"  create KEY           begin an upload; print its id\n"
"  abort KEY ID         abort one upload\n"
"  list KEY             list the open uploads of this key\n"
"  release KEY          abort all open uploads of this key\n"
"  -c, --config FILE    the bucket, and the key that signs\n"
"  -h, --help  -V, --version  -v, --verbose\n";

/* Open one and say its id; one whose id nobody learns of is aborted. */
static int
create(struct http *http, const struct config *config, const char *key,
    struct fail *f)
{
	struct buf id = BUF_INIT(BUF_SMALL_MAX);
	struct buf line = BUF_INIT(BUF_SMALL_MAX);
	struct fail second;
	int rc;

	/* A reader that is gone is a write that fails, not our end. */
	signal(SIGPIPE, SIG_IGN);
	if (multipart_create(http, config, key, &id, f) == -1)
		return -1;
	rc = buf_addf(&line, f, "%s\n", id.data);
	if (rc == 0)
		rc = opt_write(&line, f);
	if (rc == -1 &&
	    multipart_abort(http, config, key, id.data, &second) == -1) {
		fail_in(&second, "the upload is left open");
		warnx("%s", second.msg);
	}
	buf_free(&line);
	buf_free(&id);
	return rc;
}

/* The ids of a key's uploads, a line each. */
static int
list(struct http *http, const struct config *config, const char *key,
    struct fail *f)
{
	struct buf ids = BUF_INIT(BUF_DOC_MAX);
	size_t n, i;
	int rc = multipart_list(http, config, key, &ids, &n, f);

	signal(SIGPIPE, SIG_IGN);
	for (i = 0; rc == 0 && i < ids.len; i++)
		if (ids.data[i] == '\0')
			ids.data[i] = '\n';
	if (rc == 0)
		rc = opt_write(&ids, f);
	buf_free(&ids);
	return rc;
}

static int
release(struct http *http, const struct config *config, const char *key,
    bool verbose, struct fail *f)
{
	size_t n;
	int rc = multipart_release(http, config, key, &n, f);

	if (verbose)
		warnx("released %zu uploads", n);
	return rc;
}

int
main(int argc, char *argv[])
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		OPT_COMMON,
		{ NULL, 0, NULL, 0 }
	};
	const char *path = NULL, *verb;
	bool verbose = false;
	struct config config;
	struct http *http;
	struct fail f;
	int ch, rc;

	while ((ch = getopt_long(argc, argv, "+c:hVv", options, NULL)) != -1)
		switch (ch) {
		case 'c':
			path = optarg;
			break;
		case 'h':
			opt_help(usage);
		case 'V':
			opt_version("tl-multipart");
		case 'v':
			verbose = true;
			break;
		default:
			opt_usage(usage);
		}
	argc -= optind;
	argv += optind;
	verb = argc > 0 ? argv[0] : "";
	if (path == NULL || argc != (strcmp(verb, "abort") == 0 ? 3 : 2) ||
	    (strcmp(verb, "abort") != 0 && strcmp(verb, "create") != 0 &&
	    strcmp(verb, "list") != 0 && strcmp(verb, "release") != 0))
		opt_usage(usage);

	if (config_load(&config, path, &f) == -1 ||
	    sign_path_check(argv[1], &f) == -1 ||
	    (http = http_new(&f)) == NULL)
		opt_fail(&f);
	if (verbose)
		http_verbose(http);
	rc = *verb == 'c' ? create(http, &config, argv[1], &f) :
	    *verb == 'l' ? list(http, &config, argv[1], &f) :
	    *verb == 'r' ? release(http, &config, argv[1], verbose, &f) :
	    multipart_abort(http, &config, argv[1], argv[2], &f);
	if (rc == -1)
		opt_fail(&f);

	http_free(http);
	config_free(&config);
	return 0;
}
