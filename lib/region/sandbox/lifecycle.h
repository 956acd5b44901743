#ifndef TL_REGION_LIFECYCLE_H
#define TL_REGION_LIFECYCLE_H

#include <stdbool.h>

#include "region/sandbox/sandboxes.h"
#include "region/serve/keys.h"
#include "region/serve/serve.h"

/*
 * Creating, showing and deleting sandboxes: tl-wire(7), "Sandbox lifecycle",
 * on /v1/namespaces/{ns}/sandboxes and /sandboxes.
 */
#define LIFECYCLE_BODY_MAX	(64U << 10)

/* Whether a path is one of its. */
bool	lifecycle_path(const struct serve_request *);
/* Answer a whole request of this caller. */
void	lifecycle_done(struct serve_request *, struct sandboxes *,
	    const struct key *);

#endif
