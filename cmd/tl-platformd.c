/* tl-platformd: platform-api of a region: templates, prepare and complete. */

#include <err.h>
#include <getopt.h>
#include <string.h>
#include <sysexits.h>

#include "core/opt.h"
#include "region/platform/api.h"
#include "region/serve/daemon.h"
#include "region/sign/receipt_key.h"

#define EXPIRE_S	(7 * 24 * 3600)	/* tl-wire(7), "Open points" */
#define ATTEST_AGE_S	(24 * 3600)	/* a build that is resumed has one */

static const char usage[] =
    "usage: tl-platformd [-v] --keys FILE --db FILE --reader FILE [OPTION]...\n"
    "\n"
    "platform-api of a region over HTTP, see tl-platformd(8).\n"
    "  --listen HOST:PORT   a loopback address (127.0.0.1:0: any free port)\n"
    "  --ready FILE         write the URL there when it is ready\n"
    "  --keys FILE          tokens and their projects\n"
    "  --db FILE            templates and builds\n"
    "  --reader FILE        the bucket, with a key that may read it\n"
    "  --lifecycle URL      pass /v1/namespaces/ requests on to this server\n"
    "  --answer KIND        of prepare: versioned (default) or legacy\n"
    "  --signer FILE        the bucket, with a key that may write it, for\n"
    "                       legacy answers\n"
    "  --attest WORD        receipts: ignore, accept (default,\n"
    "                       with keys) or require\n"
    "  --attest-age SECONDS  refuse receipts older than this\n"
    "  --attest-keys FILE   public keys that sign receipts\n"
    "  --templates DIR      public templates, each in NAME.json\n"
    "  --builder-image S, --builder-command S, --builder-cpus N,\n"
    "  --builder-memory-mb N, --builder-disk-mb N\n"
    "                       the sandbox of a build\n"
    "  --expire SECONDS     after which an uncompleted build is removed\n"
    "  --fault FILE         faults on purpose, see tl-fault(7)\n"
    "  -h, --help  -V, --version  -v, --verbose\n";

enum {
	KEYS = 256, DB, READER, LIFECYCLE, ANSWER, SIGNER, TEMPLATES, IMAGE,
	COMMAND, CPUS, MEMORY, DISK, EXPIRE, ATTEST, ATTEST_AGE, ATTEST_KEYS
};

static const struct option options[] = {
	DAEMON_OPTIONS,
	{ "keys", required_argument, NULL, KEYS },
	{ "db", required_argument, NULL, DB },
	{ "reader", required_argument, NULL, READER },
	{ "lifecycle", required_argument, NULL, LIFECYCLE },
	{ "answer", required_argument, NULL, ANSWER },
	{ "attest", required_argument, NULL, ATTEST },
	{ "attest-age", required_argument, NULL, ATTEST_AGE },
	{ "attest-keys", required_argument, NULL, ATTEST_KEYS },
	{ "signer", required_argument, NULL, SIGNER },
	{ "templates", required_argument, NULL, TEMPLATES },
	{ "builder-image", required_argument, NULL, IMAGE },
	{ "builder-command", required_argument, NULL, COMMAND },
	{ "builder-cpus", required_argument, NULL, CPUS },
	{ "builder-memory-mb", required_argument, NULL, MEMORY },
	{ "builder-disk-mb", required_argument, NULL, DISK },
	{ "expire", required_argument, NULL, EXPIRE },
	{ NULL, 0, NULL, 0 },
};

static bool
legacy(const char *arg)
{
	if (strcmp(arg, "legacy") != 0 && strcmp(arg, "versioned") != 0)
		errx(EX_USAGE, "--answer %.40s: must be versioned or legacy",
		    arg);
	return arg[0] == 'l';
}

static enum api_attest
attest(const char *arg)
{
	static const char *const words[] = {
		[ATTEST_IGNORE] = "ignore",
		[ATTEST_ACCEPT] = "accept",
		[ATTEST_REQUIRE] = "require",
	};
	unsigned i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(arg, words[i]) == 0)
			return i;
	errx(EX_USAGE, "--attest %.40s: must be ignore, accept or require",
	    arg);
}

/* What is wrong with the keys is said now; they are read each time. */
static void
check_keys(const char *path)
{
	struct receipt_keys keys;
	struct fail f;

	if (receipt_keys_load(&keys, path, &f) == -1)
		opt_fail(&f);
	receipt_keys_free(&keys);
}

