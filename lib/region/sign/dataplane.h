#ifndef TL_REGION_DATAPLANE_H
#define TL_REGION_DATAPLANE_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>

#include "region/serve/serve.h"

/*
 * POST /api/v1/blob/sign (tl-wire(7), "Signing"), behind a proxy that has
 * authenticated the caller and names the sandbox in X-Tensorlake-Sandbox-Id.
 *
 * POST /api/v1/blob/release {"rel_path": PATH} aborts every multipart
 * upload that is open at a path of the sandbox's project; {"released": N} says
 * how many.  It is for sandboxes that have ended: SANDBOXES/ID/ended.json is
 * what owner.json was.
 *
 * POST /api/v1/blob/attest {"rel_path": PATH} or {"uri": URI} is answered with
 * a receipt for the object at a path of the sandbox's project, as it is now
 * (region/sign/receipt.h).  Without a key for receipts there is no such
 * address: 404.
 *
 * Each request is answered from the files as they are then: the configuration,
 * whose credentials may have been renewed, and SANDBOXES/ID/owner.json.  So
 * there is no state, and any number of these may run.
 */
#define DATAPLANE_SIGN		"/api/v1/blob/sign"
#define DATAPLANE_ATTEST	"/api/v1/blob/attest"
#define DATAPLANE_RELEASE	"/api/v1/blob/release"
#define DATAPLANE_SANDBOX	"X-Tensorlake-Sandbox-Id"

#define DATAPLANE_UIDS_MAX	16

struct dataplane {
	const char	*config;	/* path of signer.conf */
	const char	*attest_key;	/* path; or NULL */
	const char	*sandboxes;	/* folder with ID/owner.json */
	uid_t		 uids[DATAPLANE_UIDS_MAX];	/* who may connect */
	size_t		 nuids;
	bool		 verbose;	/* say each exchange with the store */
};

/* For serve_options; arg is the struct dataplane. */
extern const struct serve_ops dataplane_ops;

#endif
