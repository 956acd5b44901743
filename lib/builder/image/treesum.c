#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <nettle/sha2.h>

#include "builder/image/treesum.h"

#define THREADS_MAX	8

/* FIPS 180-4, 4.2.2 and 5.3.3. */
static const uint32_t key[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1,
	0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
	0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
	0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
	0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
	0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
	0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
	0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2
};
static const uint32_t start[8] = {
	0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c,
	0x1f83d9ab, 0x5be0cd19
};

/* One word of each of the eight; the compiler finds what registers there are. */
typedef uint32_t lanes __attribute__((vector_size(4 * TREESUM_LANES)));

#define ROTR(x, n)	((x) >> (n) | (x) << (32 - (n)))
#define SIGMA(x, a, b, c) (ROTR(x, a) ^ ROTR(x, b) ^ ROTR(x, c))
#define sigma(x, a, b, c) (ROTR(x, a) ^ ROTR(x, b) ^ (x) >> (c))

static inline __attribute__((always_inline)) void
block(lanes h[8], lanes w[16])
{
	lanes a = h[0], b = h[1], c = h[2], d = h[3];
	lanes e = h[4], f = h[5], g = h[6], k = h[7], t, u;
	unsigned i;

#pragma GCC unroll 16
	for (i = 0; i < 64; i++) {
		if (i >= 16)
			w[i % 16] += sigma(w[(i + 1) % 16], 7, 18, 3) +
			    w[(i + 9) % 16] + sigma(w[(i + 14) % 16], 17, 19,
			    10);
		t = k + SIGMA(e, 6, 11, 25) + (g ^ (e & (f ^ g))) + key[i] +
		    w[i % 16];
		u = SIGMA(a, 2, 13, 22) + ((a & b) | (c & (a | b)));
		k = g, g = f, f = e, e = d + t;
		d = c, c = b, b = a, a = t + u;
	}
	h[0] += a, h[1] += b, h[2] += c, h[3] += d;
	h[4] += e, h[5] += f, h[6] += g, h[7] += k;
}

#define PICK(to, x, y, a, b, c, d, e, f, g, h) \
	(to) = __builtin_shufflevector(x, y, a, b, c, d, e, f, g, h)

