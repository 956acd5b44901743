/*
 * A snapshot proves itself: no flipped bit, cut or wrong parent is taken.
 * TL_FLIPS and TL_CUTS: how many to try; 400 and 60 without.
 */

#include <sys/mman.h>
#include <sys/stat.h>

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "builder/image/qcow2_impl.h"
#include "unit.h"

#define CLUSTERS	100
#define SIZE		(CLUSTERS * CLUSTER - 1024)

static int
file(void)
{
	int fd = memfd_create("snapshot", MFD_CLOEXEC);

	if (fd == -1)
		exit(EX_OSERR);
	return fd;
}

static off_t
length(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? st.st_size : -1;
}

/* Text, noise, zeros and holes; which differ with the seed. */
static int
image(unsigned seed)
{
	static unsigned char c[CLUSTER];
	int fd = file();
	size_t i, k;

	for (i = 0; i < CLUSTERS; i++) {
		unsigned kind = (unsigned)(i * 7 + (i % 3 == 0 ? seed : 0)) % 5;

		srandom((unsigned)i + kind + (i % 4 == 0 ? seed : 0));
		if (kind == 0)
			continue;
		for (k = 0; k < CLUSTER; k++)
			c[k] = kind == 1 ? (unsigned char)random() :
			    kind == 2 ? 0 : k < 5000 ? (unsigned char)('a' +
			    random() % 3) : 0;
		if (pwrite(fd, c, CLUSTER, (off_t)(i * CLUSTER)) != CLUSTER)
			exit(EX_OSERR);
	}
	if (ftruncate(fd, SIZE) == -1)
		exit(EX_OSERR);
	return fd;
}

static int
snapshot(int raw, int parent, const struct qcow2_id *id)
{
	struct qcow2_extra x = { .backing = parent == -1 ? NULL : "parent",
	    .parent = id };
	struct span config = { .at = "{\"a\":1}", .len = 7 };
	struct fail f;
	int fd = file();

	x.config = &config;
	if (qcow2_write(raw, parent, &x, fd, &f) == -1) {
		printf("Bail out! %s\n", f.msg);
		exit(1);
	}
	return fd;
}

static bool
same(int a, int b)
{
	off_t n = length(a);
	char *p, *q;
	bool r;

	if (n != length(b))
		return false;
	p = mmap(NULL, (size_t)n, PROT_READ, MAP_SHARED, a, 0);
	q = mmap(NULL, (size_t)n, PROT_READ, MAP_SHARED, b, 0);
	if (p == MAP_FAILED || q == MAP_FAILED)
		exit(EX_OSERR);
	r = memcmp(p, q, (size_t)n) == 0;
	munmap(p, (size_t)n);
	munmap(q, (size_t)n);
	return r;
}

/* 1: it gives the disk that is right; 0: refused; -1: a wrong one. */
static int
gives(const int *fds, size_t n, int right, struct fail *f)
{
	static char one[] = "one", two[] = "two", three[] = "three";
	char *const names[] = { one, two, three };
	struct qcow2_id ids[3];
	int out = file(), r = 0;

	if (qcow2_read(fds, names, n, out, ids, f) == 0)
		r = same(out, right) ? 1 : -1;
	close(out);
	return r;
}

static unsigned
many(const char *name, unsigned without)
{
	const char *s = getenv(name);

	return s == NULL ? without : (unsigned)strtoul(s, NULL, 10);
}

static void
flips(int snap, int raw, unsigned n)
{
	unsigned i, wrong = 0, taken = 0, status = 0;
	uint64_t size = (uint64_t)length(snap), at;
	unsigned char b, was;
	struct fail f;
	int r;

	for (i = 0; i < n; i++) {
		/* Half of them where little changes much: the header. */
		at = (uint64_t)random() % (i % 2 == 0 ? size : 512);
		if (pread(snap, &was, 1, (off_t)at) != 1)
			exit(EX_OSERR);
		b = was ^ (unsigned char)(1 << random() % 8);
		if (pwrite(snap, &b, 1, (off_t)at) != 1)
			exit(EX_OSERR);
		r = gives(&snap, 1, raw, &f);
		wrong += r == -1;
		taken += r == 1;
		status += r == 0 && f.status != EX_DATAERR;
		if (pwrite(snap, &was, 1, (off_t)at) != 1)
			exit(EX_OSERR);
	}
	UNIT_CHECK(wrong == 0 && taken == 0, "%u flipped bits: %u taken, %u "
	    "gave a wrong disk", n, taken, wrong);
	UNIT_CHECK(status == 0, "each is said to be damage");
	UNIT_CHECK(gives(&snap, 1, raw, &f) == 1, "undone, all is well");
}

