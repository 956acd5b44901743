#ifndef TL_CLIENT_UNDO_H
#define TL_CLIENT_UNDO_H

#include <sys/types.h>

#include <stdbool.h>

#include "client/cloud/settings.h"
#include "client/ledger/held.h"
#include "core/buf.h"

/*
 * What is asked of servers when a build has ended, by a process of its own, so
 * that whoever waits for it is free for a second signal and is not held up by
 * a server.  It needs no file: what it finds comes through a pipe, a line
 * each.
 */
struct undo {
	pid_t		pid;
	int		fd;	/* its lines */
	struct buf	lines;	/* as they have come */
};

#define UNDO_INIT	{ 0, -1, BUF_INIT(1UL << 20) }

/*
 * What the ledger has open is undone, within so many seconds: a line
 * "RESULT KIND ID NOTE" for each thing, RESULT as tl-reap(1) has it.
 */
int	undo_ledger(struct undo *, struct held *, const struct settings *,
	    unsigned seconds, bool verbose, struct fail *);
/*
 * Why a build may have failed: a line of advice for each thing that its
 * sandbox and its own words tell.
 */
struct diagnosis;
int	undo_diagnose(struct undo *, const struct diagnosis *,
	    const char *sandbox, const struct settings *, unsigned seconds,
	    bool verbose, struct fail *);
/* Take in lines; true once it has ended.  *ok: and well. */
bool	undo_look(struct undo *, bool *ok);
/* Leave it: what it has not done stays in the ledger. */
void	undo_kill(struct undo *);

#endif
