/* The digest of a context: what is in it, what is not, where words end */
#include <string.h>

#include "client/context/sum.h"
#include "unit.h"

static const struct tar_entry file = { .type = TAR_FILE, .name = "a/b",
    .mode = 0644, .mtime = 1700000000, .size = 3 };

static void
of(const struct tar_entry *e, const char *bytes, uint8_t out[SUM_SIZE])
{
	struct sum s;

	sum_init(&s);
	sum_entry(&s, e);
	sum_bytes(&s, bytes, strlen(bytes));
	sum_end(&s, out);
}

static int
differ(const struct tar_entry *a, const char *abytes,
    const struct tar_entry *b, const char *bbytes)
{
	uint8_t x[SUM_SIZE], y[SUM_SIZE];

	of(a, abytes, x);
	of(b, bbytes, y);
	return memcmp(x, y, SUM_SIZE) != 0;
}

static void
fields(void)
{
	struct tar_entry e;

	UNIT_CHECK(!differ(&file, "abc", &file, "abc"), "the same is the same");
	UNIT_CHECK(differ(&file, "abc", &file, "abd"), "bytes");
	UNIT_CHECK(differ(&file, "abc", &file, "ab"), "how many");
	e = file;
	e.name = "a/c";
	UNIT_CHECK(differ(&file, "abc", &e, "abc"), "name");
	e = file;
	e.mode = 0755;
	UNIT_CHECK(differ(&file, "abc", &e, "abc"), "mode");
	e.mode = 0100644;
	UNIT_CHECK(!differ(&file, "abc", &e, "abc"), "permission bits only");
	e = file;
	e.mtime = -1;
	UNIT_CHECK(differ(&file, "abc", &e, "abc"), "time");
	e = file;
	e.size = 4;
	UNIT_CHECK(differ(&file, "abc", &e, "abc"), "size");
	e = file;
	e.type = TAR_LINK;
	UNIT_CHECK(differ(&file, "abc", &e, "abc"), "kind");
	e.target = "x";
	UNIT_CHECK(differ(&file, "abc", &e, "abc"), "target");
}

/* Of a file the sum of its bytes counts, and that it is this file. */
static void
files(void)
{
	struct tar_entry other = file;
	uint8_t of[3][SUM_SIZE] = { { 1 }, { 2 }, { 1 } }, x[3][SUM_SIZE];
	struct sum s;
	size_t i;

	other.name = "a/c";
	for (i = 0; i < 3; i++) {
		sum_init(&s);
		sum_file(&s, i < 2 ? &file : &other, of[i]);
		sum_end(&s, x[i]);
	}
	UNIT_CHECK(memcmp(x[0], x[1], SUM_SIZE) != 0, "the sum of the bytes");
	UNIT_CHECK(memcmp(x[0], x[2], SUM_SIZE) != 0, "the name beside it");
}

static void
folders(void)
{
	struct tar_entry e = { .type = TAR_FOLDER, .name = "a/", .mode = 0755,
	    .mtime = 1 }, later = e, shut = e;

	later.mtime = 2;
	shut.mode = 0700;
	UNIT_CHECK(!differ(&e, "", &later, ""), "not a folder's time");
	UNIT_CHECK(differ(&e, "", &shut, ""), "a folder's mode");
}

/* What ends one word must not be able to begin the next. */
static void
bounds(void)
{
	struct tar_entry a = { .type = TAR_LINK, .name = "ab", .target = "c" };
	struct tar_entry b = { .type = TAR_LINK, .name = "a", .target = "bc" };
	uint8_t x[SUM_SIZE], y[SUM_SIZE];
	struct sum s;

	UNIT_CHECK(differ(&a, "", &b, ""), "name and target");
	sum_init(&s);
	sum_entry(&s, &file);
	sum_bytes(&s, "a", 1);
	sum_bytes(&s, "bc", 2);
	sum_end(&s, x);
	of(&file, "abc", y);
	UNIT_CHECK(memcmp(x, y, SUM_SIZE) == 0, "in pieces, as they come");
}

static int
stamped(const struct stat *a, const struct stat *b)
{
	uint8_t x[STAMP_SIZE], y[STAMP_SIZE];
	struct sum s;

	sum_init(&s);
	sum_stamp(&s, a, x);
	sum_stamp(&s, b, y);
	return memcmp(x, y, STAMP_SIZE) != 0;
}

static void
stamps(void)
{
	struct stat a = { .st_ino = 5, .st_size = 3, .st_mtim = { 7, 8 },
	    .st_ctim = { 1000, 999999999 } }, b = a;

	b.st_mode = S_IFREG | 0644;
	UNIT_CHECK(!stamped(&a, &b), "the same stamp");
	b.st_ino++;
	UNIT_CHECK(stamped(&a, &b), "an inode");
	b = a;
	b.st_size++;
	UNIT_CHECK(stamped(&a, &b), "a size");
	b = a;
	b.st_mtim.tv_nsec++;
	UNIT_CHECK(stamped(&a, &b), "a time");
	b = a;
	b.st_ctim.tv_nsec--;
	UNIT_CHECK(stamped(&a, &b), "a time of change");
	b.st_ctim = (struct timespec){ 1001, 999999999 };
	UNIT_CHECK(stamped(&a, &b), "a second");
	UNIT_CHECK(!sum_settled(&a, 1002999), "it may still change");
	UNIT_CHECK(sum_settled(&a, 1003000), "it has settled");
	UNIT_CHECK(!sum_settled(&a, 900000), "its clock is ahead");
}

int
main(void)
{
	fields();
	files();
	stamps();
	folders();
	bounds();
	return unit_end();
}
