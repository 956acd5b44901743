#ifndef TL_CLIENT_COMPLETE_H
#define TL_CLIENT_COMPLETE_H

#include "client/cloud/cloud.h"
#include "client/cloud/retry.h"
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
 * A lost answer is asked for again, always with the same Idempotency-Key for
 * the same build and body; a server that does not know the header takes the
 * same body twice (tl-wire(7), "Open points"), or refuses the second as done.
 * Where the image may be registered all the same, of which a 2xx without a
 * JSON value (EX_PROTOCOL) is a case, too, the message says so.
 */
int	complete_post(const struct completion *, const char *build_id,
	    struct http *, const struct cloud *, struct ledger *,
	    struct patience *, void (*note)(const char *), struct buf *out,
	    struct fail *);

#endif
