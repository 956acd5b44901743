/* tl-sandbox: the builder sandbox, from its creation to its end. */

#include <err.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "client/cloud/begin.h"
#include "client/cloud/retry.h"
#include "client/ledger/ledger.h"
#include "client/sandbox/lifecycle.h"
#include "client/sandbox/reach.h"
#include "client/sandbox/ready.h"
#include "client/stages/disk.h"
#include "client/stages/prepared.h"
#include "core/opt.h"
#include "core/stop.h"
#include "core/utf8.h"

static const char usage[] =
    "usage: tl-sandbox create|wait|show|keepalive|rm [options] <document\n"
    "       tl-sandbox create --image NAME [options]\n"
    "Create a sandbox for a prepared build, or of an image; keep it\n"
    "alive, delete it.\n"
    "  create                  create one and write its document\n"
    "  wait                    wait until it runs and write its document\n"
    "  show                    write its document as it is now\n"
    "  keepalive               ping it until it ends\n"
    "  rm                      delete it\n"
    "  -s, --sandbox FILE      the sandbox document, not stdin (not create)\n"
    "  --image NAME            create: of this registered image; no stdin\n"
    "  --cpus N                create: instead of the prepared number\n"
    "  --memory-mb SIZE        create: instead of the prepared size\n"
    "  --disk-mb SIZE          create: size of the image's file system\n"
    "  --builder-disk-mb SIZE  create: size of its own disk, if larger\n"
    "  --idempotency-key KEY   create: the same key gives the same sandbox\n"
    "  --timeout SECONDS       wait: for each of two waits; rm: to try\n"
    "  --every SECONDS         keepalive: time between two pings\n"
    "  -h, --help  -V, --version  -v, --verbose\n"
    SETTINGS_USAGE;

enum { CPUS = 256, MEMORY, DISK, BUILDER_DISK, KEY, TIMEOUT, EVERY, IMAGE };

#define EVERY_MAX	290	/* less than the life that a ping renews */
#define RM_TIMEOUT_S	10
#define KEY_MAX		200
/* Of an image's sandbox, as of one of the cloud that nobody says more of. */
#define IMAGE_CPUS	1.0
#define IMAGE_MB	1024U
#define IMAGE_DISK_MB	10240U
#define IMAGE_MAX	255

static struct options {
	const char	*file;
	const char	*image;
	double		 cpus;
	uint64_t	 memory_mb, disk_mb, builder_disk_mb;
	bool		 has_disk;
	const char	*key;
	unsigned	 timeout_s;	/* 0: not given */
	unsigned	 every_s;
	struct settings	 settings;
	bool		 verbose;
} opt = { .settings = SETTINGS_INIT, .file = "-",
	  .every_s = REACH_PING_S };

static struct http *http;
static struct cloud cloud = CLOUD_INIT;
static struct exchange exchange;
static struct lifecycle life = LIFECYCLE_INIT;
static struct ledger ledger = LEDGER_INIT;

/* Out, with the status of the signal if one came. */
static _Noreturn void
failed(const struct fail *f)
{
	if (stop_signal != 0) {
		warnx("%s", f->msg);
		exit(stop_status());
	}
	opt_fail(f);
}

static void
load(void)
{
	const char *name = strcmp(opt.file, "-") == 0 ? "stdin" : opt.file;
	struct buf text = BUF_INIT(BUF_SMALL_MAX);
	struct span doc;
	struct fail f;

	if (buf_load(&text, opt.file, &f) == -1)
		opt_fail(&f);
	if (text.len == 0)
		errx(EX_DATAERR, "%s: empty, expected a sandbox document",
		    name);
	if (span_parse(&doc, text.data, text.len, &f) == -1 ||
	    lifecycle_read(&life, &doc, &f) == -1) {
		fail_in(&f, name);
		opt_fail(&f);
	}
	buf_free(&text);
}

static void
print(void)
{
	struct buf out = BUF_INIT(BUF_SMALL_MAX);
	struct fail f;

	if (lifecycle_write(&life, &out, &f) == -1)
		opt_fail(&f);
	opt_output(&out);
	buf_free(&out);
}

static char *
copy(const char *s)
{
	char *p = strdup(s);

	if (p == NULL)
		errx(EX_OSERR, "out of memory");
	return p;
}

/*
 * The sizes of tl-wire(7), "Disk sizes and part count", in the order of
 * preference it has.
 */
static void
size(const struct prepared *p)
{
	uint64_t bytes, root, disk;
	char doubt[DISK_DOUBT];
	struct fail f;

	/* Before it costs anything. */
	if (disk_bytes(&p->doc, opt.has_disk ? &opt.disk_mb : NULL, &bytes,
	    &f) == -1 || disk_check(&p->doc, bytes, &f) == -1)
		opt_fail(&f);
	if (disk_doubt(bytes, doubt) != NULL)
		opt_warn(doubt);
	root = disk_mb(bytes);
	disk = opt.builder_disk_mb != 0 ? opt.builder_disk_mb :
	    p->builder.disk_mb;
	life.disk_mb = disk > root ? disk : root;
	life.cpus = opt.cpus > 0 ? opt.cpus : p->builder.cpus;
	if (p->builder.memory_mb < 0 && opt.memory_mb == 0)
		errx(EX_DATAERR, "stdin: builder.memoryMb: below zero");
	life.memory_mb = opt.memory_mb != 0 ? opt.memory_mb :
	    (uint64_t)p->builder.memory_mb;
}


