/* What of a build folder can be used again: each rule, and damaged documents. */

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "client/guard/recheck.h"
#include "unit.h"

static const char *why;

#define GOOD	RECHECK_GOOD
#define BAD	RECHECK_BAD
#define MISSING	RECHECK_MISSING
#define EXPIRED	RECHECK_EXPIRED

/* All is there, the builder has not begun. */
static const struct recheck fine = { .prepared = GOOD, .sandbox = GOOD,
    .signed_ = GOOD, .plan_same = true, .context_same = true };

static void
goes_on(struct recheck c, enum recheck_from want, const char *reason,
    const char *what)
{
	enum recheck_from from = recheck_rule(&c, &why);

	UNIT_CHECK(from == want && (reason == NULL ? why == NULL :
	    why != NULL && strcmp(why, reason) == 0), "rule: %s", what);
	if (from != want || (why != NULL && reason == NULL))
		printf("# %d: %s\n", from, why != NULL ? why : "-");
}

/* fine with one member different, and what then comes of it. */
#define RULE(change, want, reason) do {					\
	struct recheck c_ = fine;					\
	change;								\
	goes_on(c_, want, reason, #change);				\
} while (0)

static void
rules(void)
{
	goes_on(fine, RECHECK_ON, NULL, "all is there");
	RULE(c_.template = GOOD, RECHECK_NOTHING, NULL);
	RULE(c_.template = GOOD; c_.prepared = BAD; c_.plan_same = false,
	    RECHECK_NOTHING, NULL);
	RULE(c_.template = BAD, RECHECK_ON, NULL);
	RULE(c_.prepared = MISSING, RECHECK_PREPARE, "nothing is prepared");
	RULE(c_.prepared = BAD, RECHECK_PREPARE, "prepared.json is damaged");
	RULE(c_.prepared = BAD; c_.metadata = GOOD, RECHECK_PREPARE,
	    "prepared.json is damaged");
	RULE(c_.plan_same = false, RECHECK_PREPARE, "the plan has changed");
	RULE(c_.plan_same = false; c_.metadata = GOOD, RECHECK_PREPARE,
	    "the plan has changed");
	/* Only the legacy answer is what expires. */
	RULE(c_.prepared = EXPIRED, RECHECK_ON, NULL);
	RULE(c_.prepared = EXPIRED; c_.legacy = true, RECHECK_PREPARE,
	    "what was signed has expired");
	RULE(c_.legacy = true; c_.signed_ = MISSING, RECHECK_ON, NULL);
	RULE(c_.context_same = false, RECHECK_SANDBOX,
	    "the context has changed");
	RULE(c_.context_same = false; c_.metadata = GOOD, RECHECK_SANDBOX,
	    "the context has changed");
	/* Once the builder has ended well, only completion is left. */
	RULE(c_.metadata = GOOD; c_.begun = true, RECHECK_ON, NULL);
	RULE(c_.metadata = GOOD; c_.sandbox = MISSING; c_.signed_ = MISSING,
	    RECHECK_ON, NULL);
	RULE(c_.metadata = GOOD; c_.sandbox = BAD; c_.gone = true,
	    RECHECK_ON, NULL);
	RULE(c_.metadata = GOOD; c_.signed_ = EXPIRED, RECHECK_ON, NULL);
	RULE(c_.metadata = BAD; c_.begun = true, RECHECK_SANDBOX,
	    "metadata.json is damaged");
	RULE(c_.sandbox = MISSING, RECHECK_SANDBOX, "there is no sandbox");
	RULE(c_.sandbox = BAD, RECHECK_SANDBOX, "sandbox.json is damaged");
	RULE(c_.begun = true, RECHECK_SANDBOX,
	    "the builder has not ended well");
	RULE(c_.gone = true, RECHECK_SANDBOX, "the sandbox is gone");
	RULE(c_.signed_ = MISSING, RECHECK_ON, NULL);
	RULE(c_.signed_ = BAD, RECHECK_SIGN, "signed.json is damaged");
	RULE(c_.signed_ = EXPIRED, RECHECK_SIGN,
	    "what was signed has expired");
	RULE(c_.signed_ = EXPIRED; c_.gone = true, RECHECK_SANDBOX,
	    "the sandbox is gone");
}

/*
 * A folder.
 */

