/* tar headers: fields, long names, big numbers, and that GNU tar agrees */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/context/tar.h"
#include "unit.h"

static struct buf b = BUF_INIT(1UL << 20);

static const char *
header(const struct tar_entry *e)
{
	struct fail f;

	buf_clear(&b);
	return tar_header(&b, e, &f) == 0 ? b.data : NULL;
}

/* Every block's sum is right, counted as the format says. */
static int
sums(const char *h)
{
	unsigned long sum = 0;
	int i;

	for (i = 0; i < TAR_BLOCK; i++)
		sum += i >= 148 && i < 156 ? ' ' : (unsigned char)h[i];
	return strtoul(h + 148, NULL, 8) == sum && h[154] == '\0' &&
	    h[155] == ' ';
}

static void
plain(void)
{
	struct tar_entry e = { .type = TAR_FILE, .name = "a/b", .mode = 0104755,
	    .mtime = 1700000000, .size = 01234567 };
	const char *h = header(&e);

	UNIT_CHECK(b.len == TAR_BLOCK && sums(h), "a block that sums up");
	UNIT_CHECK(strcmp(h, "a/b") == 0, "name");
	UNIT_CHECK(memcmp(h + 100, "0004755\0000000000\0000000000", 24) == 0,
	    "permission bits only, owner 0:0");
	UNIT_CHECK(memcmp(h + 124, "00001234567", 12) == 0, "size");
	UNIT_CHECK(memcmp(h + 136, "14524770400", 12) == 0, "mtime");
	UNIT_CHECK(h[156] == '0' && memcmp(h + 257, "ustar  ", 8) == 0,
	    "type and magic");
	UNIT_CHECK(h[265] == '\0' && h[297] == '\0', "no owner names");
}

static void
names(void)
{
	char name[300], target[2000];
	struct tar_entry e = { .type = TAR_LINK, .name = name,
	    .target = target, .mode = 0777 };
	const char *h;

	memset(name, 'n', sizeof(name));
	memset(target, 't', sizeof(target));
	name[100] = target[100] = '\0';
	h = header(&e);
	UNIT_CHECK(b.len == TAR_BLOCK && sums(h) && h[99] == 'n' &&
	    h[100] == '0' && h[256] == 't', "100 bytes fit");
	name[100] = 'n';
	name[101] = '\0';
	h = header(&e);
	UNIT_CHECK(b.len == 3 * TAR_BLOCK && h[156] == 'L' && sums(h) &&
	    strtoul(h + 124, NULL, 8) == 102 &&
	    strcmp(h, "././@LongLink") == 0 &&
	    strcmp(h + TAR_BLOCK, name) == 0 &&
	    sums(h + 2 * TAR_BLOCK), "101 bytes of name do not");
	name[3] = '\0';
	target[100] = 't';
	target[1999] = '\0';
	h = header(&e);
	UNIT_CHECK(b.len == 6 * TAR_BLOCK && h[156] == 'K' &&
	    strcmp(h + TAR_BLOCK, target) == 0 &&
	    h[5 * TAR_BLOCK + 156] == '2', "nor 1999 bytes of target");
	target[0] = '\0';
	memset(name, 'n', 299);
	name[299] = '\0';
	name[255] = '\0';
	e.type = TAR_FILE;
	h = header(&e);
	UNIT_CHECK(b.len == 3 * TAR_BLOCK && strtoul(h + 124, NULL, 8) == 256,
	    "255 bytes of name");
}

static void
numbers(void)
{
	struct tar_entry e = { .type = TAR_FILE, .name = "n" };
	const char *h;

	e.size = (UINT64_C(8) << 30) - 1;
	h = header(&e);
	UNIT_CHECK(memcmp(h + 124, "77777777777", 12) == 0, "8 GiB less one");
	e.size++;
	h = header(&e);
	UNIT_CHECK(memcmp(h + 124, "\200\0\0\0\0\0\0\2\0\0\0\0", 12) == 0 &&
	    sums(h), "8 GiB in base 256");
	e.size = 0;
	e.mtime = -2;
	h = header(&e);
	UNIT_CHECK(memcmp(h + 136, "\377\377\377\377\377\377\377\377\377\377"
	    "\377\376", 12) == 0 && sums(h), "a time before 1970");
	UNIT_CHECK(tar_padding(0) == 0 && tar_padding(1) == 511 &&
	    tar_padding(512) == 0 && tar_padding(UINT64_C(1) << 40) == 0,
	    "padding");
	e.size = UINT64_MAX;
	UNIT_CHECK(header(&e) == NULL, "more than a tar holds");
}

/* A header of 9 GiB before a hole, and what tar lists. */
static void
gnu_tar(void)
{
	struct tar_entry e = { .type = TAR_FILE, .name = "big", .mode = 0640,
	    .mtime = -86400, .size = UINT64_C(9) << 30 };
	char path[] = "/tmp/tl-unit.XXXXXX", line[200] = "", *command;
	struct fail f;
	int fd = mkstemp(path);
	FILE *p;

	header(&e);
	if (fd == -1 || buf_write(&b, fd, path, &f) == -1 ||
	    ftruncate(fd, (off_t)(TAR_BLOCK + e.size + TAR_END)) == -1 ||
	    asprintf(&command, "TZ=UTC0 tar -tvf %s", path) == -1) {
		UNIT_CHECK(0, "a file of 9 GiB");
		return;
	}
	if ((p = popen(command, "r")) != NULL) {
		if (fgets(line, sizeof(line), p) == NULL)
			line[0] = '\0';
		pclose(p);
	}
	UNIT_CHECK(strcmp(line, "-rw-r----- 0/0      9663676416 "
	    "1969-12-31 00:00 big\n") == 0, "tar lists 9 GiB and 1969");
	free(command);
	close(fd);
	unlink(path);
}

int
main(void)
{
	plain();
	names();
	numbers();
	gnu_tar();
	buf_free(&b);
	return unit_end();
}
