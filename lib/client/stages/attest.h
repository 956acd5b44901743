#ifndef TL_CLIENT_ATTEST_H
#define TL_CLIENT_ATTEST_H

#include "client/cloud/cloud.h"
#include "client/cloud/retry.h"
#include "client/sandbox/sandbox.h"
#include "client/stages/prepared.h"
#include "core/http.h"

/*
 * The dataplane's receipt for an uploaded snapshot, asked for through the
 * sandbox's proxy (tl-wire(7), "Attest").  It is opaque: what it says is
 * between the dataplane and the server that completes the build.
 */
#define ATTEST_PATH	"/api/v1/blob/attest"

struct attest {
	struct http		*http;
	const struct cloud	*cloud;
	const struct sandbox	*sandbox;
	struct patience		*patience;	/* NULL: none */
	/* Told in a line what is done.  May be NULL. */
	void			(*note)(const char *);
	/* Told what is likely to fail later.  May be NULL. */
	void			(*doubt)(const char *);
};

/* The request's body: one of the two is given, the other NULL. */
int	attest_body(struct buf *, const char *rel_path, const char *uri,
	    struct fail *);

/*
 * Ask for the object at rel_path, or where it is NULL at uri; the attested
 * document goes onto out, the receipt's bytes in it as they came.  A server
 * that knows no such address (404, 405) is an older one, and a sandbox that is
 * gone has nobody to ask: the document is {} then, and the build can go on.
 */
int	attest_ask(const struct attest *, const char *rel_path,
	    const char *uri, struct buf *out, struct fail *);

/*
 * The receipt in an attested document: at is NULL without one.  EX_DATAERR if
 * it is no such document.
 */
int	attest_block(const struct span *doc, struct span *block,
	    struct fail *);

#endif
