#include <pthread.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include <zstd.h>

#include "builder/image/compress.h"

#define THREADS_MAX	8
#define LEVEL		3	/* zstd's default, as qemu-img has it */
#define RING		64	/* clusters on their way: 8 MB in and out */
#define BATCH		8	/* so many wake a thread: waking costs, too */

/*
 * A ring: the caller fills at given, the threads take up from begun on, the
 * caller takes back at taken.  These only grow.  Threads that wait are woken once
 * there is a batch for them, or the caller waits itself.
 */
struct compressor {
	size_t		 size;
	struct slot {
		struct cluster	 c;
		bool		 ready;
	}		 ring[RING];
	pthread_t	 thread[THREADS_MAX];
	unsigned	 threads, idle;
	pthread_mutex_t	 lock;
	pthread_cond_t	 work, ready;
	uint64_t	 given, begun, taken;
	bool		 quit;
};

static void
pack(ZSTD_CCtx *z, struct cluster *c, size_t size)
{
	size_t n;

	c->packed = 0;
	if (c->zero)
		return;
	n = ZSTD_compress2(z, c->out, ZSTD_compressBound(size), c->in, size);
	if (!ZSTD_isError(n))
		c->packed = n;
}

/* Every frame ends with a checksum of what was put in (RFC 8878, 3.1.1). */
static ZSTD_CCtx *
packer(void)
{
	ZSTD_CCtx *z = ZSTD_createCCtx();

	if (z != NULL && (ZSTD_isError(ZSTD_CCtx_setParameter(z,
	    ZSTD_c_compressionLevel, LEVEL)) ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(z, ZSTD_c_checksumFlag, 1)))) {
		ZSTD_freeCCtx(z);
		z = NULL;
	}
	return z;
}

static void *
worker(void *arg)
{
	struct compressor *p = arg;
	ZSTD_CCtx *z = packer();
	struct slot *s;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		while (p->begun == p->given && !p->quit) {
			p->idle++;
			pthread_cond_wait(&p->work, &p->lock);
			p->idle--;
		}
		if (p->quit)
			break;
		s = &p->ring[p->begun++ % RING];
		pthread_mutex_unlock(&p->lock);
		/* Without memory clusters are merely not packed. */
		if (z != NULL)
			pack(z, &s->c, p->size);
		else
			s->c.packed = 0;
		pthread_mutex_lock(&p->lock);
		s->ready = true;
		if (s == &p->ring[p->taken % RING])
			pthread_cond_signal(&p->ready);
	}
	pthread_mutex_unlock(&p->lock);
	ZSTD_freeCCtx(z);
	return NULL;
}

struct compressor *
compressor_new(size_t size, struct fail *f)
{
	struct compressor *p = calloc(1, sizeof(*p));
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned i;

	if (p == NULL) {
		fail_set(f, EX_OSERR, "out of memory");
		return NULL;
	}
	p->size = size;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	pthread_cond_init(&p->ready, NULL);
	for (i = 0; i < RING; i++) {
		p->ring[i].c.in = malloc(size);
		p->ring[i].c.out = malloc(ZSTD_compressBound(size));
		if (p->ring[i].c.in == NULL || p->ring[i].c.out == NULL)
			goto fail;
	}
	if (cpus < 1)
		cpus = 1;
	while (p->threads < THREADS_MAX && p->threads < (unsigned long)cpus &&
	    pthread_create(&p->thread[p->threads], NULL, worker, p) == 0)
		p->threads++;
	if (p->threads == 0)
		goto fail;
	return p;
fail:
	compressor_free(p);
	fail_set(f, EX_OSERR, "out of memory");
	return NULL;
}

struct cluster *
compressor_next(struct compressor *p)
{
	/* Only this thread changes these. */
	return p->given - p->taken == RING ? NULL : &p->ring[p->given % RING].c;
}

void
compressor_give(struct compressor *p)
{
	pthread_mutex_lock(&p->lock);
	p->ring[p->given++ % RING].ready = false;
	if (p->idle > 0 && p->given - p->begun >= BATCH)
		pthread_cond_signal(&p->work);
	pthread_mutex_unlock(&p->lock);
}

struct cluster *
compressor_take(struct compressor *p)
{
	struct slot *s = &p->ring[p->taken % RING];

	if (p->taken == p->given)
		return NULL;
	pthread_mutex_lock(&p->lock);
	while (!s->ready) {
		if (p->idle > 0 && p->begun != p->given)
			pthread_cond_broadcast(&p->work);
		pthread_cond_wait(&p->ready, &p->lock);
	}
	p->taken++;
	pthread_mutex_unlock(&p->lock);
	return &s->c;
}

void
compressor_free(struct compressor *p)
{
	unsigned i;

	if (p == NULL)
		return;
	pthread_mutex_lock(&p->lock);
	p->quit = true;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	for (i = 0; i < p->threads; i++)
		pthread_join(p->thread[i], NULL);
	for (i = 0; i < RING; i++) {
		free(p->ring[i].c.in);
		free(p->ring[i].c.out);
	}
	pthread_cond_destroy(&p->work);
	pthread_cond_destroy(&p->ready);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
