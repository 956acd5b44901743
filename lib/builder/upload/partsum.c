#include <nettle/md5.h>
#include <nettle/sha2.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "builder/upload/partsum.h"
#include "core/clock.h"

#define THREADS_MAX	4	/* more would have no part to do */
#define STEP	(128UL << 10)	/* bytes read at a time: they fit a cache */

/* What was asked for. */
struct asked {
	size_t		 k;
	uint64_t	 at, len;
};

struct partsum {
	int		 fd;
	uint64_t	 size;		/* of the whole, once it is asked for */
	pthread_t	 thread[THREADS_MAX + 1];	/* and the whole's */
	unsigned	 threads;
	pthread_mutex_t	 lock;
	pthread_cond_t	 moved;		/* a sum more, or a part more to do */
	unsigned char	 (*sums)[PARTSUM_LEN];	/* its thread's until known */
	unsigned char	 whole[PARTSUM_WHOLE_LEN];	/* likewise */
	/* Under the lock. */
	bool		*known;		/* by part */
	struct asked	*asked;		/* room for all parts */
	size_t		 next;		/* the next of them that no thread has */
	size_t		 nasked;
	bool		 whole_known;
	bool		 stop, failed;
	struct fail	 f;
};

static int
stopping(struct partsum *s, struct fail *f)
{
	bool stop;

	pthread_mutex_lock(&s->lock);
	stop = s->stop;
	pthread_mutex_unlock(&s->lock);
	return stop ? fail_set(f, EX_TEMPFAIL, "stopped") : 0;
}

static int
read_at(struct partsum *s, unsigned char *p, size_t n, uint64_t at,
    struct fail *f)
{
	ssize_t got;

	while (n > 0) {
		got = pread(s->fd, p, n, (off_t)at);
		if (got == -1)
			return fail_sys(f, EX_IOERR, "reading");
		if (got == 0)
			return fail_set(f, EX_DATAERR,
			    "it became shorter while it was read");
		p += got;
		n -= (size_t)got;
		at += (uint64_t)got;
	}
	return 0;
}

static int
sum_one(struct partsum *s, const struct asked *a, unsigned char *buf,
    struct fail *f)
{
	uint64_t at = a->at, end = at + a->len;
	struct md5_ctx md5;
	size_t n;

	md5_init(&md5);
	for (; at < end; at += n) {
		n = end - at < STEP ? (size_t)(end - at) : STEP;
		if (stopping(s, f) == -1 || read_at(s, buf, n, at, f) == -1)
			return -1;
		md5_update(&md5, n, buf);
	}
	md5_digest(&md5, PARTSUM_LEN, s->sums[a->k]);
	return 0;
}

/* The next part to do, or -1: none is wanted any more. */
static int
take(struct partsum *s, struct asked *a)
{
	int r = -1;

	pthread_mutex_lock(&s->lock);
	while (s->next == s->nasked && !s->stop && !s->failed)
		pthread_cond_wait(&s->moved, &s->lock);
	if (!s->stop && !s->failed) {
		*a = s->asked[s->next++];
		r = 0;
	}
	pthread_mutex_unlock(&s->lock);
	return r;
}

/* Something has been computed, if r is 0. */
static void
done(struct partsum *s, bool *known, int r, const struct fail *f)
{
	pthread_mutex_lock(&s->lock);
	if (r == 0)
		*known = true;
	else if (!s->failed) {
		s->failed = true;
		s->f = *f;
	}
	pthread_cond_broadcast(&s->moved);
	pthread_mutex_unlock(&s->lock);
}

static void *
run(void *arg)
{
	struct partsum *s = arg;
	unsigned char *buf = malloc(STEP);
	struct fail f = { 0 };
	struct asked a;
	int r = 0;

	if (buf == NULL) {
		r = fail_set(&f, EX_OSERR, "out of memory");
		done(s, NULL, r, &f);
	}
	while (r == 0 && take(s, &a) == 0) {
		r = sum_one(s, &a, buf, &f);
		done(s, &s->known[a.k], r, &f);
	}
	free(buf);
	return NULL;
}

