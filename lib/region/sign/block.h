#ifndef TL_REGION_BLOCK_H
#define TL_REGION_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "core/buf.h"
#include "core/fail.h"
#include "region/sign/config.h"
#include "region/sign/request.h"
#include "region/sign/sigv4.h"

/*
 * The signed block that answers a sign request.
 *
 * Nothing here touches the network: a multipart upload is opened with
 * region/sign/multipart.h between sign_parse() and sign_begin().  Failing is
 * EX_CONFIG when the credentials have ended.
 */

/*
 * Write the block, piece by piece: sign_begin(), then sign_next() until it
 * gives 0, then sign_end(), which may be called in any case.  Once begun it
 * cannot fail, and it holds no more than one piece in memory.
 */
struct sign_block {
	struct buf		 piece;
	struct buf		 tail;
	struct sigv4_series	 series;
	uint32_t		 parts;
	uint32_t		 part;
	bool			 ended;
};

/* upload_id only for SIGN_MULTIPART_PUT, else NULL. */
int	sign_begin(struct sign_block *, const struct sign_request *,
	    const struct config *, const char *upload_id, time_t now,
	    struct fail *);
/* The next piece, valid until the next call; its length, 0 at the end. */
size_t	sign_next(struct sign_block *, const char **);
void	sign_end(struct sign_block *);

/* All of it at once, appended to a buf. */
int	sign_block(struct buf *, const struct sign_request *,
	    const struct config *, const char *upload_id, time_t now,
	    struct fail *);

#endif
