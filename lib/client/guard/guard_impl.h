#ifndef TL_CLIENT_GUARD_IMPL_H
#define TL_CLIENT_GUARD_IMPL_H

#include <signal.h>
#include <stdio.h>

#include "client/display/show.h"
#include "client/guard/command.h"
#include "client/guard/guard.h"
#include "client/guard/undo.h"
#include "client/guard/work.h"
#include "client/ledger/held.h"
#include "client/sandbox/diagnose.h"

/* What the files of the guard share. */

#define TICK_MS		200	/* ledger, folder and deadline are looked at */
#define KILLED_MS	500

/* One run of it. */
struct run {
	const struct guard	*g;
	struct work		 folder;
	struct held		 held;
	struct show		 show;
	FILE			*log_file;
	struct progress		*log;
	struct command		 command;
	struct undo		 undo;
	struct diagnosis	 seen;	/* in what the command said */
	char			 mark[PROGRESS_MARK];
	struct buf		 line;	/* of the command, not whole yet */
	char			 build[200], sandbox[200];	/* their ids */
	sigset_t		 mask, old_mask;
	int			 signals;	/* signalfd(2) */
	int			 sig;		/* the first that came */
	int64_t			 sig_ms, begun_ms, deadline_ms;
	bool			 late, lost;	/* deadline; folder */
	bool			 elsewhere;	/* a stage that is not "build" */
	bool			 well;		/* it ended with 0 */
};

/* guard_say.c: a line to the display and the log; an event of ours. */
void	run_put(struct run *, const char *line, size_t n, bool event);
void	run_tell(struct run *, const char *name, const char *fmt, ...)
	    __attribute__((format(printf, 3, 4)));
/* More of what the command says; and from its pipe: false, no more for now. */
void	run_hear(struct run *, const char *, size_t n);
bool	run_listen(struct run *);
/* A word as a shell wants it; the tl-reap that undoes what is left. */
void	run_shown(char *to, size_t size, const char *word);
const char *run_reap_line(const struct run *, const char *option,
	    char to[1024]);

/* guard_wait.c: something comes, or so many milliseconds pass. */
void	run_await(struct run *, int64_t ms);

/* guard_end.c: all that is to be done when it has ended so; the status. */
int	run_finish(struct run *, int code);

#endif
