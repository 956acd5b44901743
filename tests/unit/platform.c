/* What platform-api keeps: who sees what, what is done once, what is left. */

#include <sys/stat.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "region/platform/platform.h"
#include "unit.h"

static struct fail f;

static struct platform_template
make(const char *project, const char *name, const char *snapshot, bool public)
{
	struct platform_template t = PLATFORM_TEMPLATE_INIT;

	t.project = strdup(project);
	t.name = strdup(name);
	t.snapshot_id = strdup(snapshot);
	t.snapshot_uri = strdup("s3://b/k");
	t.snapshot_bytes = PLATFORM_TEMPLATE_SIZE_MAX;
	t.public = public;
	return t;
}

static char *
put(struct platform *p, const char *project, const char *name,
    const char *snapshot, bool public)
{
	struct platform_template t = make(project, name, snapshot, public);
	char *id = NULL;

	if (platform_template_put(p, &t, &f) == 0)
		id = strdup(t.id);
	else
		printf("# %s\n", f.msg);
	platform_template_free(&t);
	return id;
}

/* The snapshot that a name means for a project, "" for none. */
static const char *
named(struct platform *p, const char *project, const char *name)
{
	static char got[600];
	struct platform_template t;
	int r = platform_template_named(p, project, name, &t, &f);

	snprintf(got, sizeof(got), "%s", r == 1 ? t.snapshot_id :
	    r == 0 ? "" : f.msg);
	if (r == 1)
		platform_template_free(&t);
	return got;
}

static bool
means(struct platform *p, const char *project, const char *name,
    const char *snapshot)
{
	const char *got = named(p, project, name);

	if (strcmp(got, snapshot) == 0)
		return true;
	printf("# %s means '%s' for %s\n", name, got, project);
	return false;
}

static char listed[1000];

static void
add_listed(void *arg, const struct platform_template *t)
{
	int64_t *last = arg;

	*last = t->row;
	snprintf(listed + strlen(listed), sizeof(listed) - strlen(listed),
	    "%s ", t->snapshot_id);
}

static bool
lists(struct platform *p, const char *project, unsigned limit,
    const char *want)
{
	int64_t last = 0, before;

	listed[0] = '\0';
	do {
		before = last;
		if (platform_template_list(p, project, last, limit,
		    add_listed, &last, &f) == -1)
			return false;
	} while (last != before);
	if (strcmp(listed, want) != 0)
		printf("# %s sees %s\n", project, listed);
	return strcmp(listed, want) == 0;
}

static void
templates(struct platform *p)
{
	struct platform_template seeds[2] = {
		make("", "seeded", "s-seed", true),
		make("", "n", "n-seed", true),
	};
	struct platform_template t;
	char *first, *again;

	seeds[0].id = strdup("seed_1");
	seeds[1].id = strdup("seed_2");
	free(put(p, "a", "n", "n-a", false));
	first = put(p, "b", "n", "n-b", true);
	free(put(p, "c", "n", "n-c", true));
	UNIT_CHECK(means(p, "a", "n", "n-a"), "a name is the project's own");
	UNIT_CHECK(means(p, "d", "n", "n-b"), "or the oldest public one");
	UNIT_CHECK(platform_seed(p, seeds, 2, &f) == 0, "seeds");
	UNIT_CHECK(means(p, "d", "n", "n-seed"), "before it one put there");
	UNIT_CHECK(means(p, "c", "n", "n-c"), "but behind the own one");
	UNIT_CHECK(lists(p, "a", 10, "n-a s-seed "), "a list shows no more");
	UNIT_CHECK(lists(p, "d", 1, "s-seed n-seed "), "page by page");
	again = put(p, "b", "n", "n-b2", false);
	UNIT_CHECK(first != NULL && again != NULL && strcmp(first, again) == 0,
	    "a name registered again keeps its id");
	UNIT_CHECK(platform_template_by_id(p, "b", first, &t, &f) == 1 &&
	    t.snapshot_bytes == PLATFORM_TEMPLATE_SIZE_MAX && !t.public &&
	    strcmp(t.snapshot_id, "n-b2") == 0, "and is found by it");
	platform_template_free(&t);
	UNIT_CHECK(platform_template_by_id(p, "a", first, &t, &f) == 0,
	    "not by others, now that it is private");
	UNIT_CHECK(platform_template_delete(p, "c", "seeded", &f) == 0 &&
	    platform_template_delete(p, "a", "n", &f) == 1 &&
	    platform_template_delete(p, "a", "n", &f) == 0, "delete");
	UNIT_CHECK(means(p, "c", "n", "n-c") && means(p, "b", "n", "n-b2"),
	    "takes nothing of another project");
	UNIT_CHECK(platform_seed(p, seeds, 1, &f) == 0 &&
	    means(p, "d", "n", "n-c") && means(p, "d", "seeded", "s-seed"),
	    "seeds replace the seeds before");
	free(seeds[1].id);
	seeds[1].id = strdup(again);
	UNIT_CHECK(platform_seed(p, seeds, 2, &f) == -1,
	    "an id is not taken twice: %s", f.msg);
	UNIT_CHECK(means(p, "d", "seeded", "s-seed"),
	    "and a seeding that fails changes nothing");
	platform_template_free(&seeds[0]);
	platform_template_free(&seeds[1]);
	free(first);
	free(again);
}

