#include <pthread.h>
#include <stdlib.h>
#include <sysexits.h>

#include "region/serve/pool.h"

/* What is kept for a lull; a burst of requests may use more. */
#define POOL_KEEP	16

struct pool {
	pthread_mutex_t	 lock;
	struct http	*idle[POOL_KEEP];
	unsigned	 n;
};

struct pool *
pool_new(struct fail *f)
{
	struct pool *p = calloc(1, sizeof(*p));

	if (p == NULL) {
		fail_set(f, EX_OSERR, "out of memory");
		return NULL;
	}
	pthread_mutex_init(&p->lock, NULL);
	return p;
}

void
pool_free(struct pool *p)
{
	if (p == NULL)
		return;
	while (p->n > 0)
		http_free(p->idle[--p->n]);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

struct http *
pool_take(struct pool *p, struct fail *f)
{
	struct http *h = NULL;

	pthread_mutex_lock(&p->lock);
	if (p->n > 0)
		h = p->idle[--p->n];
	pthread_mutex_unlock(&p->lock);
	return h != NULL ? h : http_new(f);
}

void
pool_give(struct pool *p, struct http *h)
{
	if (h == NULL)
		return;
	pthread_mutex_lock(&p->lock);
	if (p->n < POOL_KEEP) {
		p->idle[p->n++] = h;
		h = NULL;
	}
	pthread_mutex_unlock(&p->lock);
	http_free(h);
}
