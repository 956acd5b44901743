#ifndef TL_CLIENT_SIGN_H
#define TL_CLIENT_SIGN_H

#include <stdint.h>

#include "client/cloud/cloud.h"
#include "client/cloud/dialect.h"
#include "client/cloud/retry.h"
#include "client/ledger/ledger.h"
#include "client/sandbox/sandbox.h"
#include "client/stages/prepared.h"
#include "core/http.h"

/*
 * Signed URLs for what a build reads and writes, asked of the dataplane
 * through the sandbox's proxy (tl-wire(7), "Signing").
 *
 * SIGN_AUTO sends the seed's dialect first; a server that refuses it as
 * malformed (400, 404, 405, 415, 422) is asked once more in the merged one, and
 * the dialect that worked is kept for what follows.
 */

/* The bodies: an upload to rel_path in parts, a download of uri. */
int	sign_put_body(struct buf *, enum sign_dialect, const char *rel_path,
	    uint64_t parts, uint64_t part_bytes, struct fail *);
int	sign_get_body(struct buf *, enum sign_dialect, const char *uri,
	    struct fail *);

struct sign {
	struct http		*http;
	const struct cloud	*cloud;
	const struct sandbox	*sandbox;
	enum sign_dialect	 dialect;
	/* Where an upload is written before it is asked for.  May be NULL. */
	struct ledger		*ledger;
	struct patience		*patience;	/* NULL: none */
	/* Told in a line what is done.  May be NULL. */
	void			(*note)(const char *);
	/* Told what is likely to fail later.  May be NULL. */
	void			(*doubt)(const char *);
};

/*
 * Sign what the prepared build needs, in this order: the upload, the parent
 * if there is one, and each additional local image that has no download yet
 * and a snapshotUri other than file://.  The signed document goes onto out,
 * each block byte for byte as it came.
 *
 * On the legacy path nothing is signed and nothing is asked: out gets "{}".
 *
 * When a later step fails or a signal comes (core/stop.h), the upload that was
 * signed is aborted; so is one whose answer cannot be used.
 */
int	sign_prepared(struct sign *, const struct prepared *, uint64_t parts,
	    uint64_t part_bytes, struct buf *out, struct fail *);

/*
 * Sign one download, of a snapshot's URI; what names it in messages.  The block
 * goes onto out as it came.
 */
int	sign_get(struct sign *, const char *what, const char *uri,
	    struct buf *out, struct fail *);

/* Abort the upload that a document made by sign_prepared() holds. */
void	sign_undo(struct sign *, const struct buf *signed_doc);

#endif
