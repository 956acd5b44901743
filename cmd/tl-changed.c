/* tl-changed: whether a build would make what is registered already. */

#include <sys/stat.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "client/cloud/begin.h"
#include "client/guard/kept.h"
#include "client/images/image_find.h"
#include "client/stages/disk.h"
#include "client/stages/inputs.h"
#include "core/json.h"
#include "core/opt.h"

static const char usage[] =
    "usage: tl-changed [-v] [--force] [OPTION...] [SETTINGS] FOLDER\n"
    "       tl-changed --done [-v] [OPTION...] [SETTINGS] FOLDER\n"
    "Put the template into a build folder if a build would change nothing.\n"
    "      --done              remember what was built\n"
    "      --force             build in any case, and remember it\n"
    "      --state FILE        where it is kept (the state folder)\n"
    "      --disk-mb SIZE, --docker-compat\n"
    "                          the same as for the build\n"
    "  -h, --help  -V, --version  -v, --verbose\n"
    SETTINGS_USAGE;

enum { DONE = 256, FORCE, STATE, DISK_MB, DOCKER_COMPAT };

static const struct option options[] = {
	OPT_COMMON,
	{ "done", no_argument, NULL, DONE },
	{ "force", no_argument, NULL, FORCE },
	{ "state", required_argument, NULL, STATE },
	{ "disk-mb", required_argument, NULL, DISK_MB },
	{ "docker-compat", no_argument, NULL, DOCKER_COMPAT },
	SETTINGS_OPTIONS,
	{ NULL, 0, NULL, 0 }
};

static struct {
	bool		 done, force, verbose;
	char		*state;
	const char	*folder;
} opt;

static struct settings settings = SETTINGS_INIT;
static struct cloud cloud = CLOUD_INIT;
static struct image_server server = { .cloud = &cloud };
static struct prepare prepare = PREPARE_INIT;
static struct inputs inputs = { .prepare = &prepare };

/* For the display of tl-guard, if there is one. */
static void
remark(const char *line)
{
	const char *mark = getenv("TL_MARK");

	if (mark != NULL)
		fprintf(stderr, "%s say %s\n", mark, line);
	else if (opt.verbose)
		warnx("%s", line);
}

/* A file of the folder. */
static char *
in_folder(const char *name)
{
	char *path;

	if (asprintf(&path, "%s/%s", opt.folder, name) == -1)
		errx(EX_OSERR, "out of memory");
	return path;
}

/* Its bytes: 1, 0 if it is not there or empty. */
static int
load(const char *name, struct buf *text)
{
	char *path = in_folder(name);
	struct fail f;

	if (access(path, F_OK) == -1 && errno == ENOENT) {
		free(path);
		return 0;
	}
	if (buf_load(text, path, &f) == -1)
		opt_fail(&f);
	free(path);
	return text->len > 0;
}

/* The plan, and the digest of the context in that file; -1. */
static int
look(const char *context_name, char digest[INPUTS_DIGEST], struct fail *f)
{
	static struct buf plan = BUF_INIT(BUF_SMALL_MAX);
	static struct buf context = BUF_INIT(BUF_SMALL_MAX);
	struct span doc, import;
	int r;

	if (load("plan.json", &plan) == 0)
		return fail_set(f, EX_NOINPUT, "%s/plan.json: not there, or "
		    "empty", opt.folder);
	if (span_parse(&doc, plan.data, plan.len, f) == -1 ||
	    prepare_plan(&prepare, &doc, f) == -1 ||
	    (r = span_get(&doc, "importImageReference", &import, f)) == -1)
		return fail_in(f, "plan.json");
	inputs.import = r == 1 && !span_is_null(&import);
	if (load(context_name, &context) == 1) {
		context.data[strcspn(context.data, "\r\n")] = '\0';
		inputs.context = context.data;
	}
	server.http = cloud_http(&cloud, &settings, opt.verbose, f);
	server.note = opt.verbose ? opt_note : NULL;
	if (server.http == NULL || prepare_lookup(&prepare, server.http,
	    &cloud, server.note, f) == -1)
		return -1;
	return inputs_digest(&inputs, digest, f);
}

/* Where it is kept, as far as that is anywhere. */
static int
place(struct fail *f)
{
	if (opt.state == NULL)
		opt.state = kept_place(&cloud, prepare.name, f);
	return opt.state == NULL ? -1 : 0;
}

/*
 * Why there is something to build, or NULL: then the server's template is on
 * out.
 */