#define PREPARED(rest)							\
	"{\"buildId\":\"b\",\"snapshotId\":\"s\","			\
	"\"rootfsNodeKind\":\"base\",\"builder\":{\"image\":\"i\","	\
	"\"command\":\"c\",\"cpus\":1,\"memoryMb\":1,\"diskMb\":1}" rest "}"
#define NEW	PREPARED(",\"snapshotRelPath\":\"projects/p/x\"")
#define LEGACY	PREPARED(",\"upload\":{\"uri\":\"s3://b/x\"},"		\
	"\"snapshotUri\":\"s3://b/x\",\"expiresAt\":\"%s\"")
#define SANDBOX	"{\"id\":\"sbx-1\",\"namespace\":\"default\","		\
	"\"status\":\"running\",\"proxyUrl\":\"http://127.0.0.1:1\"}"
#define SIGNED(at)							\
	"{\"upload\":{\"uri\":\"s3://b/x\",\"expiresAt\":\"" at "\"}}"
#define LATER	"2999-01-01T00:00:00Z"
#define METADATA(uri)							\
	"{\"snapshot_format_version\":\"v\",\"snapshot_size_bytes\":1,"	\
	"\"rootfs_disk_bytes\":2" uri "}"
#define TEMPLATE "{\"id\":\"t\",\"name\":\"n\",\"snapshotId\":\"s\"}"

static char top[] = "/tmp/tl-unit.XXXXXX", folder[64];
static char said[2048];
static struct settings settings = SETTINGS_INIT;
static struct fail f;

static void
note(const char *line)
{
	strncat(said, line, sizeof(said) - strlen(said) - 2);
	strcat(said, "\n");
}

