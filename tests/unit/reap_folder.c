/* The folders of builds that failed: which of them go, and which never do. */

#include <sys/stat.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "client/ledger/reap.h"
#include "../tree.h"
#include "unit.h"

static char state[] = "/tmp/tl-reap-folder.XXXXXX";
static char told[512];
static struct fail f;

static char *
in_state(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", state, name);
	return path;
}

/* Of so many seconds ago. */
static void
aged(const char *name, time_t age)
{
	const struct timespec then[2] = { { .tv_sec = time(NULL) - age },
	    { .tv_sec = time(NULL) - age } };

	if (utimensat(AT_FDCWD, in_state(name), then, AT_SYMLINK_NOFOLLOW) ==
	    -1)
		exit(1);
}

static void
file(const char *name)
{
	FILE *to = fopen(in_state(name), "w");

	if (to == NULL || fclose(to) == EOF)
		exit(1);
}

static void
folder(const char *name, time_t age)
{
	char plan[128];

	if (mkdir(in_state(name), 0700) == -1)
		exit(1);
	snprintf(plan, sizeof(plan), "%s/plan.json", name);
	file(plan);
	aged(name, age);
}

static void
tell(void *arg, const char *name, enum reap_result result, const char *note)
{
	size_t n = strlen(told);

	(void)arg;
	snprintf(told + n, sizeof(told) - n, "%s %s%s%s;", reap_word(result),
	    name, *note != '\0' ? " " : "", note);
}

static int
reap(const char *where, bool dry, int64_t min_age_s)
{
	const struct reap r = { .dry = dry, .min_age_s = min_age_s };

	told[0] = '\0';
	f.status = 0;
	return reap_folders(&r, where, tell, NULL, &f);
}

int
main(void)
{
	if (mkdtemp(state) == NULL)
		return 1;
	UNIT_CHECK(reap(in_state("none"), false, 0) == 0 && told[0] == '\0',
	    "a state folder that is not there has none");
	file("file");
	UNIT_CHECK(reap(in_state("file"), false, 0) == -1 &&
	    f.status == EX_NOINPUT && strstr(f.msg, "file: Not a directory") !=
	    NULL, "one that is a file: %s", f.msg);

	folder("build.a", 100);
	folder("build.new", 1);
	folder("build.kept", 100);
	file("build.kept.ledger");
	folder("build.led", 100);
	if (symlink("/nowhere", in_state("build.led.ledger")) == -1)
		return 1;
	folder("build.tomorrow", -86400);
	folder("other", 100);
	file("build.file");
	aged("build.file", 100);
	if (symlink("other", in_state("build.link")) == -1)
		return 1;
	aged("build.link", 100);
	UNIT_CHECK(reap(state, true, 0) == 0 && strcmp(told,
	    "open build.a;open build.tomorrow;") == 0,
	    "they are told: %s", told);
	UNIT_CHECK(reap(state, false, 1000) == 0 && strcmp(told,
	    "undone build.tomorrow;") == 0, "of a clock that was wrong: %s",
	    told);
	UNIT_CHECK(reap(state, false, 0) == 0 && strcmp(told,
	    "undone build.a;") == 0, "of a build that has ended: %s", told);
	UNIT_CHECK(access(in_state("build.new/plan.json"), F_OK) == 0 &&
	    access(in_state("build.kept/plan.json"), F_OK) == 0 &&
	    access(in_state("build.led/plan.json"), F_OK) == 0 &&
	    access(in_state("other/plan.json"), F_OK) == 0 &&
	    access(in_state("build.file"), F_OK) == 0,
	    "a young one, one with a ledger, what is no folder: all stay");

	folder("build.b", 100);
	if (mkdir(in_state("build.b/mine"), 0700) == -1)
		return 1;
	aged("build.b", 100);
	folder("build.c", 100);
	UNIT_CHECK(reap(state, false, 0) == -1 && f.status == EX_CANTCREAT &&
	    strncmp(told, "failed build.b build.b/mine: ", 29) == 0 &&
	    strstr(told, ";undone build.c;") != NULL,
	    "one that cannot go keeps no other: %s", told);
	UNIT_CHECK(access(in_state("build.b/mine"), F_OK) == 0,
	    "a folder in it is nobody's to remove");
	tree_remove(state);
	return unit_end();
}
