/*
 * Snapshots that someone else has made: what the input says is written over
 * one, four bytes a time (a place of two bytes, a value, how far on); with a
 * seal nothing of it may be taken, without one nothing of it may be read that
 * is not there.
 */
#include "fuzz.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "builder/image/qcow2_impl.h"

#define CLUSTERS	9

static unsigned char *base;
static size_t size;
static int raw;

static void
start(void)
{
	struct qcow2_extra none = { .config = NULL };
	int fd = memfd_create("base", MFD_CLOEXEC);
	char c[CLUSTER];
	struct fail f;
	struct stat st;
	unsigned i;

	raw = memfd_create("raw", MFD_CLOEXEC);
	for (i = 0; i < CLUSTERS; i++) {
		memset(c, 'a' + (int)i, sizeof(c));
		if (i % 3 != 1)
			MUST(pwrite(raw, c, sizeof(c), i * (off_t)CLUSTER) ==
			    sizeof(c));
	}
	MUST(qcow2_write(raw, -1, &none, fd, &f) == 0);
	MUST(fstat(fd, &st) == 0);
	size = (size_t)st.st_size;
	base = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	MUST(base != MAP_FAILED);
}

/* The header, or what stands at the start of another cluster. */
static size_t
place(const uint8_t *p)
{
	size_t at = (size_t)p[0] << 8 | p[1], n = size / CLUSTER;

	if (p[0] < 0x40)
		return at % 512;
	return at % n * CLUSTER + p[3];
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static char name[] = "it";
	char *const names[] = { name, name };
	unsigned char *copy, h[CLUSTER];
	struct qcow2_id ids[2];
	bool sealed, changed = false;
	struct fail f;
	int fds[2], out = memfd_create("out", MFD_CLOEXEC), fd, r;
	size_t i;

	if (base == NULL)
		start();
	fd = memfd_create("it", MFD_CLOEXEC);
	copy = malloc(size);
	MUST(fd != -1 && out != -1 && copy != NULL);
	memcpy(copy, base, size);
	sealed = n > 0 && p[0] == 's';
	for (i = 1; i + 4 <= n; i += 4)
		copy[place(p + i)] = p[i + 2];
	changed = memcmp(copy, base, size) != 0;
	if (!sealed) {
		copy[80] &= 0x7f;
		copy[HEADER] = 1;
	}
	MUST(write(fd, copy, size) == (ssize_t)size);
	free(copy);
	fds[0] = fds[1] = fd;
	r = qcow2_read(fds, names, 1, out, ids, &f);
	if (r == -1) {
		MUST(f.status == EX_DATAERR || f.status == EX_CANTCREAT);
		MUST(f.msg[0] != '\0' && strchr(f.msg, '\n') == NULL);
	} else
		MUST(!sealed || !changed);
	if (sealed && changed)
		MUST(r == -1);
	if (qcow2_read(fds, names, 2, -1, ids, &f) == -1)
		MUST(f.msg[0] != '\0');
	MUST(pread(fd, h, sizeof(h), 0) == sizeof(h));
	close(fd);
	close(out);
	return 0;
}

FUZZ_MAIN(((const char *const []){
	"u", "s", "u@A\1\1", "sBB", "u\1P\1\1u\1h\200\1", "uABCDaaab\1\1\1\1",
}));
