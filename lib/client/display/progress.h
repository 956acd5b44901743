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
 * The stream's first line is a mark that nobody else knows; a line that begins
 * with it is an event, all others are text.  So nothing that a builder prints
 * can pass for an event.  The events:
 *
 *	stage NAME		a stage begins
 *	done			and has ended well
 *	failed STATUS		or not
 *	say TEXT		a remark
 *	error TEXT		what must be seen however little is shown
 *	id KIND ID		something has a name now
 *	end STATUS		the build has ended
 *	flush PATH		make this file once all before it is in the log
 *
 * "tl-upload: N / M bytes" is text that says how far an upload is, and so is
 * one of tl-put, which says "N bytes" while it does not know of how many.
 */
enum progress_mode {
	PROGRESS_PLAIN,		/* lines as they come, for pipes and logs */
	PROGRESS_LIVE,		/* a terminal: with a line that moves */
	PROGRESS_JSON,		/* an event a line, tl-progress(1) */
	PROGRESS_NONE,		/* errors, and the lines before them */
};

struct progress;

struct progress_options {
	enum progress_mode	 mode;
	bool			 verbose;	/* say a stage's begin, too */
	bool			 colour;
	unsigned		 columns;	/* of the terminal */
};

/* out must be there for as long; log may be NULL. */
struct progress	*progress_new(const struct progress_options *, FILE *out,
		    FILE *log, struct fail *);
void		 progress_free(struct progress *);
/*
 * More of the stream.  Writing is never a failure: a build does not end
 * because nobody looks any more.  -1 only if there is no memory.
 */
int		 progress_feed(struct progress *, const char *, size_t,
		    struct fail *);
/*
 * The stream has ended: what is half a line is shown, too.  One without a mark
 * is EX_DATAERR.
 */
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
