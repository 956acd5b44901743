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
#define FEW		8	/* pieces: no work for one more thread */

struct work {
	int		 fd;
	uint64_t	 from, to, pieces;
	unsigned char	(*sums)[TREESUM_LEN];
	atomic_uint_fast64_t next;	/* piece */
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
	unsigned char *p = malloc(TREESUM_PIECE);
	struct work *w = arg;
	uint64_t i, at;
	size_t n;
	int bad;

	if (p == NULL)
		w->bad = ENOMEM;
	while (w->bad == 0 && (i = atomic_fetch_add(&w->next, 1)) <
	    w->pieces) {
		at = w->from + i * TREESUM_PIECE;
		n = w->to - at < TREESUM_PIECE ? (size_t)(w->to - at) :
		    TREESUM_PIECE;
		if ((bad = whole(w->fd, p, n, at)) != 0) {
			w->bad = bad;
			break;
		}
		one(p, n, w->sums[i]);
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
	    (n + 1) * FEW < w.pieces &&
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
