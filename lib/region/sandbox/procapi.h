#ifndef TL_REGION_PROCAPI_H
#define TL_REGION_PROCAPI_H

#include "region/sandbox/sandbox.h"
#include "region/serve/serve.h"

/*
 * The processes of a sandbox over HTTP: tl-wire(7), "Processes".  Everything
 * on /api/v1/processes, the seed's stdout and stderr as well as the event
 * streams.
 */
#define PROCAPI_BODY_MAX	(1U << 20)

/* Answer a whole request; false if the path is none of its. */
bool	procapi_done(struct serve_request *, struct sandbox *);

#endif