static void
cuts(int snap, int raw, unsigned n)
{
	uint64_t size = (uint64_t)length(snap), at;
	unsigned i, taken = 0;
	struct fail f;
	int cut = file();
	char *p;

	p = mmap(NULL, size, PROT_READ, MAP_SHARED, snap, 0);
	if (p == MAP_FAILED)
		exit(EX_OSERR);
	for (i = 0; i < n; i++) {
		at = i < 3 ? size - 1 - i * CLUSTER : (uint64_t)random() % size;
		if (ftruncate(cut, 0) == -1 ||
		    pwrite(cut, p, at, 0) != (ssize_t)at)
			exit(EX_OSERR);
		taken += gives(&cut, 1, raw, &f) != 0;
		/* The length is right, the bytes are not there. */
		if (ftruncate(cut, (off_t)size) == -1)
			exit(EX_OSERR);
		taken += at < size - CLUSTER && gives(&cut, 1, raw, &f) != 0;
	}
	UNIT_CHECK(taken == 0, "%u cuts: %u taken", n, taken);
	if (pwrite(cut, p, size, 0) != (ssize_t)size ||
	    pwrite(cut, "x", 1, (off_t)size) != 1)
		exit(EX_OSERR);
	UNIT_CHECK(gives(&cut, 1, raw, &f) == 0, "a byte more: %s", f.msg);
	munmap(p, size);
	close(cut);
}

static void
chain(void)
{
	int raw[3] = { image(1), image(2), image(3) }, other = image(4), s[3];
	int t[3], wrong;
	struct qcow2_id id;
	struct fail f;

	s[2] = snapshot(raw[2], -1, NULL);
	qcow2_identify(s[2], &id, &f);
	UNIT_CHECK(id.sealed, "a snapshot is sealed");
	s[1] = snapshot(raw[1], raw[2], &id);
	qcow2_identify(s[1], &id, &f);
	s[0] = snapshot(raw[0], raw[1], &id);
	UNIT_CHECK(gives(s, 3, raw[0], &f) == 1, "a chain of three");
	t[0] = s[0], t[1] = s[2];
	UNIT_CHECK(gives(t, 2, raw[0], &f) == 0 && f.status == EX_DATAERR &&
	    strcmp(f.msg, "two: not the parent that one was made against")
	    == 0, "a level left out: %s", f.msg);
	wrong = snapshot(other, -1, NULL);
	t[0] = s[1], t[1] = wrong;
	UNIT_CHECK(gives(t, 2, raw[1], &f) == 0 &&
	    f.status == EX_DATAERR, "another parent: %s", f.msg);
	t[0] = s[0], t[1] = s[0], t[2] = s[2];
	UNIT_CHECK(gives(t, 3, raw[0], &f) == 0, "twice: %s", f.msg);
	t[0] = s[0], t[1] = s[1];
	UNIT_CHECK(gives(t, 2, raw[0], &f) == 0 &&
	    strstr(f.msg, "two: it holds differences only") != NULL,
	    "no end: %s", f.msg);
	t[0] = s[2], t[1] = s[2];
	UNIT_CHECK(gives(t, 2, raw[2], &f) == 0 &&
	    strstr(f.msg, "one: it is whole") != NULL, "too much: %s", f.msg);
}

/* As it was before there were seals: no such extension, no bit. */
static void
unsealed(int snap, int raw)
{
	static const unsigned char unknown[4] = { 1, 2, 3, 4 }, zero = 0;
	static char one[] = "one";
	char *const name = one;
	struct qcow2_id id = { .sealed = true }, again;
	unsigned char type[4], byte = 0;
	struct fail f;
	int out = file(), r;

	if (pread(snap, type, 4, HEADER) != 4 ||
	    pwrite(snap, unknown, 4, HEADER) != 4)
		exit(EX_OSERR);
	UNIT_CHECK(gives(&snap, 1, raw, &f) == 0, "no seal, but the bit: %s",
	    f.msg);
	if (pwrite(snap, &zero, 1, 80) != 1)
		exit(EX_OSERR);
	r = qcow2_read(&snap, &name, 1, out, &id, &f);
	UNIT_CHECK(r == 0 && same(out, raw) && !id.sealed,
	    "a snapshot without sums is read");
	UNIT_CHECK(qcow2_identify(snap, &again, &f) == 0 &&
	    memcmp(again.sum, id.sum, sizeof(id.sum)) == 0,
	    "and known by all its bytes");
	if (pwrite(snap, type, 4, HEADER) != 4)
		exit(EX_OSERR);
	UNIT_CHECK(gives(&snap, 1, raw, &f) == 0, "a seal, but no bit: %s",
	    f.msg);
	byte = 0x80;
	if (pwrite(snap, &byte, 1, 80) != 1)
		exit(EX_OSERR);
	UNIT_CHECK(gives(&snap, 1, raw, &f) == 1, "both again");
	close(out);
}

