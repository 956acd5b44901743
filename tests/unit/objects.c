/* objects: what is kept in a folder, as threads and crashes see it. */

#include <sys/stat.h>

#include <ftw.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "region/store/objects.h"
#include "../tree.h"
#include "unit.h"

static char root[] = "/tmp/tl-objects.XXXXXX";
static struct objects *store;

static int
put(const char *key, const char *text, const char *upload, unsigned part,
    char etag[OBJECTS_ETAG])
{
	struct objects_writer w;
	struct fail f;

	if (objects_write(&w, store, "bkt", key, upload, &f) != OBJECTS_OK)
		return -1;
	if (objects_writer_add(&w, text, strlen(text), &f) == -1) {
		objects_cancel(&w);
		return -1;
	}
	objects_writer_digest(&w);
	return upload == NULL ?
	    objects_commit(&w, key, NULL, NULL, etag, &f) == OBJECTS_OK ? 0 : -1 :
	    objects_commit_part(&w, key, part, etag, &f) == OBJECTS_OK ? 0 :
	    -1;
}

static bool
holds(const char *key, const char *text)
{
	char got[256] = "";
	struct object b;
	struct fail f;
	uint64_t off = 0;
	ssize_t n;

	if (objects_get(store, "bkt", key, &b, &f) != OBJECTS_OK)
		return false;
	while (off < sizeof(got) - 1 &&
	    (n = objects_read(&b, off, got + off, 3, &f)) > 0)
		off += (uint64_t)n;
	object_close(&b);
	return strcmp(got, text) == 0;
}

static int
count_file(const char *path, const struct stat *st, int type, struct FTW *w)
{
	(void)path;
	(void)st;
	(void)w;
	return type == FTW_F || type == FTW_SL ? 1 : 0;
}

static int files_n;

static int
files_add(const char *path, const struct stat *st, int type, struct FTW *w)
{
	files_n += count_file(path, st, type, w);
	return 0;
}

/* Files and links below data/: what bytes take room. */
static int
files(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/bkt/data", root);
	files_n = 0;
	nftw(path, files_add, 8, FTW_PHYS);
	return files_n;
}

static int damaged_n;

static void
damaged(const char *what)
{
	printf("# %s\n", what);
	damaged_n++;
}

static void
reopen(void)
{
	static const char *const buckets[] = { "bkt" };
	struct fail f;

	objects_close(store);
	store = objects_open(root, buckets, 1, 1, damaged, &f);
	if (store == NULL) {
		printf("Bail out! %s\n", f.msg);
		exit(1);
	}
}