static const char *
why(const char *digest, struct buf *out)
{
	struct kept kept = KEPT_INIT;
	const char *reason = NULL;
	char *snapshot = NULL;
	struct span image;
	struct fail f;
	int r;

	if (place(&f) == -1) {
		remark(f.msg);
		return "no record of builds is kept; give --state";
	}
	if ((r = kept_load(&kept, opt.state, &f)) == -1) {
		remark(f.msg);
		return "the record of the last build is damaged";
	}
	if (r == 0)
		return "there is no record of a build";
	if (strcmp(kept.name, prepare.name) != 0 ||
	    strcmp(kept.inputs, digest) != 0)
		reason = "its inputs have changed";
	/* As it stands in no URL's path, it cannot be asked for. */
	else if (*prepare.name == '\0' || strcmp(prepare.name, ".") == 0 ||
	    strcmp(prepare.name, "..") == 0)
		reason = "no image of this name can be looked up";
	else if ((r = image_named(&server, prepare.name, out, &f)) == -1 ||
	    (r == 1 && (span_parse(&image, out->data, out->len, &f) == -1 ||
	    json_string(&image, "snapshotId", JSON_NEED, &snapshot, &f) ==
	    -1))) {
		if (f.status == EX_DATAERR)
			f.status = EX_PROTOCOL;
		opt_fail(&f);
	}
	else if (r == 0)
		reason = "it is not registered any more";
	else if (strcmp(snapshot, kept.snapshot) != 0)
		reason = "somebody has registered another under its name";
	free(snapshot);
	kept_free(&kept);
	return reason;
}

static void
save(const char *name, const struct buf *text)
{
	char *path = in_folder(name);
	struct fail f;

	if (buf_save(text, path, &f) == -1)
		opt_fail(&f);
	free(path);
}

/* Of the folder, if it is there. */
static void
forget(const char *name)
{
	char *path = in_folder(name);

	if (unlink(path) == -1 && errno != ENOENT)
		err(EX_CANTCREAT, "%s", path);
	free(path);
}

static void
check(void)
{
	struct buf out = BUF_INIT(BUF_DOC_MAX);
	char digest[INPUTS_DIGEST], line[200];
	const char *reason;
	struct fail f;

	/* Of an earlier try, whose answer may have been another. */
	forget("inputs");
	forget("unchanged");
	if (look("context.seen", digest, &f) == -1)
		opt_fail(&f);
	reason = opt.force ? "--force is given" : why(digest, &out);
	if (reason == NULL) {
		/* The mark first: who finds the template can trust it. */
		save("unchanged", &(struct buf)BUF_INIT(0));
		save("template.json", &out);
		buf_free(&out);
		return;
	}
	snprintf(line, sizeof(line), "to build: %s", reason);
	remark(line);
	buf_clear(&out);
	if (buf_adds(&out, digest, &f) == -1)
		opt_fail(&f);
	save("inputs", &out);
	buf_free(&out);
}

/*
 * After a build.  It is what was there when it began that was asked about, and
 * what was sent and stood upon meanwhile that was built: unless both are one,
 * nothing is known of what it was made of.
 */
static int
keep(struct fail *f)
{
	struct buf seen = BUF_INIT(BUF_SMALL_MAX);
	struct buf template = BUF_INIT(BUF_DOC_MAX);
	struct kept kept = { .name = NULL };
	char digest[INPUTS_DIGEST];
	struct span image;
	int r = -1;

	if (load("inputs", &seen) == 0 ||
	    load("template.json", &template) == 0)
		return 0;
	if (look("context.digest", digest, f) == -1)
		goto out;
	if (strcmp(seen.data, digest) != 0) {
		fail_set(f, EX_TEMPFAIL, "something has changed while it was "
		    "built");
		goto out;
	}
	kept.inputs = digest;
	kept.name = prepare.name;
	if (span_parse(&image, template.data, template.len, f) == 0 &&
	    json_string(&image, "snapshotId", JSON_NEED, &kept.snapshot,
	    f) == 1 && place(f) == 0)
		r = kept_save(&kept, opt.state, f);
	free(kept.snapshot);
out:
	buf_free(&seen);
	buf_free(&template);
	return r;
}

static void
done(void)
{
	char line[600];
	struct fail f;

	/* The image is registered, whatever becomes of this. */
	if (keep(&f) == -1) {
		snprintf(line, sizeof(line), "%s; so --if-changed builds it "
		    "next time", f.msg);
		remark(line);
	}
}

int
main(int argc, char *argv[])
{
	int ch;

	while ((ch = getopt_long(argc, argv, "hVv", options, NULL)) != -1)
		switch (ch) {
		case 'h':
			opt_help(usage);
		case 'V':
			opt_version("tl-changed");
		case 'v':
			opt.verbose = true;
			break;
		case DONE:
			opt.done = true;
			break;
		case FORCE:
			opt.force = true;
			break;
		case STATE:
			if (*optarg == '\0')
				errx(EX_USAGE, "--state: empty");
			free(opt.state);
			if ((opt.state = strdup(optarg)) == NULL)
				errx(EX_OSERR, "out of memory");
			break;
		case DISK_MB:
			inputs.disk_mb = opt_mib("--disk-mb", optarg, 0,
			    DISK_MB_MAX);
			inputs.has_disk = true;
			break;
		case DOCKER_COMPAT:
			inputs.docker_compat = true;
			break;
		default:
			if (!begin_option(&settings, ch, optarg))
				opt_usage(usage);
		}
	if (optind + 1 != argc)
		opt_usage(usage);
	opt.folder = argv[optind];
	/* As the spec has it; a context has it in its times besides. */
	inputs.has_epoch = opt_source_date_epoch(&inputs.epoch);
	begin_settings(&settings, "tl-changed");

	if (opt.done)
		done();
	else
		check();

	prepare_free(&prepare);
	http_free(server.http);
	cloud_free(&cloud);
	settings_free(&settings);
	free(opt.state);
	return 0;
}
