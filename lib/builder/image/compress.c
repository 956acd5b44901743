#include <pthread.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include <zstd.h>

#include "builder/image/compress.h"

#define THREADS_MAX	8
#define LEVEL		3	/* zstd's default, as qemu-img has it */

struct compressor {
	size_t		 size;
	struct cluster	 batch[COMPRESS_BATCH];
	unsigned	 n;
	pthread_t	 thread[THREADS_MAX];
	unsigned	 threads;
	pthread_mutex_t	 lock;
	pthread_cond_t	 start, end;
	unsigned	 next, busy, turn;
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
	unsigned turn = 0, i;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		while (p->turn == turn && !p->quit)
			pthread_cond_wait(&p->start, &p->lock);
		if (p->quit)
			break;
		turn = p->turn;
		while (p->next < p->n) {
			i = p->next++;
			pthread_mutex_unlock(&p->lock);
			/* Without memory clusters are merely not packed. */
			if (z != NULL)
				pack(z, &p->batch[i], p->size);
			else
				p->batch[i].packed = 0;
			pthread_mutex_lock(&p->lock);
		}
		if (--p->busy == 0)
			pthread_cond_signal(&p->end);
	}
	pthread_mutex_unlock(&p->lock);
	ZSTD_freeCCtx(z);
	return NULL;
}

struct compressor *
compressor_new(size_t size, struct cluster **batch, struct fail *f)
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
	pthread_cond_init(&p->start, NULL);
	pthread_cond_init(&p->end, NULL);
	for (i = 0; i < COMPRESS_BATCH; i++) {
		p->batch[i].in = malloc(size);
		p->batch[i].out = malloc(ZSTD_compressBound(size));
		if (p->batch[i].in == NULL || p->batch[i].out == NULL)
			goto fail;
	}
	if (cpus < 1)
		cpus = 1;
	while (p->threads < THREADS_MAX && p->threads < (unsigned long)cpus &&
	    pthread_create(&p->thread[p->threads], NULL, worker, p) == 0)
		p->threads++;
	if (p->threads == 0)
		goto fail;
	*batch = p->batch;
	return p;
fail:
	compressor_free(p);
	fail_set(f, EX_OSERR, "out of memory");
	return NULL;
}

void
compressor_run(struct compressor *p, unsigned n)
{
	pthread_mutex_lock(&p->lock);
	p->n = n;
	p->next = 0;
	p->busy = p->threads;
	p->turn++;
	pthread_cond_broadcast(&p->start);
	while (p->busy != 0)
		pthread_cond_wait(&p->end, &p->lock);
	pthread_mutex_unlock(&p->lock);
}

void
compressor_free(struct compressor *p)
{
	unsigned i;

	if (p == NULL)
		return;
	pthread_mutex_lock(&p->lock);
	p->quit = true;
	pthread_cond_broadcast(&p->start);
	pthread_mutex_unlock(&p->lock);
	for (i = 0; i < p->threads; i++)
		pthread_join(p->thread[i], NULL);
	for (i = 0; i < COMPRESS_BATCH; i++) {
		free(p->batch[i].in);
		free(p->batch[i].out);
	}
	pthread_cond_destroy(&p->start);
	pthread_cond_destroy(&p->end);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
