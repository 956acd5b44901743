#ifndef TL_CLIENT_PROGRESS_H
#define TL_CLIENT_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "core/buf.h"
#include "core/fail.h"

/*
 * What a build says, shown to whoever looks: lines of the programs, and events
 * of the build between them, all out of one stream, so that their order is
 * what it was.
 *
 * A line that begins with a mark that nobody else knows is an event, all others
 * are text.  So nothing that a builder prints can pass for an event.  The
 * events:
 *
 *	stage NAME		a stage begins
 *	done			and has ended well
 *	failed STATUS		or not
 *	say TEXT		a remark
 *	error TEXT		what must be seen however little is shown
 *	id KIND ID		something has a name now
 *	end STATUS		the build has ended
 *
 * "tl-upload: N / M bytes" is text that says how far an upload is, and so is
 * one of tl-put, which says "N bytes" while it does not know of how many.
 */
enum progress_mode {
	PROGRESS_PLAIN,		/* lines as they come, for pipes and logs */
	PROGRESS_LIVE,		/* a terminal: with a line that moves */
	PROGRESS_JSON,		/* an event a line, tl-guard(1) */
	PROGRESS_NONE,		/* errors, and the lines before them */
};

struct progress;

#define PROGRESS_MARK	33	/* its bytes, the NUL included */

struct progress_options {
	const char		*mark;		/* not empty */
	const char		*who;		/* before remarks: "tl-build" */
	/* Before each line, in each JSON event, to tell builds apart; or NULL. */
	const char		*label;
	enum progress_mode	 mode;
	bool			 verbose;	/* say a stage's begin, too */
	bool			 colour;
	unsigned		 columns;	/* of the terminal */
};

/*
 * out and the strings must be there for as long.  Either FILE may be NULL, the
 * log for what is only shown, out for what is only kept.
 */
struct progress	*progress_new(const struct progress_options *, FILE *out,
		    FILE *log, struct fail *);
void		 progress_free(struct progress *);
/*
 * More of the stream.  Writing is never a failure: a build does not end
 * because nobody looks any more.  -1 only if there is no memory.
 */
int		 progress_feed(struct progress *, const char *, size_t,
		    struct fail *);
/* The stream has ended: what is half a line is shown, too. */
int		 progress_end(struct progress *, struct fail *);
/* The terminal has another width now. */
void		 progress_columns(struct progress *, unsigned);
/* Draw the moving line anew; now and then. */
void		 progress_tick(struct progress *);

/*
 * A line as it may stand on a terminal: escape sequences left out, what a
 * carriage return overwrote, too; other control characters as '?'.
 */
int		 progress_clean(struct buf *, const char *, size_t,
		    struct fail *);

#endif
