#ifndef TL_CLIENT_RETRY_H
#define TL_CLIENT_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/fail.h"
#include "core/http.h"

/*
 * Asking again (tl-wire(7), "Retries") what is safe to ask twice: four times
 * at most, after 1, 2, 4 and 8 seconds, or after what Retry-After says, up to
 * 60.  No connection, a lost answer and what tl-wire(7), "Transient answers"
 * calls transient (429, 502, 503, 504) are worth it.
 *
 *	struct retry again = { .what = "lookup" };
 *	do
 *		r = retry_exchange(&again, http, &request, &reply, f);
 *	while (retry_again(&again, r, &reply, f));
 *
 * A request that makes something is safe to ask twice under an Idempotency-Key:
 * the same one, with the same bytes, is one thing (client/cloud/idempotency.h).
 *
 * What has something to lose, a sandbox or an image to be registered, has
 * patience besides: while there is no answer at all, as over a link that is
 * down (no route, no name resolved, refused, reset, silent), it does not count,
 * until that has gone on for PATIENCE_S.  A wait is 8 seconds then at most, so
 * that the link is found soon when it is back.
 *
 * The variable TL_RETRY_SECOND_MS says how many milliseconds one second of
 * these waits lasts (1000), so that a test need not wait.
 */
struct patience {
	/* Private. */
	void		(*note)(const char *);
	bool		 begun;		/* a link was there, or must have been */
	unsigned	 failed;	/* how many without an answer, in a row */
	int64_t		 since_ms;	/* the first of them */
	int64_t		 note_ms;
	unsigned	 noted;
};

/*
 * As long as a sandbox lives that nobody reaches
 * (tl-wire(7), "Sandbox lifecycle"): after that there is nothing to wait for.
 */
#define PATIENCE_S		300

/*
 * A build whose ledger is kept (TL_LEDGER) has reached its server before, so
 * it is patient from its first request on.  Without one it is once there was an
 * answer: an address typed by hand that is wrong is not to be waited for.
 *
 * note, which may be NULL, is told in a line that there is no answer, now and
 * then and not each time; and that there is one again.
 */
void	patience_init(struct patience *, void (*note)(const char *));
/*
 * What came of an exchange, where it is not retry_exchange() that made it: r
 * and what it left.  NULL has no patience.
 */
void	patience_saw(struct patience *, int r, const struct http_reply *,
	    const struct fail *);
/*
 * Whether the link is down and to be waited for: the last two had no answer.
 * One alone counts, so that a server which drops one kind of request and
 * answers another between is not waited for without end.
 */
bool	patience_lasts(const struct patience *);
/* More than so many in a row had none, and it is not: enough of them. */
bool	patience_over(const struct patience *, unsigned tries);

struct retry {
	const char		*what;	/* for the line that is noted */
	/* Told in a line why there is a wait.  May be NULL. */
	void			(*note)(const char *);
	/*
	 * A signal (core/stop.h) ends the exchange and the waits; grace_ms
	 * later, where the answer is needed to undo what was asked for; not at
	 * all with despite_stop, for what undoes.
	 */
	long			 grace_ms;
	bool			 despite_stop;
	struct patience		*patience;	/* NULL: none */
	/* Whether an answer is worth it.  NULL: retry_transient(). */
	bool			(*transient)(const struct http_reply *);
	/* All attempts end by this clock_ms(); 0: none such. */
	int64_t			 deadline_ms;
	/*
	 * Out: one of the attempts may have done what was asked for, though
	 * nobody was told: its answer was lost, or is that of a server that
	 * broke amid it.
	 */
	bool			 maybe;
	unsigned		 tries;	/* private, from 0: waits that count */
};

#define RETRY_MAX		4	/* waits, hence five requests */
#define RETRY_AFTER_MAX_S	60

/* One attempt: as http_do(), and EX_TEMPFAIL where a signal ended it. */
int	retry_exchange(const struct retry *, struct http *,
	    const struct http_request *, struct http_reply *, struct fail *);

/*
 * After an exchange that returned r: whether to ask again, having waited.
 * When not, r, the reply and f are as the exchange left them.
 */
bool	retry_again(struct retry *, int r, const struct http_reply *,
	    struct fail *);

/* TL_RETRY_SECOND_MS, or 1000. */
long	retry_second_ms(void);

/*
 * Whether an answer is one that may be better in a while
 * (tl-wire(7), "Transient answers").
 */
bool	retry_transient(const struct http_reply *);

#endif
