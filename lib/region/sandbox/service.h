#ifndef TL_REGION_SERVICE_H
#define TL_REGION_SERVICE_H

#include "region/sandbox/sandboxes.h"
#include "region/serve/keys.h"
#include "region/serve/serve.h"

/*
 * The sandbox service over HTTP: whoever has a key, to the lifecycle or, by
 * the proxy, into a sandbox.
 */
struct service {
	struct keys		*keys;
	struct sandboxes	*sandboxes;
};

/* For serve_options; arg is the struct service. */
extern const struct serve_ops service_ops;

#endif
