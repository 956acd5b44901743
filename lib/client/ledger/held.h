#ifndef TL_CLIENT_HELD_H
#define TL_CLIENT_HELD_H

#include "client/ledger/ledger.h"
#include "client/ledger/reap.h"

/*
 * The ledger of a build that is under way, held by its guard: locked, and kept
 * in memory, so that what the build has made can be undone even if the file
 * and those beside it are gone by then.
 */
struct held {
	struct ledger		 ledger;	/* path, and the open file */
	struct ledger_list	 list;		/* as last looked at */
	int			 news;		/* to be polled; -1 */
	/* Private. */
	int64_t			 seen;		/* bytes */
	int64_t			 taken_ms;
	size_t			 before;	/* entries, when it was taken */
	struct held_url		*url;		/* of uploads */
	size_t			 urls;
};

#define HELD_INIT	{ .ledger = LEDGER_INIT, .news = -1, .seen = -1 }

/*
 * Make it if it is not there, and lock it.  EX_TEMPFAIL if another has it,
 * EX_CANTCREAT.
 */
int	held_take(struct held *, const char *path, struct fail *);
/*
 * Read what is new: when news can be read, since what lies beside the ledger
 * may be removed any time; and now and then, for where there are no news.  1 if
 * something is.
 */
int	held_look(struct held *);
/* Whether the file still has its name. */
bool	held_there(const struct held *);
/* Whether an entry of that kind is in that state; NULL if none is. */
const struct ledger_entry *held_find(const struct held *, enum ledger_kind,
	    enum ledger_state);
/* reap_held(), with what is remembered. */
int	held_reap(struct held *, struct reap *, struct fail *);
/* Let go of it; if nothing in it is open, remove it. */
void	held_end(struct held *);

#endif