/* The lifecycle's address: targets are appended to it as they are. */
static const char *
lifecycle(char *url)
{
	size_t n = strlen(url);

	if (strncmp(url, "http://", 7) != 0 &&
	    strncmp(url, "https://", 8) != 0)
		errx(EX_USAGE, "--lifecycle %.200s: not an http URL", url);
	while (n > 0 && url[n - 1] == '/')
		url[--n] = '\0';
	return url;
}

int
main(int argc, char *argv[])
{
	struct api api = { .expire_s = EXPIRE_S,
	    .attest_age_s = ATTEST_AGE_S, .builder = {
	    "tensorlake/rootfs-builder", "tl-rootfs-build", 2, 2048, 25600 } };
	struct daemon d = { .usage = usage, .serve = {
	    .name = "tl-platformd", .listen = "127.0.0.1:0", .ops = &api_ops,
	    .arg = &api } };
	const char *keys = NULL, *db = NULL, *reader = NULL;
	const char *signer = NULL, *templates = NULL, *word = NULL;
	struct config reader_config, signer_config;
	struct fail f;
	int ch;

	while ((ch = getopt_long(argc, argv, "hVv", options, NULL)) != -1)
		switch (ch) {
		case KEYS:
			keys = optarg;
			break;
		case DB:
			db = optarg;
			break;
		case READER:
			reader = optarg;
			break;
		case LIFECYCLE:
			api.lifecycle = lifecycle(optarg);
			break;
		case ANSWER:
			api.legacy = legacy(optarg);
			break;
		case SIGNER:
			signer = optarg;
			break;
		case TEMPLATES:
			templates = optarg;
			break;
		case IMAGE:
			api.builder.image = optarg;
			break;
		case COMMAND:
			api.builder.command = optarg;
			break;
		case CPUS:
			api.builder.cpus = opt_decimal("--builder-cpus",
			    optarg, 1024);
			break;
		case MEMORY:
			api.builder.memory_mb = opt_number(
			    "--builder-memory-mb", optarg, 1, 1 << 30);
			break;
		case DISK:
			api.builder.disk_mb = opt_number(
			    "--builder-disk-mb", optarg, 1, 1 << 30);
			break;
		case ATTEST:
			word = optarg;
			break;
		case ATTEST_AGE:
			api.attest_age_s = (int64_t)opt_number("--attest-age",
			    optarg, 1, 1U << 31);
			break;
		case ATTEST_KEYS:
			api.attest_keys = optarg;
			break;
		case EXPIRE:
			api.expire_s = (int64_t)opt_number("--expire", optarg,
			    1, 1U << 31);
			break;
		default:
			daemon_option(&d, ch);
		}
	if (optind != argc || keys == NULL || db == NULL || reader == NULL)
		opt_usage(usage);
	if (api.legacy && signer == NULL)
		errx(EX_USAGE, "--answer legacy: needs --signer FILE");
	api.attest = word != NULL ? attest(word) : api.attest_keys != NULL ?
	    ATTEST_ACCEPT : ATTEST_IGNORE;
	if (api.attest != ATTEST_IGNORE && api.attest_keys == NULL)
		errx(EX_USAGE, "--attest %s: needs --attest-keys FILE", word);

	daemon_begin(&d);
	if (api.attest_keys != NULL)
		check_keys(api.attest_keys);
	if ((api.keys = keys_load(keys, &f)) == NULL ||
	    (api.pool = pool_new(&f)) == NULL ||
	    config_load(&reader_config, reader, &f) == -1 ||
	    (signer != NULL &&
	    config_load(&signer_config, signer, &f) == -1) ||
	    (api.platform = platform_open(db, &f)) == NULL)
		opt_fail(&f);
	api.reader = &reader_config;
	api.signer = signer == NULL ? NULL : &signer_config;
	if (templates != NULL && api_seed(&api, templates, &f) == -1)
		opt_fail(&f);
	daemon_run(&d, daemon_start(&d));

	platform_close(api.platform);
	pool_free(api.pool);
	keys_free(api.keys);
	config_free(&reader_config);
	if (signer != NULL)
		config_free(&signer_config);
	return 0;
}
