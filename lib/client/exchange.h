#ifndef TL_CLIENT_EXCHANGE_H
#define TL_CLIENT_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "client/sandbox.h"
#include "core/http.h"

/*
 * Exchanges in a row, with two things going on beside them: a signal
 * (core/stop.h) ends what is under way, and a sandbox is kept alive by a ping
 * now and then, since its life budget is shorter than a long build
 * (WIRE.md sections 7 and 11).  No thread: the pings go out while an exchange
 * or a pause is waited for.
 */
enum exchange_told {
	EXCHANGE_UNTOLD,	/* not asked, or no answer */
	EXCHANGE_RUNS,
	EXCHANGE_SLEEPS,	/* neither: pending, suspended */
	EXCHANGE_GONE,
};

struct exchange {
	struct http		*http;
	const struct cloud	*cloud;
	/* What the lifecycle last said of the sandbox: client/reach.h. */
	enum exchange_told	 told;
	/* Private. */
	int64_t			 ask_ms;	/* not before, CLOCK_MONOTONIC */
	const struct sandbox	*sandbox;	/* kept alive, or NULL */
	long			 every_ms;
	int64_t			 next_ms;	/* CLOCK_MONOTONIC */
	bool			 pinging;
	struct sandbox_call	 ping;
	struct http_reply	 pong;
};

#define EXCHANGE_KEEPALIVE_S	120

void	exchange_init(struct exchange *, struct http *, const struct cloud *);
void	exchange_free(struct exchange *);
/* Ping from now on, first in so many seconds.  The sandbox must outlive it. */
void	exchange_keepalive(struct exchange *, const struct sandbox *,
	    unsigned every_s);

/*
 * http_do() that fails with EX_TEMPFAIL once a signal came, or, for one whose
 * answer is needed to undo it, grace_ms later.  Cleared first, the reply has
 * its status 0 if no answer came.
 */
int	exchange_do(struct exchange *, const struct http_request *,
	    struct http_reply *, long grace_ms, struct fail *);
/* Wait; -1 with EX_TEMPFAIL if a signal came. */
int	exchange_pause(struct exchange *, long ms, struct fail *);


#endif
