#ifndef TL_CLIENT_REAP_H
#define TL_CLIENT_REAP_H

#include <stdbool.h>
#include <stdint.h>

#include "client/cloud/cloud.h"
#include "client/ledger/ledger.h"
#include "core/fail.h"
#include "core/http.h"

/*
 * What a dead build has left, by its ledger, found and undone.
 *
 * A build holds a lock (flock(2)) on its ledger while it lives, so that what
 * is locked is not touched; a ledger in which nothing is open any more is
 * removed, with the files beside it.
 */
enum reap_result {
	REAP_OPEN,		/* would be undone (dry) */
	REAP_DONE,		/* deleted, given back */
	REAP_EXPIRED,		/* asked for, not known; ends by itself */
	REAP_KEPT,		/* on purpose */
	REAP_FOREIGN,		/* made by another key or elsewhere: left */
	REAP_FAILED,		/* left, and to be tried again */
};

/* "open", "undone", "unknown", "kept", "left", "failed". */
const char	*reap_word(enum reap_result);

struct reap {
	struct http		*http;
	const struct cloud	*cloud;	/* NULL: no credential, see why */
	const struct fail	*why;	/* of that */
	bool			 dry;	/* only look */
	bool			 all;	/* what is kept or another key's, too */
	int64_t			 min_age_s;	/* of the last line */
	unsigned		 seconds;	/* for all of it */
	/* Told each thing; note is more on it, or "". */
	void			(*tell)(void *arg, const char *ledger,
				    const struct ledger_entry *,
				    enum reap_result, const char *note);
	void			*arg;
	/*
	 * reap_held(): what was once read from the file beside the ledger, for
	 * an upload whose file is gone.  May be NULL.
	 */
	const struct buf	*(*beside)(const void *beside_arg,
				    const char *id);
	const void		*beside_arg;
	/*
	 * reap_held(): the entries from this one on were asked for within so
	 * many seconds, whatever a clock that was set meanwhile says; 0: that
	 * is not known.
	 */
	size_t			 recent_from;
	int64_t			 recent_s;
};

/*
 * One ledger that the caller has locked, however it stands with its name: the
 * build is over, no other process of it writes any more.  The file stays.
 *
 * What was undone and cannot be written down, on a full disk, is undone all
 * the same, and found so the next time.
 */
int	reap_held(struct reap *, int fd, const char *path, struct fail *);

/*
 * One ledger: 1 if its build lives or is too young, so that it was not
 * touched; 0 if it was dealt with, or is not there any more; -1 with the worst
 * reason if something is left.
 */
int	reap_ledger(struct reap *, const char *path, struct fail *);

/* Every NAME.ledger in a folder; *busy: how many builds live. */
int	reap_folder(struct reap *, const char *folder, unsigned *busy,
	    struct fail *);

/*
 * The folders build.* of the state folder that no ledger goes with: of builds
 * that failed, all was given back, and nobody has taken them up again.  Those
 * are removed whose last change is min_age_s ago.  Each is told by its name;
 * -1 with the first reason if one of them stays.
 */
int	reap_folders(const struct reap *, const char *state,
	    void (*tell)(void *arg, const char *name, enum reap_result,
	    const char *note), void *arg, struct fail *);

/* The state folder, $XDG_STATE_HOME/tl; malloc'ed.  EX_CONFIG. */
char	*reap_state(struct fail *);

#endif