static const char *
in(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void
put(const char *name, const char *text)
{
	FILE *out = fopen(in(name), "w");

	if (out == NULL || fputs(text, out) == EOF || fclose(out) != 0)
		printf("Bail out! %s\n", in(name));
}

static bool
there(const char *name)
{
	struct stat st;

	return lstat(in(name), &st) == 0;
}

static const char *const all[] = { "plan.json", "plan.new", "prepared.json",
    "sandbox.json", "running.json", "signed.json", "target.json",
    "metadata.json", "attested.json", "template.json", "builder.begun",
    "builder.json",
    "context.digest", "context.new", NULL };

/* A build whose completion is missing, if it is left as it is. */
static void
begin(void)
{
	const char *const *name;

	for (name = all; *name != NULL; name++)
		unlink(in(*name));
	put("plan.json", "{}");
	put("plan.new", "{}");
	put("context.digest", "abc");
	put("context.new", "abc");
	put("prepared.json", NEW);
	put("sandbox.json", SANDBOX);
	put("signed.json", SIGNED(LATER));
	put("builder.begun", "");
	put("metadata.json", METADATA(",\"snapshot_uri\":\"s3://b/x\""));
}

/* Looked at: what is said, and that these stay or go. */
static void
looked(const char *what, const char *says, const char *stays,
    const char *goes)
{
	char names[200], *rest = names, *name;
	int r;

	*said = '\0';
	r = recheck_folder(folder, &settings, false, note, &f);
	UNIT_CHECK(r == 0 && strcmp(said, says) == 0, "%s: what is said",
	    what);
	if (r != 0 || strcmp(said, says) != 0)
		printf("# %s, %d: %s\n", said, r, r == -1 ? f.msg : "");
	snprintf(names, sizeof(names), "%s", stays);
	while ((name = strsep(&rest, " ")) != NULL)
		if (*name != '\0')
			UNIT_CHECK(there(name), "%s: %s stays", what, name);
	snprintf(names, sizeof(names), "%s", goes);
	rest = names;
	while ((name = strsep(&rest, " ")) != NULL)
		if (*name != '\0')
			UNIT_CHECK(!there(name), "%s: %s goes", what, name);
	UNIT_CHECK(there("plan.json") && !there("plan.new") &&
	    !there("context.new"), "%s: the plan is the new one", what);
}

static const char *const garbage[] = { "{", "null", "[]", "\"x\"", "7",
    "no JSON", "{}x", "\"\xff\"", "{\"id\":7}", "{\"upload\":7}", NULL };

static const char *const no_attested[] = { "{", "null", "[]", "no JSON",
    "{\"attestation\":7}", "{\"attestation\":{},\"attestation\":{}}", NULL };

#define OF_SANDBOX							\
	"sandbox.json running.json signed.json metadata.json "		\
	"builder.begun builder.json context.digest target.json "	\
	"attested.json template.json"

static void
damaged(void)
{
	const char *const *g;
	int fd;

	for (g = garbage; *g != NULL; g++) {
		begin();
		put("template.json", *g);
		looked("template.json", "template.json is damaged\n",
		    "prepared.json sandbox.json signed.json metadata.json",
		    "template.json");
		begin();
		put("prepared.json", *g);
		put("running.json", SANDBOX);
		looked("prepared.json", "prepared.json is damaged: again from "
		    "prepare\n", "plan.json", "prepared.json " OF_SANDBOX);
		begin();
		put("metadata.json", *g);
		put("target.json", SIGNED(LATER));
		looked("metadata.json", "metadata.json is damaged: again from "
		    "sandbox\n", "prepared.json", OF_SANDBOX);
		begin();
		put("sandbox.json", *g);
		looked("sandbox.json, the builder has ended", "",
		    "prepared.json metadata.json", "sandbox.json "
		    "template.json");
		begin();
		unlink(in("metadata.json"));
		unlink(in("builder.begun"));
		put("sandbox.json", *g);
		looked("sandbox.json", "sandbox.json is damaged: again from "
		    "sandbox\n", "prepared.json", OF_SANDBOX);
		begin();
		put("signed.json", *g);
		looked("signed.json, the builder has ended", "",
		    "metadata.json prepared.json", "signed.json");
		begin();
		unlink(in("signed.json"));
		put("target.json", *g);
		looked("target.json", "", "metadata.json", "target.json");
	}
	for (g = no_attested; *g != NULL; g++) {
		begin();
		put("attested.json", *g);
		looked("attested.json", "", "metadata.json prepared.json "
		    "sandbox.json", "attested.json");
	}
	begin();
	put("attested.json", "{\"attestation\":{}}");
	looked("a receipt", "", "metadata.json attested.json", "");
	begin();
	put("attested.json", "{}");
	looked("a server that gives none", "", "attested.json", "");
	begin();
	unlink(in("metadata.json"));
	put("attested.json", "{\"attestation\":{}}");
	looked("a receipt of an earlier try", "the builder has not ended "
	    "well: again from sandbox\n", "prepared.json", OF_SANDBOX);
	begin();
	put("plan.new", "{ }");
	put("attested.json", "{\"attestation\":{}}");
	looked("a receipt of another plan", "the plan has changed: again from "
	    "prepare\n", "", "prepared.json " OF_SANDBOX);
	/* What is no document at all. */
	begin();
	put("template.json", "");
	looked("an empty template", "", "metadata.json", "");
	begin();
	put("prepared.json", "");
	looked("an empty prepared", "nothing is prepared: again from "
	    "prepare\n", "", "prepared.json");
	begin();
	unlink(in("metadata.json"));
	if (mkfifo(in("metadata.json"), 0600) == -1)
		printf("Bail out! mkfifo\n");
	looked("a FIFO", "metadata.json is damaged: again from sandbox\n",
	    "prepared.json", "metadata.json");
	begin();
	unlink(in("metadata.json"));
	put("builder.json", METADATA(""));
	if (symlink("builder.json", in("metadata.json")) == -1)
		printf("Bail out! symlink\n");
	looked("a link", "metadata.json is damaged: again from sandbox\n",
	    "prepared.json", "metadata.json");
	begin();
	if ((fd = open(in("metadata.json"), O_WRONLY)) == -1 ||
	    ftruncate(fd, 80 << 20) == -1)
		printf("Bail out! ftruncate\n");
	close(fd);
	looked("one too long", "metadata.json is damaged: again from "
	    "sandbox\n", "prepared.json", "metadata.json");
}

static void
whole(void)
{
	char old[600];

	begin();
	looked("only completion", "", "prepared.json sandbox.json signed.json "
	    "metadata.json context.digest", "template.json");
	begin();
	put("template.json", TEMPLATE);
	put("plan.new", "{ }");
	looked("registered", "", "template.json metadata.json", "");
	begin();
	put("plan.new", "{ }");
	looked("another plan", "the plan has changed: again from prepare\n",
	    "", "prepared.json " OF_SANDBOX);
	begin();
	put("context.new", "abd");
	looked("another context", "the context has changed: again from "
	    "sandbox\n", "prepared.json", OF_SANDBOX);
	begin();
	unlink(in("context.digest"));
	looked("a context that was not sent", "", "metadata.json", "");
	begin();
	unlink(in("context.new"));
	looked("no context", "", "metadata.json context.digest", "");
	begin();
	unlink(in("metadata.json"));
	looked("a builder that has begun", "the builder has not ended well: "
	    "again from sandbox\n", "prepared.json", OF_SANDBOX);
	begin();
	unlink(in("metadata.json"));
	unlink(in("sandbox.json"));
	looked("no sandbox", "there is no sandbox: again from sandbox\n",
	    "prepared.json", OF_SANDBOX);
	begin();
	put("metadata.json", METADATA(""));
	looked("metadata without a uri, which was signed", "",
	    "metadata.json", "");
	begin();
	put("metadata.json", METADATA(""));
	unlink(in("signed.json"));
	put("target.json", SIGNED(LATER));
	looked("metadata without a uri, of which was signed enough is left",
	    "", "metadata.json target.json", "");
	begin();
	put("metadata.json", METADATA(",\"snapshot_uri\":\"s3://b/y\""));
	looked("metadata of another upload", "metadata.json is damaged: again "
	    "from sandbox\n", "prepared.json", "metadata.json");
	begin();
	snprintf(old, sizeof(old), LEGACY, "2020-01-01T00:00:00Z");
	put("prepared.json", old);
	unlink(in("signed.json"));
	looked("an old answer", "what was signed has expired: again from "
	    "prepare\n", "", "prepared.json metadata.json");
	begin();
	snprintf(old, sizeof(old), LEGACY, LATER);
	put("prepared.json", old);
	unlink(in("signed.json"));
	looked("the legacy answer", "", "prepared.json metadata.json", "");
}

/* The sandbox is asked about only where it counts; nobody answers here. */
static void
asked(void)
{
	begin();
	unlink(in("metadata.json"));
	unlink(in("builder.begun"));
	*said = '\0';
	UNIT_CHECK(recheck_folder(folder, &settings, false, note, &f) == -1 &&
	    f.status == EX_TEMPFAIL, "a server that does not answer");
	UNIT_CHECK(there("sandbox.json") && there("signed.json") &&
	    there("plan.new") && *said == '\0', "leaves all as it is");
	UNIT_CHECK(recheck_folder("/nonexistent", &settings, false, note, &f)
	    == -1 && f.status == EX_NOINPUT, "no folder");
	unsetenv("TL_LEDGER");
	begin();
	unlink(in("sandbox.json"));
	unlink(in("metadata.json"));
	UNIT_CHECK(recheck_folder(folder, &settings, false, note, &f) == -1 &&
	    f.status == EX_NOINPUT && there("signed.json"),
	    "without a ledger nothing is forgotten");
}

int
main(void)
{
	const char *const *name;
	char ledger[64];
	int fd;

	if (mkdtemp(top) == NULL)
		return EX_CANTCREAT;
	snprintf(folder, sizeof(folder), "%s/build", top);
	snprintf(ledger, sizeof(ledger), "%s/ledger", top);
	if (mkdir(folder, 0700) == -1 ||
	    (fd = open(ledger, O_WRONLY | O_CREAT, 0600)) == -1)
		return EX_CANTCREAT;
	close(fd);
	setenv("HOME", top, 1);
	unsetenv("XDG_CONFIG_HOME");
	setenv("TL_LEDGER", ledger, 1);
	setenv("TL_RETRY_SECOND_MS", "0", 1);
	setenv("TENSORLAKE_API_URL", "http://127.0.0.1:1", 1);
	setenv("TENSORLAKE_API_KEY", "key", 1);
	if (settings_load(&settings, &f) == -1)
		printf("Bail out! %s\n", f.msg);
	rules();
	damaged();
	whole();
	asked();
	settings_free(&settings);
	for (name = all; *name != NULL; name++)
		unlink(in(*name));
	rmdir(folder);
	unlink(ledger);
	rmdir(top);
	return unit_end();
}
