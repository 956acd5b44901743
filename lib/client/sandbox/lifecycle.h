#ifndef TL_CLIENT_LIFECYCLE_H
#define TL_CLIENT_LIFECYCLE_H

#include <stdbool.h>
#include <stdint.h>

#include "client/cloud/exchange.h"
#include "core/buf.h"
#include "core/span.h"

/*
 * A sandbox from its creation to its end (tl-wire(7), "Sandbox lifecycle"),
 * and the document that says what is known of it.
 *
 * The strings are malloc'ed, NULL where nothing is known.  Start one with
 * LIFECYCLE_INIT, end it with lifecycle_free(), which may be called twice.
 */
struct lifecycle {
	char		*id;
	char		*ns;
	char		*status;	/* as last seen */
	char		*proxy_url;
	/*
	 * Where older servers put it.  Counts only if no sandbox_url comes,
	 * so until it runs it is kept apart (tl-wire(7), "Proxy address").
	 */
	char		*ingress;
	char		*route_hint;
	char		*image;
	char		*build_id;
	double		 cpus;
	uint64_t	 memory_mb;
	uint64_t	 disk_mb;
	bool		 maybe;		/* create failed; one may be there */
	bool		 gone;		/* it has ended, or nobody knows it */
};

#define LIFECYCLE_INIT	{ .id = NULL }

#define LIFECYCLE_CPUS_MAX	4096
#define LIFECYCLE_LEASE_S	300	/* renewed by any request to its proxy */

void	lifecycle_free(struct lifecycle *);

/* The document.  Reading: EX_DATAERR; on failure nothing is held. */
int	lifecycle_read(struct lifecycle *, const struct span *, struct fail *);
int	lifecycle_write(const struct lifecycle *, struct buf *, struct fail *);

/* What create asks for, in one line: image, sizes, life. */
int	lifecycle_body(const struct lifecycle *, struct buf *, struct fail *);
/* Image and sizes out of such a line. */
int	lifecycle_unbody(struct lifecycle *, const char *, struct fail *);

/*
 * Create one with the image and the sizes that are set, under an idempotency
 * key; id, status and what else the answer says are filled.  A lost answer is
 * asked for again under the same key.  A server that does not know the key
 * makes a second one then; the first, whose id nobody knows and nobody pings,
 * ends by itself after LIFECYCLE_LEASE_S.  A signal leaves it some seconds to
 * answer, so that the id is not lost.  An id that is there after a failure is
 * of a sandbox to be deleted; without one, maybe says whether there may be a
 * sandbox all the same.
 */
int	lifecycle_create(struct exchange *, struct lifecycle *,
	    const char *key, struct fail *);

/*
 * Ask how it is, and note it.  EX_TEMPFAIL if that may be better in a while
 * (tl-wire(7), "Transient answers", and no connection); EX_UNAVAILABLE if it
 * is gone.
 */
int	lifecycle_get(struct exchange *, struct lifecycle *, struct fail *);
/* The same for whoever waits for the answer only so long. */
int	lifecycle_ask(struct exchange *, struct lifecycle *, long timeout_ms,
	    struct fail *);

/*
 * Delete it, trying for some seconds: 0, or 1 if it is not there, which is
 * believed if it is not there to be looked at, either.  To another project's
 * credential none is.
 */
int	lifecycle_delete(struct exchange *, const char *id, unsigned timeout_s,
	    struct fail *);

#endif
