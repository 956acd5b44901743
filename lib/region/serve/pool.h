#ifndef TL_REGION_POOL_H
#define TL_REGION_POOL_H

#include "core/fail.h"
#include "core/http.h"

/*
 * HTTP clients for the threads of a server: each is used by one thread at a
 * time, and keeps its connections for the next.
 */
struct pool;

struct pool	*pool_new(struct fail *);
void		 pool_free(struct pool *);

/* One for this thread alone, until pool_give(). */
struct http	*pool_take(struct pool *, struct fail *);
void		 pool_give(struct pool *, struct http *);

#endif