/* One that is, or certainly is not; where that is open, nothing is added. */
static void
enter(const char *key)
{
	struct fail f;

	if ((life.id != NULL ?
	    ledger_made(&ledger, LEDGER_SANDBOX, key, life.id, &f) :
	    life.maybe ? 0 : ledger_none(&ledger, LEDGER_SANDBOX, key, &f))
	    == -1)
		warnx("%s", f.msg);
}

static void
gone(void)
{
	struct fail f;

	if (ledger_gone(&ledger, LEDGER_SANDBOX, life.id, &f) == -1)
		warnx("%s", f.msg);
}

/* One that nobody can learn of is deleted, so far as there is one. */
static _Noreturn void
undo(const struct fail *f)
{
	struct fail second;

	if (life.id != NULL && lifecycle_delete(&exchange, life.id,
	    RM_TIMEOUT_S, &second) == -1)
		warnx("sandbox %s: left, %s", life.id, second.msg);
	else if (life.id != NULL)
		gone();
	failed(f);
}

/* What is asked for: the builder's, of the prepared build. */
static void
of_build(void)
{
	struct buf text = BUF_INIT(BUF_DOC_MAX);
	struct prepared p = PREPARED_INIT;
	struct fail f;

	if (prepared_load(&p, &text, "-", &f) == -1)
		opt_fail(&f);
	size(&p);
	life.image = copy(p.builder.image);
	life.build_id = copy(p.build_id);
	prepared_free(&p);
	buf_free(&text);
}

/* Or one of an image, to look around in. */
static void
of_image(void)
{
	life.image = copy(opt.image);
	life.cpus = opt.cpus > 0 ? opt.cpus : IMAGE_CPUS;
	life.memory_mb = opt.memory_mb != 0 ? opt.memory_mb : IMAGE_MB;
	life.disk_mb = opt.has_disk ? opt.disk_mb : IMAGE_DISK_MB;
}

static void
create(void)
{
	struct buf out = BUF_INIT(BUF_SMALL_MAX);
	struct buf body = BUF_INIT(BUF_SMALL_MAX);
	const char *key = opt.key;
	char made[LEDGER_KEY];
	struct fail f;
	int r;

	if (key == NULL) {
		if (ledger_key(made, &f) == -1)
			opt_fail(&f);
		key = made;
	}
	if (opt.image != NULL)
		of_image();
	else
		of_build();
	life.ns = copy(cloud.ns);

	if (lifecycle_body(&life, &body, &f) == -1 ||
	    ledger_intent(&ledger, LEDGER_SANDBOX, key, &cloud, body.data,
	    &f) == -1)
		opt_fail(&f);
	buf_free(&body);

	/* A reader that is gone is a write that fails, not our end. */
	signal(SIGPIPE, SIG_IGN);
	r = lifecycle_create(&exchange, &life, key, &f);
	enter(key);
	if (r == -1)
		undo(&f);
	if (opt.verbose)
		warnx("sandbox %s: %s", life.id, life.status);
	/* Whoever stopped it needs the id all the more. */
	if (lifecycle_write(&life, &out, &f) == -1 ||
	    opt_write(&out, &f) == -1)
		undo(&f);
	buf_free(&out);
}

static void
wait_for(void)
{
	struct ready w = {
		.timeout_s = opt.timeout_s != 0 ? opt.timeout_s :
		    READY_TIMEOUT_S,
		.second_ms = retry_second_ms(),
		.note = opt.verbose ? opt_note : NULL
	};
	struct fail f;

	load();
	if (ready_running(&exchange, &life, &w, &f) == -1 ||
	    ready_answering(&exchange, &life, &w, &f) == -1)
		failed(&f);
	print();
}

static void
show(void)
{
	struct fail f;

	load();
	if (lifecycle_get(&exchange, &life, &f) == -1)
		failed(&f);
	print();
}

static void
keepalive(void)
{
	struct http_reply reply = HTTP_REPLY_INIT;
	struct sandbox sandbox;
	struct sandbox_call call;
	struct reach reach;
	struct fail f;
	int r;

	load();
	sandbox = (struct sandbox){ life.id, life.proxy_url, life.route_hint };
	reach_init(&reach, &exchange, &sandbox);
	while (exchange_pause(&exchange, (long)opt.every_s * 1000, &f) == 0) {
		if (reach_call(&reach, &call, "GET", "/api/v1/health", NULL,
		    &f) == -1)
			opt_fail(&f);
		call.req.timeout_ms = 10000;
		r = reach_do(&reach, &call.req, &reply, 0, &f);
		sandbox_call_free(&call);
		/* A lost ping is made up for by the next one. */
		if (r == 0 && reply.status == 404) {
			http_refused(&reply, life.id, &f);
			opt_fail(&f);
		}
		if (reach.told == REACH_GONE)
			opt_fail(&f);
		if (opt.verbose && r == -1)
			warnx("%s", f.msg);
	}
	http_reply_free(&reply);
}