/* A seal by a later program is said to be one; its sum is right. */
static void
later(int snap, int raw)
{
	unsigned char h[CLUSTER];
	struct qcow2_id own;
	struct fail f;

	if (pread(snap, h, CLUSTER, 0) != CLUSTER)
		exit(EX_OSERR);
	h[HEADER + 8 + 3]++;
	qcow2_header_sum(h, &own);
	memcpy(h + HEADER + 8 + SEAL_OWN, own.sum, sizeof(own.sum));
	if (pwrite(snap, h, CLUSTER, 0) != CLUSTER)
		exit(EX_OSERR);
	UNIT_CHECK(gives(&snap, 1, raw, &f) == 0 &&
	    strstr(f.msg, "version 2") != NULL, "a later version: %s", f.msg);
}

/*
 * Pieces of an image in any order: the snapshot of what is not whole in the end
 * is the same disk.  More clusters are begun at a time than are kept open.
 */
static void
given(int raw, int parent, unsigned seed)
{
	static unsigned char b[CLUSTER];
	struct qcow2_extra x = { .backing = parent == -1 ? NULL : "parent" };
	unsigned order[SIZE / 1024], n = SIZE / 1024, i, k, swap, len;
	int part = file(), snap = file(), fds[2] = { snap, -1 }, r = 0;
	struct qcow2 *q;
	struct fail f;

	srandom(seed);
	for (i = 0; i < n; i++)
		order[i] = i;
	/* Far apart, so that few clusters become whole, or near, so that most do. */
	for (i = 0; i < n / 2; i++) {
		k = (unsigned)random() % n;
		if (seed % 4 > 1)
			k = (i + k % 200) % n;
		swap = order[i];
		order[i] = order[k];
		order[k] = swap;
	}
	if (ftruncate(part, SIZE) == -1 ||
	    (q = qcow2_begin(part, parent, &x, snap, &f)) == NULL)
		exit(EX_OSERR);
	for (i = 0; i < n && r == 0; i += len) {
		for (len = 1; i + len < n && len < 60 &&
		    order[i + len] == order[i] + len; len++)
			continue;
		for (k = 0; k < len; k++)
			if (pread(raw, b + k * 1024, 1024,
			    (off_t)(order[i] + k) * 1024) != 1024)
				exit(EX_OSERR);
		/* Some of it is in the image, of some clusters. */
		if (order[i] / 64 % 3 == 0 && order[i] % 7 == 0)
			r = pwrite(part, b, len * 1024,
			    (off_t)order[i] * 1024) == -1 ? -1 : 0;
		else
			r = qcow2_give(q, b, len * 1024,
			    (uint64_t)order[i] * 1024, &f);
	}
	UNIT_CHECK(r == 0 && qcow2_end(q, &f) == 0, "given by pieces, %u",
	    seed);
	qcow2_free(q);
	if (parent == -1)
		UNIT_CHECK(gives(fds, 1, raw, &f) == 1, "is the same disk");
	else {
		fds[1] = snapshot(parent, -1, NULL);
		r = gives(fds, 2, raw, &f);
		UNIT_CHECK(r == 1, "is the same on a parent: %s",
		    r == 0 ? f.msg : "");
		close(fds[1]);
	}
	close(part);
	close(snap);
}

int
main(void)
{
	struct buf config = BUF_INIT(100);
	int raw = image(1), parent = image(2), snap = snapshot(raw, -1, NULL);
	int twin = snapshot(raw, -1, NULL);
	unsigned i;
	struct fail f;

	UNIT_CHECK(gives(&snap, 1, raw, &f) == 1, "what went in comes out");
	UNIT_CHECK(same(snap, twin), "the same disk, the same snapshot");
	UNIT_CHECK(qcow2_config(snap, &config, &f) == 1 &&
	    strcmp(config.data, "{\"a\":1}") == 0, "the configuration");
	srandom(1);
	flips(snap, raw, many("TL_FLIPS", 400));
	cuts(snap, raw, many("TL_CUTS", 60));
	for (i = 0; i < 8; i++)
		given(raw, i % 2 == 0 ? -1 : parent, i);
	chain();
	unsealed(snap, raw);
	later(snap, raw);
	buf_free(&config);
	return unit_end();
}
