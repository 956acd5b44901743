/* SHA-256 as a tree: it is as it is defined */

#include <sys/mman.h>

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <nettle/sha2.h>

#include "builder/image/treesum.h"
#include "unit.h"

#define LEN	(21 * TREESUM_PIECE + 12345)

static unsigned char *bytes;

static void
sha(const unsigned char *p, size_t n, unsigned char *out)
{
	struct sha256_ctx c;

	sha256_init(&c);
	sha256_update(&c, n, p);
	sha256_digest(&c, TREESUM_LEN, out);
}

static void
tree(int fd, uint64_t from, uint64_t to)
{
	unsigned char got[TREESUM_LEN], want[TREESUM_LEN];
	unsigned char *list = malloc(LEN);
	size_t n = 0, at, k;
	struct fail f;

	for (at = from; at < to; at += k, n += TREESUM_LEN) {
		k = to - at < TREESUM_PIECE ? to - at : TREESUM_PIECE;
		sha(bytes + at, k, list + n);
	}
	sha(list, n, want);
	UNIT_CHECK(treesum_file(fd, from, to, got, &f) == 0 &&
	    memcmp(got, want, TREESUM_LEN) == 0, "bytes %zu to %zu",
	    (size_t)from, (size_t)to);
	free(list);
}

int
main(void)
{
	unsigned char sum[TREESUM_LEN];
	int fd = memfd_create("treesum", MFD_CLOEXEC);
	struct fail f;
	size_t i;

	if ((bytes = malloc(LEN)) == NULL || fd == -1)
		return EX_OSERR;
	srandom(1);
	for (i = 0; i < LEN; i++)
		bytes[i] = (unsigned char)random();
	if (write(fd, bytes, LEN) != LEN)
		return EX_OSERR;
	tree(fd, 0, 0);
	tree(fd, 0, 1);
	tree(fd, 0, 8 * TREESUM_PIECE);
	tree(fd, TREESUM_PIECE, 20 * TREESUM_PIECE);
	tree(fd, 100, LEN);
	UNIT_CHECK(treesum_file(fd, 0, LEN + 1, sum, &f) == -1 &&
	    f.status == EX_DATAERR, "a file that ends before");
	UNIT_CHECK(treesum_file(-1, 0, 5, sum, &f) == -1 &&
	    f.status == EX_IOERR, "no file");
	free(bytes);
	close(fd);
	return unit_end();
}
