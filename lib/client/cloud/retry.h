#ifndef TL_CLIENT_RETRY_H
#define TL_CLIENT_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/fail.h"
#include "core/http.h"

/*
 * Asking again (WIRE.md section 10.2): four times at most, after 1, 2, 4 and
 * 8 seconds, or after what Retry-After says, up to 60.
 *
 *	struct retry again = { .policy = RETRY_BUSY, .what = "lookup" };
 *	do
 *		r = retry_exchange(&again, http, &request, &reply, f);
 *	while (retry_again(&again, r, &reply, f));
 *
 * The variable TL_RETRY_SECOND_MS says how many milliseconds one second of
 * these waits lasts (1000), so that a test need not wait.
 */
enum retry_policy {
	/*
	 * A request that makes something: again only if it cannot have
	 * reached the server, or that says that it has not begun (429, 503).
	 */
	RETRY_UNSENT,
	/*
	 * A request that is safe to repeat: also after a lost answer and
	 * what WIRE.md calls transient (429, 502, 503, 504; 10.3).
	 */
	RETRY_BUSY,
};

struct retry {
	enum retry_policy	 policy;
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
	/* All attempts end by this clock_ms(); 0: none such. */
	int64_t			 deadline_ms;
	unsigned		 tries;	/* private, from 0 */
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

/* Whether an answer is one that may be better in a while (WIRE.md 10.3). */
bool	retry_transient(const struct http_reply *);

#endif