static struct build
new_build(const char *project, int64_t when)
{
	struct build b = BUILD_INIT;

	b.id = platform_new_id("build_", &f);
	b.project = strdup(project);
	b.name = strdup("made");
	b.dockerfile = strdup("FROM x\n");
	b.node_kind = strdup("base");
	b.snapshot_id = strdup("snap");
	b.rel_path = strdup("projects/a/x");
	b.created_at = when;
	return b;
}

#define RUNNERS	8

static struct platform *shared[2];
static struct build raced;
static int won[RUNNERS];

/* Two processes, as it were, of several threads each, complete one build. */
static void *
run(void *arg)
{
	int i = *(int *)arg;
	struct platform_template t = make("a", "made", "snap", false);
	struct buf answer = BUF_INIT(100000);
	struct platform_once once = { NULL, NULL };
	struct fail mine;

	won[i] = platform_build_complete(shared[i % 2], raced.id, "{}", &t,
	    &once, &answer, &mine);
	if (won[i] == -1)
		printf("# %s\n", mine.msg);
	if (won[i] != 1 && answer.len != 0)
		won[i] = -2;
	platform_template_free(&t);
	buf_free(&answer);
	return NULL;
}

static int stale;

static void
count_stale(void *arg, struct build *b)
{
	(void)arg;
	stale += b->upload_id != NULL && strcmp(b->upload_id, "u") == 0;
}

