#ifndef TL_REGION_WANTED_H
#define TL_REGION_WANTED_H

#include "region/runtime/message.h"
#include "region/sandbox/proc.h"
#include "region/serve/serve.h"

/*
 * A process that is asked for in a body: tl-wire(7), "Starting a process".
 */
struct wanted {
	char		*command, *user, *folder;
	struct buf	 words, env, what;
	unsigned	 nwords;
	double		 timeout_s;	/* run only; 0: none */
	bool		 input;
};

#define WANTED_INIT	{ .words = BUF_INIT(MESSAGE_TEXT_MAX),		\
	.env = BUF_INIT(MESSAGE_TEXT_MAX), .what = BUF_INIT(BUF_SMALL_MAX) }

/* -1 if the body is at fault.  To be freed in either case. */
int	wanted_read(struct wanted *, const struct sandbox *,
	    const struct serve_request *, struct fail *);
void	wanted_free(struct wanted *);
/* What is to be started, as the image has it; it points into both. */
struct proc_spec wanted_spec(const struct wanted *, const struct sandbox *);
/* The answer to a start that failed. */
void	wanted_refused(struct serve_request *, const struct fail *);

#endif
