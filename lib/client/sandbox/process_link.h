#ifndef TL_CLIENT_PROCESS_LINK_H
#define TL_CLIENT_PROCESS_LINK_H

#include <stdbool.h>

#include "client/sandbox/reach.h"
#include "core/span.h"

enum process_stream { PROCESS_STDOUT, PROCESS_STDERR };

/* The way to a process, and where its output goes. */
struct process_link {
	struct reach		*reach;
	/* A line, without its end.  -1 ends the run, with the fail filled. */
	int			(*line)(void *arg, enum process_stream,
				    const char *, size_t, struct fail *);
	/* No more for now: what line() holds back is to be shown.  Or NULL. */
	int			(*flush)(void *arg, struct fail *);
	/*
	 * Something was awry and is dealt with; serious: not wholly.  Or NULL.
	 */
	void			(*note)(void *arg, bool serious, const char *);
	/* It has started: its input may be sent.  Or NULL.  -1 as line(). */
	int			(*feed)(void *arg, int64_t pid, struct fail *);
	void			*arg;
	long			 second_ms;	/* of waiting; 0: 1000 */
};

/* So many milliseconds, as long as second_ms has them. */
long	process_scaled(const struct process_link *, long ms);
/* Wait as long; -1 with EX_TEMPFAIL if a signal came. */
int	process_pause(const struct process_link *, long ms, struct fail *);
/* Tell note(): what, and why if there is a fail. */
void	process_note(const struct process_link *, bool serious,
	    const char *what, const struct fail *);

/* GET that path: the answer, a JSON object which the reply holds. */
int	process_get(const struct process_link *, const char *path,
	    struct http_reply *, struct span *, struct fail *);
/* The last exchange found that the sandbox is gone. */
bool	process_gone(const struct process_link *);

#endif
