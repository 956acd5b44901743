#ifndef TL_CLIENT_COMPLETE_H
#define TL_CLIENT_COMPLETE_H

#include "client/cloud/cloud.h"
#include "client/ledger/ledger.h"
#include "client/stages/metadata.h"
#include "core/http.h"

/*
 * The uri in a signed document's upload block, malloc'ed, or NULL if there is
 * none.  A document that does not belong to such a prepared answer (an upload
 * on the legacy path, none on the new one) is EX_DATAERR.
 */
int	complete_signed_uri(const struct prepared *,
	    const struct span *signed_doc, char **uri, struct fail *);

/*
 * Register the image: the server's answer goes onto out as it came.
 *
 * Sent again only if the request cannot have reached the server, and always
 * with the same Idempotency-Key for the same build and body.  A 2xx without a
 * JSON value is EX_PROTOCOL: the image may be registered all the same, and
 * the message says so.
 */
int	complete_post(const struct completion *, const char *build_id,
	    struct http *, const struct cloud *, struct ledger *,
	    void (*note)(const char *), struct buf *out, struct fail *);

#endif
