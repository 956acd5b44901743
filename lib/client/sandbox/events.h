#ifndef TL_CLIENT_EVENTS_H
#define TL_CLIENT_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/fail.h"

/*
 * Server-sent events, read as they come in: the data of each, by the rules of
 * the HTML standard (section 9.2.6).  Names, ids and retry times mean nothing
 * here (tl-wire(7), "Following output").  What a stream ends amid is dropped,
 * as the standard has it.
 */
struct events {
	/* Told the data of an event; -1 ends it, with the fail filled. */
	int		(*event)(void *arg, const char *p, size_t n,
			    struct fail *);
	void		*arg;
	uint64_t	 dropped;	/* events that were over the ceiling */
	/* Private. */
	struct buf	 line;		/* one that came in pieces */
	struct buf	 bytes;		/* the data fields of this event */
	bool		 has_data;	/* one of them, maybe empty */
	bool		 too_long;	/* this event is */
	bool		 line_too_long;
	bool		 cr;		/* a LF belongs to the line before */
	unsigned	 begun;		/* lines seen: the first has the BOM */
};

/* The ceiling of an event: longer log lines are not shown. */
#define EVENTS_MAX	BUF_SMALL_MAX

void	events_init(struct events *,
	    int (*event)(void *, const char *, size_t, struct fail *),
	    void *arg);
/* The next bytes of the stream, cut anywhere. */
int	events_feed(struct events *, const char *, size_t, struct fail *);
/* Begin anew, for another stream. */
void	events_reset(struct events *);
void	events_free(struct events *);

#endif
