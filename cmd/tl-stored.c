/* tl-stored: an object store of one machine, with S3's interface. */

#include <err.h>
#include <getopt.h>
#include <sysexits.h>

#include "core/opt.h"
#include "region/serve/daemon.h"
#include "region/sign/config.h"
#include "region/store/objects.h"
#include "region/store/s3.h"

#define BUCKETS_MAX	64

static const char usage[] =
"usage: tl-stored [-v] -d DIR -c FILE -b NAME [-l ADDR] [-r FILE]\n"
"\n"
"  -b, --bucket NAME       a bucket (repeatable)\n"
"  -c, --credentials FILE  keys: ACCESS SECRET rw|ro, one per line\n"
"  -d, --root DIR          where objects are kept\n"
"      --fault FILE        faults on purpose, see tl-fault(7)\n"
"  -l, --listen ADDR       loopback HOST:PORT (127.0.0.1:0) or unix:/PATH\n"
"      --listen-any        let HOST be any address of this machine\n"
"  -m, --part-min BYTES    smallest size of a part except the last (5 MiB)\n"
"  -r, --ready FILE        write the address there when it is ready\n"
"      --region NAME       the region of signatures (us-east-1)\n"
"  -h, --help  -V, --version  -v, --verbose\n";

enum { OPT_ANY = 256, OPT_REGION };

/* What is damaged is found while it starts. */
static void
damaged(const char *what)
{
	warnx("%s", what);
}

int
main(int argc, char *argv[])
{
	static const struct option options[] = {
		{ "bucket", required_argument, NULL, 'b' },
		{ "credentials", required_argument, NULL, 'c' },
		{ "listen-any", no_argument, NULL, OPT_ANY },
		{ "part-min", required_argument, NULL, 'm' },
		{ "region", required_argument, NULL, OPT_REGION },
		{ "root", required_argument, NULL, 'd' },
		DAEMON_OPTIONS,
		{ NULL, 0, NULL, 0 }
	};
	const char *buckets[BUCKETS_MAX] = { NULL }, *root = NULL, *keys = NULL;
	uint64_t part_min = OBJECTS_PART_MIN;
	struct s3 s3 = { .region = "us-east-1" };
	struct daemon d = { .usage = usage, .serve = {
	    .name = "tl-stored", .listen = "127.0.0.1:0", .ops = &s3_ops,
	    .arg = &s3, .xml = true } };
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
		case 'm':
			part_min = opt_number("--part-min", optarg, 1,
			    OBJECTS_PART_MIN);
			break;
		case OPT_ANY:
			d.serve.any_host = true;
			break;
		case OPT_REGION:
			s3.region = optarg;
			break;
		default:
			daemon_option(&d, ch);
		}
	if (root == NULL || keys == NULL || n == 0 || optind != argc)
		opt_usage(usage);

	daemon_begin(&d);
	if (s3_keys_load(&s3, keys, &f) == -1 ||
	    (s3.objects = objects_open(root, buckets, n, part_min,
	    damaged, &f)) == NULL)
		opt_fail(&f);
	daemon_run(&d, daemon_start(&d));
	objects_close(s3.objects);
	s3_keys_free(&s3);
	return 0;
}