static void *
run_whole(void *arg)
{
	struct partsum *s = arg;
	unsigned char *buf = malloc(STEP);
	struct sha256_ctx sha;
	struct fail f = { 0 };
	uint64_t at;
	size_t n;
	int r = 0;

	if (buf == NULL)
		r = fail_set(&f, EX_OSERR, "out of memory");
	sha256_init(&sha);
	for (at = 0; r == 0 && at < s->size; at += n) {
		n = s->size - at < STEP ? (size_t)(s->size - at) : STEP;
		if ((r = stopping(s, &f)) == 0 &&
		    (r = read_at(s, buf, n, at, &f)) == 0)
			sha256_update(&sha, n, buf);
	}
	sha256_digest(&sha, PARTSUM_WHOLE_LEN, s->whole);
	free(buf);
	done(s, &s->whole_known, r, &f);
	return NULL;
}

/* One for each processor that this process may use. */
static unsigned
cores(void)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof(set), &set) == 0 ?
	    CPU_COUNT(&set) : 1;

	return n < THREADS_MAX ? (unsigned)n : THREADS_MAX;
}

/* Signals are for the thread that can act on them, which is none of these. */
static bool
start(struct partsum *s, void *(*what)(void *))
{
	sigset_t all, old;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&s->thread[s->threads], NULL, what, s);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	s->threads += r == 0;
	return r == 0;
}

static int
lacking(struct fail *f)
{
	return fail_set(f, EX_OSERR, "no memory or thread for the checksums");
}

struct partsum *
partsum_start(int fd, size_t parts, struct fail *f)
{
	struct partsum *s = calloc(1, sizeof(*s));
	unsigned n = cores();

	if (s == NULL) {
		lacking(f);
		return NULL;
	}
	s->fd = fd;
	pthread_mutex_init(&s->lock, NULL);
	clock_cond_init(&s->moved);
	s->sums = calloc(parts, sizeof(*s->sums));
	s->known = calloc(parts, sizeof(*s->known));
	s->asked = calloc(parts, sizeof(*s->asked));
	if (s->sums != NULL && s->known != NULL && s->asked != NULL)
		while (s->threads < n && s->threads < parts && start(s, run))
			continue;
	/* Fewer do it, too. */
	if (s->threads > 0)
		return s;
	partsum_free(s);
	lacking(f);
	return NULL;
}

void
partsum_ask(struct partsum *s, size_t k, uint64_t at, uint64_t len)
{
	pthread_mutex_lock(&s->lock);
	s->asked[s->nasked++] = (struct asked){ k, at, len };
	pthread_cond_broadcast(&s->moved);
	pthread_mutex_unlock(&s->lock);
}

int
partsum_ask_whole(struct partsum *s, uint64_t size, struct fail *f)
{
	s->size = size;
	return start(s, run_whole) ? 0 : lacking(f);
}

int
partsum_get(struct partsum *s, size_t k, int wait_ms,
    unsigned char md5[PARTSUM_LEN], struct fail *f)
{
	int64_t until = clock_ms() + wait_ms;
	int r = 0;

	pthread_mutex_lock(&s->lock);
	while (!s->known[k] && !s->failed && wait_ms > 0 &&
	    clock_cond_wait(&s->moved, &s->lock, until))
		;
	if (s->known[k]) {
		memcpy(md5, s->sums[k], PARTSUM_LEN);
		r = 1;
	} else if (s->failed) {
		*f = s->f;
		r = -1;
	}
	pthread_mutex_unlock(&s->lock);
	return r;
}

int
partsum_whole(struct partsum *s, unsigned char sum[PARTSUM_WHOLE_LEN],
    struct fail *f)
{
	int r = 0;

	pthread_mutex_lock(&s->lock);
	while (!s->whole_known && !s->failed)
		pthread_cond_wait(&s->moved, &s->lock);
	if (s->whole_known)
		memcpy(sum, s->whole, PARTSUM_WHOLE_LEN);
	else {
		*f = s->f;
		r = -1;
	}
	pthread_mutex_unlock(&s->lock);
	return r;
}

void
partsum_free(struct partsum *s)
{
	unsigned i;

	if (s == NULL)
		return;
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_broadcast(&s->moved);
	pthread_mutex_unlock(&s->lock);
	for (i = 0; i < s->threads; i++)
		pthread_join(s->thread[i], NULL);
	pthread_cond_destroy(&s->moved);
	pthread_mutex_destroy(&s->lock);
	free(s->asked);
	free(s->sums);
	free(s->known);
	free(s);
}
