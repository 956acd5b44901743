/* tl-stored: an object store of one machine, with S3's interface. */

#include <err.h>
#include <getopt.h>
#include <string.h>
#include <sysexits.h>

#include "core/opt.h"
#include "region/serve/serve.h"
#include "region/sign/config.h"
#include "region/store/objects.h"
#include "region/store/s3.h"

#define BUCKETS_MAX	64

static const char usage[] =
"usage: tl-stored [-v] -d DIR -c FILE -b NAME [-l ADDR] [-r FILE]\n"
"\n"
"  -b, --bucket NAME       a bucket (repeatable)\n"
"  -c, --credentials FILE  keys: ACCESS SECRET rw|ro, one a line\n"
"  -d, --root DIR          where objects are kept\n"
"      --fault FILE        what goes wrong on purpose, see tl-fault(7)\n"
"  -l, --listen ADDR       loopback HOST:PORT (127.0.0.1:0) or unix:/PATH\n"
"      --listen-any        let HOST be any address of this machine\n"
"  -m, --part-min BYTES    least size of a part that is not the last (5 MiB)\n"
"  -r, --ready FILE        write the address there once it answers\n"
"      --region NAME       the region of signatures (us-east-1)\n"
"  -h, --help  -V, --version  -v, --verbose\n";

enum { OPT_ANY = 256, OPT_FAULT, OPT_REGION };

int
main(int argc, char *argv[])
{
	static const struct option options[] = {
		{ "bucket", required_argument, NULL, 'b' },
		{ "credentials", required_argument, NULL, 'c' },
		{ "fault", required_argument, NULL, OPT_FAULT },
		{ "listen", required_argument, NULL, 'l' },
		{ "listen-any", no_argument, NULL, OPT_ANY },
		{ "part-min", required_argument, NULL, 'm' },
		{ "ready", required_argument, NULL, 'r' },
		{ "region", required_argument, NULL, OPT_REGION },
		{ "root", required_argument, NULL, 'd' },
		OPT_COMMON,
		{ NULL, 0, NULL, 0 }
	};
	const char *buckets[BUCKETS_MAX], *root = NULL, *keys = NULL;
	const char *ready = NULL, *fault = NULL;
	uint64_t part_min = OBJECTS_PART_MIN;
	struct s3 s3 = { .region = "us-east-1" };
	struct serve_options o = {
		.name = "tl-stored",
		.listen = "127.0.0.1:0",
		.ops = &s3_ops,
		.arg = &s3,
		.xml = true,
	};
	struct serve *serve;
	struct fail f;
	size_t n = 0;
	int ch;

	while ((ch = getopt_long(argc, argv, "b:c:d:hl:m:r:Vv", options,
	    NULL)) != -1)
		switch (ch) {
		case 'b':
			if (n == BUCKETS_MAX)
				errx(EX_USAGE, "--bucket: too many");
			if (!config_bucket_ok(optarg))
				errx(EX_USAGE, "--bucket %.80s: not a "
				    "bucket's name", optarg);
			buckets[n++] = optarg;
			break;
		case 'c':
			keys = optarg;
			break;
		case 'd':
			root = optarg;
			break;
		case 'h':
			opt_help(usage);
		case 'l':
			o.listen = optarg;
			break;
		case 'm':
			part_min = opt_number("--part-min", optarg, 1,
			    OBJECTS_PART_MIN);
			break;
		case 'r':
			ready = optarg;
			break;
		case 'V':
			opt_version("tl-stored");
		case 'v':
			s3.verbose = true;
			break;
		case OPT_ANY:
			o.any_host = true;
			break;
		case OPT_FAULT:
			fault = optarg;
			break;
		case OPT_REGION:
			s3.region = optarg;
			break;
		default:
			opt_usage(usage);
		}
	if (root == NULL || keys == NULL || n == 0 || optind != argc)
		opt_usage(usage);

	serve_block_signals();
	if (serve_faults(&o, fault, &f) == -1 ||
	    s3_keys_load(&s3, keys, &f) == -1 ||
	    (s3.objects = objects_open(root, buckets, n, part_min,
	    &f)) == NULL || (serve = serve_start(&o, &f)) == NULL ||
	    serve_run(serve, ready, &f) == -1)
		opt_fail(&f);

	serve_stop(serve);
	objects_close(s3.objects);
	s3_keys_free(&s3);
	return 0;
}
