#ifndef TL_REGION_ATTEST_H
#define TL_REGION_ATTEST_H

#include <stdbool.h>

#include "core/fail.h"
#include "core/span.h"
#include "region/sign/config.h"
#include "region/sign/receipt.h"

/*
 * What a dataplane gives a receipt for (tl-wire(7), "Attest").
 */

/*
 * The key of an object of the config's bucket, which must be one that the
 * project may write, out of {"rel_path": KEY} or {"uri": "s3://BUCKET/KEY"}; a
 * new string.  EX_DATAERR for a malformed request, EX_NOPERM for what is
 * another's.
 */
int	attest_parse(const struct span *request, const char *project,
	    const struct config *, char **key, struct fail *);
/*
 * Look at it in the store: uri, bytes, etag, modified and issued of a receipt
 * are set.  EX_NOINPUT where no object is; else what the exchange came to.
 */
int	attest_look(struct receipt *, const struct config *, const char *key,
	    bool verbose, struct fail *);

#endif
