#ifndef TL_CLIENT_EXCHANGE_H
#define TL_CLIENT_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "client/cloud/cloud.h"
#include "core/http.h"

/*
 * Exchanges in a row, with two things going on beside them: a signal
 * (core/stop.h) ends what is under way, and another request, the beat, goes
 * out now and then.  No thread: the beat goes out while an exchange or a pause
 * is waited for.
 */

/* What goes out beside them.  Its answer is not looked at. */
struct exchange_beat {
	/* The request, which stays until end(); NULL: not this time. */
	const struct http_request *(*begin)(void *arg);
	void	(*end)(void *arg);
	void	*arg;
};

struct exchange {
	struct http		*http;
	const struct cloud	*cloud;
	/* Private. */
	struct exchange_beat	 beat;
	long			 every_ms;	/* 0: there is none */
	int64_t			 next_ms;	/* CLOCK_MONOTONIC */
	bool			 beating;	/* one is; may be read */
	struct http_reply	 unread;
};

void	exchange_init(struct exchange *, struct http *, const struct cloud *);
void	exchange_free(struct exchange *);
/* Begin with the beat, first in so many seconds; beat->arg must outlive it. */
void	exchange_beat(struct exchange *, const struct exchange_beat *,
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
/*
 * The same, for pauses between questions: the next one is half as long again,
 * up to a second.  second_ms: how long that lasts; 0: 1000.
 */
int	exchange_pause_grow(struct exchange *, long *ms, long second_ms,
	    struct fail *);

#endif