static void
delete(void)
{
	struct fail f;

	load();
	if (lifecycle_delete(&exchange, life.id, opt.timeout_s != 0 ?
	    opt.timeout_s : RM_TIMEOUT_S, &f) == -1)
		failed(&f);
	gone();
}

static const struct command {
	const char	*name;
	void		(*run)(void);
	const char	*takes;		/* besides the common ones */
} commands[] = {
	{ "create", create, "cmdbki" },
	{ "wait", wait_for, "st" },
	{ "show", show, "s" },
	{ "keepalive", keepalive, "se" },
	{ "rm", delete, "st" },
};

static const struct command *
parse(int argc, char *argv[])
{
	static const struct option options[] = {
		OPT_COMMON,
		{ "sandbox", required_argument, NULL, 's' },
		{ "image", required_argument, NULL, IMAGE },
		{ "cpus", required_argument, NULL, CPUS },
		{ "memory-mb", required_argument, NULL, MEMORY },
		{ "disk-mb", required_argument, NULL, DISK },
		{ "builder-disk-mb", required_argument, NULL, BUILDER_DISK },
		{ "idempotency-key", required_argument, NULL, KEY },
		{ "timeout", required_argument, NULL, TIMEOUT },
		{ "every", required_argument, NULL, EVERY },
		SETTINGS_OPTIONS,
		{ NULL, 0, NULL, 0 }
	};
	char used[16] = "";
	size_t i, n = 0;
	int ch;

	while ((ch = getopt_long(argc, argv, "hVvs:", options, NULL)) != -1) {
		const char *kind = "";

		switch (ch) {
		case 'h':
			opt_help(usage);
		case 'V':
			opt_version("tl-sandbox");
		case 'v':
			opt.verbose = true;
			break;
		case 's':
			opt.file = optarg;
			kind = "s";
			break;
		case IMAGE:
			if (*optarg == '\0' || strlen(optarg) > IMAGE_MAX ||
			    !utf8_valid(optarg, strlen(optarg)))
				errx(EX_USAGE, "--image: not 1 to %d bytes of "
				    "UTF-8", IMAGE_MAX);
			opt.image = optarg;
			kind = "i";
			break;
		case CPUS:
			opt.cpus = opt_decimal("--cpus", optarg,
			    LIFECYCLE_CPUS_MAX);
			kind = "c";
			break;
		case MEMORY:
			opt.memory_mb = opt_mib("--memory-mb", optarg, 1,
			    INT64_MAX);
			kind = "m";
			break;
		case DISK:
			opt.disk_mb = opt_mib("--disk-mb", optarg, 0,
			    DISK_MB_MAX);
			opt.has_disk = true;
			kind = "d";
			break;
		case BUILDER_DISK:
			opt.builder_disk_mb = opt_mib("--builder-disk-mb",
			    optarg, 1, DISK_MB_MAX);
			kind = "b";
			break;
		case KEY:
			if (!sandbox_word(optarg, "") ||
			    strlen(optarg) > KEY_MAX)
				errx(EX_USAGE, "--idempotency-key: 1 to %d "
				    "visible ASCII characters", KEY_MAX);
			opt.key = optarg;
			kind = "k";
			break;
		case TIMEOUT:
			opt.timeout_s = (unsigned)opt_number("--timeout",
			    optarg, 1, 86400);
			kind = "t";
			break;
		case EVERY:
			opt.every_s = (unsigned)opt_number("--every", optarg,
			    1, EVERY_MAX);
			kind = "e";
			break;
		default:
			if (!begin_option(&opt.settings, ch, optarg))
				opt_usage(usage);
		}
		if (*kind != '\0' && strchr(used, *kind) == NULL)
			used[n++] = *kind;
	}
	if (argc - optind != 1)
		opt_usage(usage);
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(argv[optind], commands[i].name) == 0) {
			if (strspn(used, commands[i].takes) != n)
				errx(EX_USAGE, "%s: does not take all of these"
				    " options; see tl-sandbox -h", argv[optind]);
			/* The builder's disk is for a build. */
			if (opt.image != NULL && opt.builder_disk_mb != 0)
				errx(EX_USAGE, "--image: its disk is "
				    "--disk-mb");
			return &commands[i];
		}
	opt_usage(usage);
}

int
main(int argc, char *argv[])
{
	const struct command *command = parse(argc, argv);
	struct fail f;

	begin_settings(&opt.settings, "tl-sandbox");
	http = cloud_http(&cloud, &opt.settings, opt.verbose, &f);
	if (http == NULL || ledger_open(&ledger, &f) == -1)
		opt_fail(&f);
	exchange_init(&exchange, http, &cloud);
	stop_catch();

	command->run();

	lifecycle_free(&life);
	exchange_free(&exchange);
	ledger_close(&ledger);
	http_free(http);
	cloud_free(&cloud);
	settings_free(&opt.settings);
	return opt_stopped();
}
