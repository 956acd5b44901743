#ifndef TL_CLIENT_GUARD_H
#define TL_CLIENT_GUARD_H

#include <stdbool.h>

#include "client/cloud/settings.h"
#include "core/fail.h"

/*
 * A build, or any flow of the filters, guarded: run in a build folder, shown,
 * logged, told to end when it is time; and whatever happens to it, what it has
 * made elsewhere is undone by its ledger.
 *
 * Nothing here waits for whoever reads the display, or for a server: those who
 * do are processes of their own.  Nothing depends on being able to write; but
 * a disk that hangs, under the log or the ledger, holds it up.  The signals
 * and the deadline count at any time.  From the first of them to our end it
 * takes GUARD_END_S at most.
 */
struct guard {
	const char		*program;	/* whose name lines carry */
	const char		*label;		/* of all lines; or NULL */
	const char		*work;		/* the folder; or NULL */
	const char		*resume;	/* likewise */
	char *const		*argv;		/* the command */
	char *const		*words;		/* to be kept for --resume */
	const char		*cwd;		/* NULL: where we are */
	const char		*progress;	/* see show_mode() */
	int			 progress_fd;
	unsigned		 deadline_s;	/* 0: none */
	bool			 keep_sandbox;
	bool			 verbose;
	const struct settings	*settings;	/* for what is undone */
};

#define GUARD_END_S	15
/*
 * What was made elsewhere could not all be undone: it has been said, and
 * stands in the ledger.
 */
#define GUARD_LEFT	79

/*
 * Run it.  The status for the shell: the command's own; 128 + a signal that
 * came; EX_TEMPFAIL for the deadline; GUARD_LEFT before all others.  -1 if it
 * has not begun.  On a second signal it does not return.
 */
int	guard_run(const struct guard *, struct fail *);

#endif