static void
builds(struct platform *p)
{
	struct build b = new_build("a", 1000), got, open_one;
	struct buf answer = BUF_INIT(1000), back = BUF_INIT(1000);
	struct platform_once none = { NULL, NULL }, once = { "k", "p1" };
	struct platform_once other = { "k", "p2" };
	pthread_t threads[RUNNERS];
	int i, numbers[RUNNERS], wins = 0, losses = 0;
	char *id;

	buf_adds(&answer, "answer", &f);
	UNIT_CHECK(platform_again(p, "a", &once, &back, &f) == 0,
	    "nothing was asked yet");
	UNIT_CHECK(platform_build_add(p, &b, &once, &answer, &f) == 1,
	    "a build is kept");
	UNIT_CHECK(platform_again(p, "a", &once, &back, &f) == 1 &&
	    strcmp(back.data, "answer") == 0, "and its answer");
	UNIT_CHECK(platform_again(p, "a", &other, &back, &f) ==
	    PLATFORM_OTHER, "a key means one request");
	UNIT_CHECK(platform_again(p, "b", &once, &back, &f) == 0,
	    "of one project");
	raced = new_build("a", 2000);
	UNIT_CHECK(platform_build_add(p, &raced, &once, &answer, &f) == 0 &&
	    platform_build_get(p, "a", raced.id, &got, &f) == 0,
	    "a key that is taken keeps no build");
	UNIT_CHECK(platform_build_get(p, "b", b.id, &got, &f) == 0,
	    "a build is there for its project alone");
	UNIT_CHECK(platform_build_get(p, "a", b.id, &got, &f) == 1 &&
	    got.answer == NULL && got.base_image == NULL &&
	    strcmp(got.dockerfile, "FROM x\n") == 0, "and whole");
	build_free(&got);

	UNIT_CHECK(platform_build_add(p, &raced, &none, &answer, &f) == 1,
	    "without a key");
	for (i = 0; i < RUNNERS; i++) {
		numbers[i] = i;
		pthread_create(&threads[i], NULL, run, &numbers[i]);
	}
	for (i = 0; i < RUNNERS; i++) {
		pthread_join(threads[i], NULL);
		wins += won[i] == 1;
		losses += won[i] == 0;
	}
	UNIT_CHECK(wins == 1 && losses == RUNNERS - 1,
	    "of many at once one completes a build (%d, %d)", wins, losses);
	UNIT_CHECK(platform_build_get(p, "a", raced.id, &got, &f) == 1 &&
	    got.answer != NULL && strcmp(got.request, "{}") == 0,
	    "which then has an answer");
	build_free(&got);
	id = raced.project;
	raced.project = strdup("b");
	free(id);

	open_one = new_build("a", 1000);
	open_one.upload_id = strdup("u");
	UNIT_CHECK(platform_build_add(p, &open_one, &none, &answer, &f) == 1,
	    "a build with an upload");
	UNIT_CHECK(platform_expire(p, 1000, count_stale, NULL, &f) == 0 &&
	    stale == 0 && platform_build_get(p, "a", b.id, &got, &f) == 1,
	    "nothing is too old");
	build_free(&got);
	UNIT_CHECK(platform_expire(p, time(NULL) + 1, count_stale, NULL,
	    &f) == 0 && stale == 1 &&
	    platform_build_get(p, "a", b.id, &got, &f) == 0,
	    "old builds go, their uploads are named");
	UNIT_CHECK(platform_build_get(p, "a", raced.id, &got, &f) == 1,
	    "a completed one stays");
	build_free(&got);
	UNIT_CHECK(platform_again(p, "a", &once, &back, &f) == 0,
	    "old answers go");
	build_free(&b);
	build_free(&raced);
	build_free(&open_one);
	buf_free(&answer);
	buf_free(&back);
}

int
main(void)
{
	char dir[] = "/tmp/tl-unit.XXXXXX";
	struct stat st;
	struct platform *p;

	if (mkdtemp(dir) == NULL || chdir(dir) == -1)
		abort();
	umask(0);
	UNIT_CHECK((shared[0] = platform_open("db", &f)) != NULL, "made");
	UNIT_CHECK((shared[1] = platform_open("db", &f)) != NULL, "shared");
	if (shared[0] == NULL || shared[1] == NULL)
		return 1;
	UNIT_CHECK(stat("db", &st) == 0 && (st.st_mode & 0777) == 0600 &&
	    stat("db-wal", &st) == 0 && (st.st_mode & 0777) == 0600,
	    "for its owner alone, whatever the umask");
	templates(shared[0]);
	builds(shared[1]);
	platform_close(shared[0]);
	platform_close(shared[1]);
	p = platform_open("db", &f);
	UNIT_CHECK(p != NULL && means(p, "a", "made", "snap") &&
	    means(p, "b", "n", "n-b2"), "all is there after a restart");
	platform_close(p);
	if (truncate("db", 5000) == -1)
		abort();
	unlink("db-wal");
	unlink("db-shm");
	p = platform_open("db", &f);
	UNIT_CHECK(p == NULL || platform_template_named(p, "d", "none",
	    &(struct platform_template)PLATFORM_TEMPLATE_INIT, &f) == -1,
	    "a broken file is told: %s", f.msg);
	platform_close(p);
	unlink("db-wal");
	unlink("db-shm");
	unlink("db");
	if (chdir("/") == -1 || rmdir(dir) == -1)
		perror("# rmdir");
	return unit_end();
}
