#ifndef TL_CLIENT_REACH_H
#define TL_CLIENT_REACH_H

#include "client/exchange.h"

/*
 * Exchanges with a sandbox's proxy that notice when the sandbox is gone.
 *
 * No connection, no answer, a 404 for the sandbox and what WIRE.md 10.3 calls
 * transient may each pass, and may each mean that there is no sandbox any
 * more.  The lifecycle knows (WIRE.md section 7), so it is asked once such a
 * thing happens, at most once a second, and for a few seconds only: one that
 * does not answer leaves it open.  What it said is in x->told.
 */

/*
 * As exchange_do(), but EX_UNAVAILABLE, with what to do, once the sandbox has
 * turned out to be gone: asking it anything again is of no use.  The reply is
 * as the exchange left it.
 */
int	reach_do(struct exchange *, const struct sandbox *,
	    const struct http_request *, struct http_reply *, long grace_ms,
	    struct fail *);

#endif
