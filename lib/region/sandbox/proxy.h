#ifndef TL_REGION_PROXY_H
#define TL_REGION_PROXY_H

#include <stdbool.h>

#include "region/sandbox/sandboxes.h"
#include "region/serve/keys.h"
#include "region/serve/serve.h"

/*
 * The way into a sandbox: tl-wire(7), "Sandbox proxy", "Processes",
 * "Error documents", "Files of a sandbox" and "Signing", on /api/v1/.
 * Processes, their output, files, health; blob/sign is passed on to the
 * dataplane.
 */
bool	proxy_path(const struct serve_request *);
/*
 * The four steps of serve.h.  begin() finds the caller's sandbox and answers
 * 400, 404 or 503 if it cannot be used.
 */
void	proxy_begin(struct serve_request *, struct sandboxes *,
	    const struct key *);
void	proxy_body(struct serve_request *, const char *, size_t);
void	proxy_done(struct serve_request *);
void	proxy_gone(struct serve_request *);

/* What tl-fault(7) calls it. */
void	 proxy_name(const struct serve_request *, char *, size_t);

#endif