static void
test_objects(void)
{
	char etag[OBJECTS_ETAG], long_key[OBJECTS_KEY_MAX + 1];
	static const char *const keys[] = { "../../etc/passwd", "/", "//", ".",
	    "a\nend\nb", "..", "%2e%2e", "data", " " };
	struct object b;
	struct fail f;
	size_t i;
	int good = 0;

	for (i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		good += put(keys[i], keys[i], NULL, 0, etag) == 0;
	for (i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		good += holds(keys[i], keys[i]);
	UNIT_CHECK(good == 18, "any key names an object, and only that");
	memset(long_key, 'k', OBJECTS_KEY_MAX);
	long_key[OBJECTS_KEY_MAX] = '\0';
	UNIT_CHECK(put(long_key, "long", NULL, 0, etag) == 0 &&
	    holds(long_key, "long"), "a key as long as can be");
	UNIT_CHECK(files() == 10, "a file for each");
	UNIT_CHECK(put(".", "", NULL, 0, etag) == 0 && holds(".", "") &&
	    files() == 10, "replaced by nothing at all");
	UNIT_CHECK(objects_get(store, "bkt", "x", &b, &f) == OBJECTS_NO_KEY,
	    "no such key");

	objects_get(store, "bkt", "..", &b, &f);
	put("..", "other", NULL, 0, etag);
	objects_delete(store, "bkt", "..", NULL, &f);
	etag[0] = '\0';
	UNIT_CHECK(objects_read(&b, 0, etag, 2, &f) == 2 &&
	    memcmp(etag, "..", 2) == 0,
	    "replaced and deleted while open: still read");
	object_close(&b);
	UNIT_CHECK(files() == 9, "and gone with the last reader");
	reopen();
	UNIT_CHECK(holds("data", "data") && files() == 9, "opened again");
	for (i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		objects_delete(store, "bkt", keys[i], NULL, &f);
	objects_delete(store, "bkt", long_key, NULL, &f);
	UNIT_CHECK(files() == 0, "all deleted");
}

static void
test_uploads(void)
{
	struct objects_part parts[3] = { { .number = 1 }, { .number = 2 },
	    { .number = 3 } };
	char id[OBJECTS_ID + 1], etag[OBJECTS_ETAG], again[OBJECTS_ETAG];
	struct objects_writer w;
	struct fail f;

	UNIT_CHECK(objects_upload_create(store, "bkt", "k", NULL, id, &f) ==
	    OBJECTS_OK, "an upload is opened");
	put("k", "wrong", id, 2, etag);
	UNIT_CHECK(put("k", "abc", id, 1, parts[0].etag) == 0 &&
	    put("k", "defgh", id, 2, parts[1].etag) == 0 &&
	    put("k", "i", id, 3, parts[2].etag) == 0, "parts are put");
	UNIT_CHECK(put("other", "x", id, 1, etag) == -1,
	    "not for another key");
	UNIT_CHECK(put("k", "x", "../objects/00/0000000000000000000", 1,
	    etag) == -1, "not by an id with a path");
	UNIT_CHECK(files() == 6, "three files, three links");
	reopen();
	UNIT_CHECK(put("k", "defgh", id, 2, again) == 0 && files() == 6 &&
	    strcmp(again, parts[1].etag) == 0, "the same part once more");
	objects_write(&w, store, "bkt", "k", id, &f);
	UNIT_CHECK(objects_upload_complete(store, "bkt", "k", id, parts, 2, NULL,
	    etag, &f) == OBJECTS_OK && holds("k", "abcdefgh"), "completed");
	objects_writer_digest(&w);
	UNIT_CHECK(objects_commit_part(&w, "k", 1, again, &f) ==
	    OBJECTS_NO_UPLOAD, "a part that comes too late");
	objects_cancel(&w);
	UNIT_CHECK(files() == 2, "what was not listed is gone");
	UNIT_CHECK(objects_upload_complete(store, "bkt", "k", id, parts, 2, NULL,
	    again, &f) == OBJECTS_OK && strcmp(etag, again) == 0,
	    "completed again");
	UNIT_CHECK(objects_upload_complete(store, "bkt", "k", id, parts, 3, NULL,
	    again, &f) == OBJECTS_NO_UPLOAD, "but not with other parts");
	UNIT_CHECK(objects_upload_abort(store, "bkt", "k", id, &f) ==
	    OBJECTS_NO_UPLOAD && holds("k", "abcdefgh"),
	    "nor aborted any more");

	objects_upload_create(store, "bkt", "k", NULL, id, &f);
	put("k", "x", id, 1, etag);
	objects_write(&w, store, "bkt", "k", id, &f);
	UNIT_CHECK(objects_upload_abort(store, "bkt", "k", id, &f) ==
	    OBJECTS_OK && files() == 2, "aborted, with a part under way");
	objects_cancel(&w);
	objects_delete(store, "bkt", "k", NULL, &f);
	UNIT_CHECK(files() == 0, "nothing is left");
}

/* Parts, readers and completions at the same time, for the sanitizers too. */
static void *
one_thread(void *arg)
{
	struct objects_part part = { .number = 1 };
	char id[OBJECTS_ID + 1], etag[OBJECTS_ETAG];
	struct fail f;
	long *bad = arg;
	int i;

	for (i = 0; i < 20; i++) {
		if (objects_upload_create(store, "bkt", "t", NULL, id,
		    &f) != OBJECTS_OK ||
		    put("t", "same", id, 1, part.etag) == -1 ||
		    objects_upload_complete(store, "bkt", "t", id, &part, 1,
		    NULL, etag, &f) != OBJECTS_OK || !holds("t", "same"))
			(*bad)++;
	}
	return NULL;
}

static void
test_threads(void)
{
	pthread_t t[4];
	long bad[4] = { 0 };
	struct fail f;
	size_t i;

	for (i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, one_thread, &bad[i]);
	for (i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	UNIT_CHECK(bad[0] + bad[1] + bad[2] + bad[3] == 0,
	    "four threads on one key");
	UNIT_CHECK(files() == 1, "one object is left");
	objects_delete(store, "bkt", "t", NULL, &f);
}

/* Whether a store in the folder is refused, with the status and the words. */
static bool
refused(const char *folder, int status, const char *says)
{
	static const char *const buckets[] = { "bkt" };
	struct fail f;
	struct objects *o = objects_open(folder, buckets, 1, 1, damaged, &f);

	if (o != NULL) {
		objects_close(o);
		return false;
	}
	if (f.status == status && strstr(f.msg, says) != NULL)
		return true;
	printf("# %d %s\n", f.status, f.msg);
	return false;
}

/* Until the next but one. */
static char *
below(const char *name)
{
	static char path[2][256];
	static unsigned n;
	char *p = path[n++ % 2];

	snprintf(p, sizeof(path[0]), "%s/%s", root, name);
	return p;
}

static void
make_file(const char *name)
{
	FILE *to = fopen(below(name), "w");

	if (to == NULL || fclose(to) == EOF)
		exit(1);
}

/* Folders that cannot be a store, and a disk that has lost one of a store's. */
static void
test_folders(void)
{
	char etag[OBJECTS_ETAG], long_name[PATH_MAX + 10];
	static const char *const keys[] = { "a", "b", "c", "d" };
	int good = 0, bad = 0;
	size_t i;

	UNIT_CHECK(refused(root, EX_UNAVAILABLE, "in use by another process"),
	    "a store is one process's");
	make_file("file");
	UNIT_CHECK(refused(below("file"), EX_NOINPUT, "file: Not a directory"),
	    "a file is no store");
	UNIT_CHECK(refused(below("no/store"), EX_CANTCREAT,
	    "no/store: No such file"), "nor is made in a folder that is not");
	memset(long_name, 'x', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	UNIT_CHECK(refused(long_name, EX_CANTCREAT, "xxx"),
	    "nor by too long a name");
	mkdir(below("other"), 0700);
	mkdir(below("other/.lock"), 0700);
	UNIT_CHECK(refused(below("other"), EX_CANTCREAT, "other/.lock: Is a"),
	    "a lock that is a folder");
	rmdir(below("other/.lock"));
	make_file("other/bkt");
	UNIT_CHECK(refused(below("other"), EX_CANTCREAT,
	    "bkt/objects: Not a directory"), "a bucket that is a file");

	for (i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		good += put(keys[i], keys[i], NULL, 0, etag) == 0;
	objects_close(store);
	store = NULL;
	/* The first byte of SHA-256 of "a". */
	if (rename(below("bkt/objects/ca"), below("lost")) == -1)
		exit(1);
	make_file("bkt/objects/ca");
	damaged_n = 0;
	reopen();
	UNIT_CHECK(good == 4 && damaged_n == 1 && holds("b", "b") &&
	    holds("c", "c") && holds("d", "d"),
	    "a folder that is none costs what was in it");
	bad += put("a", "new", NULL, 0, etag) == -1;
	bad += !holds("a", "a");
	UNIT_CHECK(bad == 2 && put("e", "e", NULL, 0, etag) == 0 &&
	    holds("e", "e"), "where nothing can be put, but elsewhere it can");
	objects_close(store);
	store = NULL;
	unlink(below("bkt/objects/ca"));
	if (rename(below("lost"), below("bkt/objects/ca")) == -1)
		exit(1);
	reopen();
	UNIT_CHECK(holds("b", "b") && holds("e", "e"), "and so it stays");
	UNIT_CHECK(holds("a", "a"), "found again, it is as it was");
}

int
main(void)
{
	if (mkdtemp(root) == NULL)
		return 1;
	reopen();
	test_objects();
	test_uploads();
	test_threads();
	test_folders();
	objects_close(store);
	tree_remove(root);
	return unit_end();
}
