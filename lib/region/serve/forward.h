#ifndef TL_REGION_FORWARD_H
#define TL_REGION_FORWARD_H

#include "region/serve/pool.h"
#include "region/serve/serve.h"

/* The most that is passed on of a request: it is a small JSON text. */
#define FORWARD_MAX	(1UL << 20)

/*
 * Give a request whose body was kept to another server, by its target as it
 * came, and answer with what that one says.  Who is asking goes with it: the
 * Authorization and X-Forwarded-* headers; nothing else of the request's
 * connection does.  No answer from there is a 502.
 */
void	forward_request(struct pool *, const char *base_url,
	    struct serve_request *);

#endif
