#include <nettle/md5.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "builder/upload/partsum.h"
#include "core/clock.h"

#define AHEAD	4		/* parts beyond the highest one asked for */
#define STEP	(128UL << 10)	/* bytes read at a time: they fit a cache */

struct partsum {
	int		 fd;
	uint64_t	 size, part, count;
	pthread_t	 thread;
	pthread_mutex_t	 lock;
	pthread_cond_t	 moved;		/* a sum more, or a part more to do */
	unsigned char	 (*sums)[PARTSUM_LEN];	/* the thread's, up to done */
	/* Under the lock. */
	uint64_t	 done;		/* sums known: parts 0 to done - 1 */
	uint64_t	 wanted;	/* compute up to here */
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
sum_one(struct partsum *s, uint64_t k, unsigned char *buf, struct fail *f)
{
	uint64_t at = k * s->part, end = (k + 1) * s->part;
	struct md5_ctx md5;
	size_t n;

	if (end > s->size)
		end = s->size;
	md5_init(&md5);
	for (; at < end; at += n) {
		n = end - at < STEP ? (size_t)(end - at) : STEP;
		if (stopping(s, f) == -1 || read_at(s, buf, n, at, f) == -1)
			return -1;
		md5_update(&md5, n, buf);
	}
	md5_digest(&md5, PARTSUM_LEN, s->sums[k]);
	return 0;
}

static void *
run(void *arg)
{
	struct partsum *s = arg;
	unsigned char *buf = malloc(STEP);
	struct fail f = { 0 };
	uint64_t k = 0;
	int n = 0;

	if (buf == NULL)
		n = fail_set(&f, EX_OSERR, "out of memory");
	while (n != -1 && k < s->count) {
		pthread_mutex_lock(&s->lock);
		while (k >= s->wanted && !s->stop)
			pthread_cond_wait(&s->moved, &s->lock);
		if (s->stop)
			n = -1;
		pthread_mutex_unlock(&s->lock);
		if (n == -1 || (n = sum_one(s, k, buf, &f)) == -1)
			break;
		pthread_mutex_lock(&s->lock);
		s->done = ++k;
		pthread_cond_broadcast(&s->moved);
		pthread_mutex_unlock(&s->lock);
	}
	free(buf);
	pthread_mutex_lock(&s->lock);
	if (n == -1) {
		s->failed = true;
		s->f = f;
	}
	pthread_cond_broadcast(&s->moved);
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

struct partsum *
partsum_start(int fd, uint64_t size, uint64_t part, struct fail *f)
{
	struct partsum *s = calloc(1, sizeof(*s));
	sigset_t all, old;
	int r;

	if (s == NULL)
		goto memory;
	s->fd = fd;
	s->size = size;
	s->part = part;
	s->count = size == 0 ? 1 : (size - 1) / part + 1;
	s->wanted = AHEAD;
	if ((s->sums = calloc(s->count, sizeof(*s->sums))) == NULL)
		goto memory;
	pthread_mutex_init(&s->lock, NULL);
	clock_cond_init(&s->moved);

	/* Signals are for the thread that can act on them. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&s->thread, NULL, run, s);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r == 0)
		return s;
	pthread_cond_destroy(&s->moved);
	pthread_mutex_destroy(&s->lock);
memory:
	if (s != NULL)
		free(s->sums);
	free(s);
	fail_set(f, EX_OSERR, "no memory or thread for the checksums");
	return NULL;
}

int
partsum_get(struct partsum *s, uint64_t k, int wait_ms,
    unsigned char md5[PARTSUM_LEN], struct fail *f)
{
	int64_t until = clock_ms() + wait_ms;
	int r = 0;

	pthread_mutex_lock(&s->lock);
	if (k + AHEAD > s->wanted) {
		s->wanted = k + AHEAD;
		pthread_cond_broadcast(&s->moved);
	}
	while (s->done <= k && !s->failed && wait_ms > 0 &&
	    clock_cond_wait(&s->moved, &s->lock, until))
		;
	if (s->done > k) {
		memcpy(md5, s->sums[k], PARTSUM_LEN);
		r = 1;
	} else if (s->failed) {
		*f = s->f;
		r = -1;
	}
	pthread_mutex_unlock(&s->lock);
	return r;
}

void
partsum_free(struct partsum *s)
{
	if (s == NULL)
		return;
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_broadcast(&s->moved);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	pthread_cond_destroy(&s->moved);
	pthread_mutex_destroy(&s->lock);
	free(s->sums);
	free(s);
}
