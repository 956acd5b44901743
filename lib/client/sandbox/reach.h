#ifndef TL_CLIENT_REACH_H
#define TL_CLIENT_REACH_H

#include <stdbool.h>
#include <stdint.h>

#include "client/cloud/exchange.h"
#include "client/cloud/retry.h"
#include "client/sandbox/sandbox.h"

/*
 * Exchanges with a sandbox's proxy that keep it alive and notice when it is
 * gone.
 *
 * A sandbox's lease is shorter than a long build, and any request to its
 * proxy renews it (tl-wire(7), "Sandbox lifecycle" and "Builder process"): so
 * there is a ping.
 *
 * No connection, no answer, a 404 for the sandbox and a transient answer
 * (tl-wire(7), "Transient answers") may each pass, and may each mean that
 * there is no sandbox any more.  The lifecycle knows
 * (tl-wire(7), "Sandbox lifecycle"), so it is asked once such a thing happens,
 * at most once a second, and for a few seconds only: one that does not answer
 * leaves it open.  So a link that is down is waited out, with patience, and
 * what has become of the sandbox is known once it is back.
 */
enum reach_told {
	REACH_UNTOLD,		/* not asked, or no answer */
	REACH_RUNS,
	REACH_SLEEPS,		/* neither: pending, suspended */
	REACH_GONE,
};

struct reach {
	struct exchange		*x;
	const struct sandbox	*sandbox;
	/* Told what came of each exchange.  NULL, the default: there is none. */
	struct patience		*patience;
	/* What the lifecycle last said of the sandbox. */
	enum reach_told		 told;
	/* Private. */
	bool			 failed;	/* the last exchange */
	int64_t			 ask_ms;	/* not before, CLOCK_MONOTONIC */
	struct sandbox_call	 ping;
};

#define REACH_PING_S	120

/* Both must outlive it.  Nothing of it has to be freed. */
void	reach_init(struct reach *, struct exchange *, const struct sandbox *);
/*
 * Ping from now on, first in so many seconds, until the exchange is freed,
 * which this must outlive.
 */
void	reach_keepalive(struct reach *, unsigned every_s);

/* A request to the sandbox's proxy, as sandbox_call(). */
int	reach_call(const struct reach *, struct sandbox_call *,
	    const char *method, const char *path, const char *const *extra,
	    struct fail *);

/*
 * As exchange_do(), but EX_UNAVAILABLE, with what to do, once the sandbox has
 * turned out to be gone: asking it anything again is of no use.  The reply is
 * as the exchange left it.
 */
int	reach_do(struct reach *, const struct http_request *,
	    struct http_reply *, long grace_ms, struct fail *);

#endif
