#ifndef TL_REGION_RECEIPT_H
#define TL_REGION_RECEIPT_H

#include <stdint.h>
#include <time.h>

#include "core/fail.h"
#include "core/json.h"
#include "region/sign/receipt_key.h"

/*
 * A dataplane's receipt for an object of its bucket (tl-wire(7), "Attest"):
 *
 *	{"receipt": TEXT, "signature": HEX}
 *
 * TEXT is a JSON object in a string, so that whoever prints the outer one anew
 * leaves it as it is; the Ed25519 signature is over its exact bytes.
 */
struct receipt {
	char		*uri;
	uint64_t	 bytes;
	char		*etag;		/* as the store says it, quotes too */
	char		*modified;	/* Last-Modified, or NULL */
	char		*project;
	char		*sandbox;	/* who asked */
	time_t		 issued;
	char		 key_id[RECEIPT_KEY_ID];
};

#define RECEIPT_INIT	{ .uri = NULL }

/* Write one, signed.  key_id is the key's own, whatever stands there. */
int	receipt_write(const struct receipt *, const struct receipt_key *,
	    struct jout *, struct fail *);
/*
 * Read one, whose signature is by one of these keys; nothing of its text is
 * looked at before that is sure.  EX_NOPERM for all that is not to be
 * believed.  The strings are the struct's own then.
 */
int	receipt_read(struct receipt *, const struct span *doc,
	    const struct receipt_keys *, struct fail *);
void	receipt_free(struct receipt *);

#endif
