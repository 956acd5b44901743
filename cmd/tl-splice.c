/* tl-splice: put signed blocks and a plan into a prepared answer, as bytes. */

#include <err.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "client/stages/disk.h"
#include "client/stages/spec.h"
#include "core/mask.h"
#include "core/opt.h"
#include "core/private.h"

static const char usage[] =
"usage: tl-splice [-v] [-p PLAN [options]] PREPARED SIGNED\n"
"Make the builder's spec: the prepared build with the signed blocks in it.\n"
"One of the files may be -, which is stdin.\n"
"\n"
"  -p, --plan PLAN           tl-plan's document: set what the builder needs\n"
"      --disk-mb SIZE        size of the root file system: 2048, 10G\n"
"      --docker-config FILE  give the builder these registry credentials\n"
"      --docker-compat       ask the builder for Docker compatibility\n"
"      --no-cache            ask the builder not to use its cache\n"
"  -h, --help                this text\n"
"  -v, --verbose             print what is done\n"
"  -V, --version             the version\n";

enum { OPT_DISK = 256, OPT_CONFIG, OPT_COMPAT, OPT_NO_CACHE };

static const struct option longs[] = {
	{ "plan", required_argument, NULL, 'p' },
	{ "disk-mb", required_argument, NULL, OPT_DISK },
	{ "docker-config", required_argument, NULL, OPT_CONFIG },
	{ "docker-compat", no_argument, NULL, OPT_COMPAT },
	{ "no-cache", no_argument, NULL, OPT_NO_CACHE },
	OPT_COMMON,
	{ NULL, 0, NULL, 0 }
};

/*
 * The texts, which hold secrets.  They are not freed: the system clears them
 * on exit, and faster than we could.
 */
static struct map prepared = MAP_INIT(BUF_DOC_MAX);
static struct map blocks = MAP_INIT(BUF_DOC_MAX);
static struct map plan = MAP_INIT(BUF_SMALL_MAX);
static struct map docker = MAP_INIT(BUF_SMALL_MAX);

static const struct map *
load(struct map *m, const char *path)
{
	static bool taken;
	struct fail f;

	if (strcmp(path, "-") == 0) {
		if (taken)
			errx(EX_USAGE,
			    "-: standard input holds one document only");
		taken = true;
	}
	if (map_load(m, path, &f) == -1)
		opt_fail(&f);
	return m;
}

/* On a terminal, and so masked. */
static int
show(const struct spec *spec, struct fail *f)
{
	size_t i;

	for (i = 0; i < spec->pieces; i++)
		if (mask_write(stdout, spec->piece[i].at,
		    spec->piece[i].len) == -1)
			break;
	return i < spec->pieces || fflush(stdout) == EOF ?
	    fail_sys(f, EX_IOERR, "stdout") : 0;
}

int
main(int argc, char *argv[])
{
	const char *plan_path = NULL, *docker_path = NULL;
	struct spec_options o = { .docker_compat = false };
	static struct spec spec = SPEC_INIT;
	struct buf nothing = BUF_INIT(0);
	bool verbose = false;
	uint64_t disk_mb;
	int64_t epoch;
	char seconds[24];
	struct fail f, changed;
	int ch, r;

	while ((ch = getopt_long(argc, argv, "hp:vV", longs, NULL)) != -1)
		switch (ch) {
		case 'p':
			plan_path = optarg;
			break;
		case OPT_DISK:
			disk_mb = opt_mib("--disk-mb", optarg, 0,
			    DISK_MB_MAX);
			o.disk_mb = &disk_mb;
			break;
		case OPT_CONFIG:
			docker_path = optarg;
			break;
		case OPT_COMPAT:
			o.docker_compat = true;
			break;
		case OPT_NO_CACHE:
			o.no_cache = true;
			break;
		case 'h':
			opt_help(usage);
		case 'v':
			verbose = true;
			break;
		case 'V':
			opt_version("tl-splice");
		default:
			opt_usage(usage);
		}
	argc -= optind;
	argv += optind;
	if (argc != 2)
		opt_usage(usage);
	if (plan_path == NULL && (o.disk_mb != NULL || docker_path != NULL ||
	    o.docker_compat || o.no_cache))
		errx(EX_USAGE, "--disk-mb, --docker-config, --docker-compat "
		    "and --no-cache need a plan: give -p PLAN");

	private_hold();
	map_guard();
	o.prepared = load(&prepared, argv[0]);
	o.signed_blocks = load(&blocks, argv[1]);
	if (plan_path != NULL)
		o.plan = load(&plan, plan_path);
	if (plan_path != NULL)
		if (opt_source_date_epoch(&epoch)) {
			snprintf(seconds, sizeof(seconds), "%jd",
			    (intmax_t)epoch);
			o.epoch = seconds;
		}
	if (docker_path != NULL)
		o.docker = load(&docker, docker_path);

	/* A file that changed explains whatever was found wrong in it. */
	r = spec_splice(&spec, &o, &f);
	if (map_same(&prepared, &changed) == -1 ||
	    map_same(&blocks, &changed) == -1 ||
	    map_same(&plan, &changed) == -1 ||
	    map_same(&docker, &changed) == -1)
		opt_fail(&changed);
	if (r == -1)
		opt_fail(&f);
	if (verbose)
		warnx("%zu bytes of %s and %zu of %s: a spec of %zu",
		    prepared.len, prepared.name, blocks.len, blocks.name,
		    spec.len);
	if ((isatty(STDOUT_FILENO) == 1 ? show(&spec, &f) :
	    spec_write(&spec, STDOUT_FILENO, "stdout", &f)) == -1)
		opt_fail(&f);
	opt_output(&nothing);
	spec_free(&spec);
	return 0;
}