/* Rows become columns: words of one run become words of all eight. */
static inline __attribute__((always_inline)) void
turn(lanes w[8])
{
	lanes t[8], u[8];
	unsigned i;

	for (i = 0; i < 8; i += 2) {
		PICK(t[i], w[i], w[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
		PICK(t[i + 1], w[i], w[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
	}
	for (i = 0; i < 8; i += 4) {
		PICK(u[i], t[i], t[i + 2], 0, 1, 8, 9, 4, 5, 12, 13);
		PICK(u[i + 1], t[i], t[i + 2], 2, 3, 10, 11, 6, 7, 14, 15);
		PICK(u[i + 2], t[i + 1], t[i + 3], 0, 1, 8, 9, 4, 5, 12, 13);
		PICK(u[i + 3], t[i + 1], t[i + 3], 2, 3, 10, 11, 6, 7, 14,
		    15);
	}
	for (i = 0; i < 4; i++) {
		PICK(w[i], u[i], u[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
		PICK(w[i + 4], u[i], u[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
	}
}

static inline __attribute__((always_inline)) void
all(const unsigned char *const run[TREESUM_LANES], size_t n,
    unsigned char sum[TREESUM_LANES][TREESUM_LEN])
{
	lanes h[8], w[16];
	uint32_t v;
	unsigned i, l;
	size_t at;

	for (i = 0; i < 8; i++)
		h[i] = start[i] + (lanes){ 0 };
	for (at = 0; at < n; at += 64) {
		for (l = 0; l < TREESUM_LANES; l++) {
			memcpy(&w[l], run[l] + at, sizeof(w[l]));
			memcpy(&w[8 + l], run[l] + at + 32, sizeof(w[l]));
		}
		turn(w);
		turn(w + 8);
		for (i = 0; i < 16; i++)
			w[i] = w[i] << 24 | (w[i] & 0xff00) << 8 |
			    (w[i] >> 8 & 0xff00) | w[i] >> 24;
		block(h, w);
	}
	/* The padding is a block of its own: n is whole blocks. */
	for (i = 0; i < 16; i++)
		w[i] = (lanes){ 0 };
	w[0] += 0x80000000U;
	w[14] += (uint32_t)((uint64_t)n * 8 >> 32);
	w[15] += (uint32_t)(n * 8);
	block(h, w);
	for (l = 0; l < TREESUM_LANES; l++)
		for (i = 0; i < 8; i++) {
			v = __builtin_bswap32(h[i][l]);
			memcpy(sum[l] + 4 * i, &v, 4);
		}
}

#ifdef __x86_64__
static __attribute__((target("avx2"))) void
all_avx2(const unsigned char *const run[TREESUM_LANES], size_t n,
    unsigned char sum[TREESUM_LANES][TREESUM_LEN])
{
	all(run, n, sum);
}
#endif

void
treesum_lanes(const unsigned char *const run[TREESUM_LANES], size_t n,
    unsigned char sum[TREESUM_LANES][TREESUM_LEN])
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("avx2")) {
		all_avx2(run, n, sum);
		return;
	}
#endif
	all(run, n, sum);
}

struct work {
	int		 fd;
	uint64_t	 from, to, pieces;
	unsigned char	(*sums)[TREESUM_LEN];
	atomic_uint_fast64_t next;	/* piece, a multiple of the lanes */
	atomic_int	 bad;		/* errno; -1: the file ends before */
};

static void
one(const unsigned char *p, size_t n, unsigned char *sum)
{
	struct sha256_ctx c;

	sha256_init(&c);
	sha256_update(&c, n, p);
	sha256_digest(&c, TREESUM_LEN, sum);
}

static int
whole(int fd, unsigned char *p, size_t n, uint64_t at)
{
	ssize_t got;

	while (n > 0) {
		got = pread(fd, p, n, (off_t)at);
		if (got == -1 && errno == EINTR)
			continue;
		if (got <= 0)
			return got == 0 ? -1 : errno;
		p += got;
		n -= (size_t)got;
		at += (uint64_t)got;
	}
	return 0;
}

static void *
worker(void *arg)
{
	const unsigned char *run[TREESUM_LANES];
	unsigned char *p = malloc(TREESUM_LANES * TREESUM_PIECE);
	struct work *w = arg;
	uint64_t i, at;
	size_t n, k;
	int bad;

	if (p == NULL)
		w->bad = ENOMEM;
	while (w->bad == 0 && (i = atomic_fetch_add(&w->next,
	    TREESUM_LANES)) < w->pieces) {
		at = w->from + i * TREESUM_PIECE;
		n = TREESUM_LANES * TREESUM_PIECE;
		if (w->to - at < n)
			n = (size_t)(w->to - at);
		if ((bad = whole(w->fd, p, n, at)) != 0) {
			w->bad = bad;
			break;
		}
		if (n == TREESUM_LANES * TREESUM_PIECE) {
			for (k = 0; k < TREESUM_LANES; k++)
				run[k] = p + k * TREESUM_PIECE;
			treesum_lanes(run, TREESUM_PIECE, w->sums + i);
			continue;
		}
		for (k = 0; k < n; k += TREESUM_PIECE)
			one(p + k, n - k < TREESUM_PIECE ? n - k :
			    TREESUM_PIECE, w->sums[i + k / TREESUM_PIECE]);
	}
	free(p);
	return NULL;
}

int
treesum_file(int fd, uint64_t from, uint64_t to,
    unsigned char sum[TREESUM_LEN], struct fail *f)
{
	struct work w = { .fd = fd, .from = from, .to = to };
	pthread_t thread[THREADS_MAX];
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned n = 0;

	w.pieces = (to - from + TREESUM_PIECE - 1) / TREESUM_PIECE;
	/* One more: an empty stretch has a sum, too. */
	w.sums = calloc(w.pieces + 1, TREESUM_LEN);
	if (w.sums == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	/* This thread is one of them; for a small file it is the only one. */
	while (n + 1 < THREADS_MAX && (long)n + 1 < cpus &&
	    (n + 1) * TREESUM_LANES < w.pieces &&
	    pthread_create(&thread[n], NULL, worker, &w) == 0)
		n++;
	worker(&w);
	while (n > 0)
		pthread_join(thread[--n], NULL);
	if (w.bad == 0)
		one(w.sums[0], w.pieces * TREESUM_LEN, sum);
	free(w.sums);
	if (w.bad == 0)
		return 0;
	if (w.bad == -1)
		return fail_set(f, EX_DATAERR, "cut short");
	if (w.bad == ENOMEM)
		return fail_set(f, EX_OSERR, "out of memory");
	errno = w.bad;
	return fail_sys(f, EX_IOERR, "reading");
}
