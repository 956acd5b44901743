#ifndef TL_CLIENT_TERMINAL_H
#define TL_CLIENT_TERMINAL_H

#include "client/sandbox/process.h"
#include "client/sandbox/reach.h"
#include "core/terminal.h"

/*
 * A command with a terminal in a sandbox: tl-wire(7), "Terminals".
 *
 * A start whose answer was lost is not repeated, since it may have happened
 * (EX_TEMPFAIL); what it has started ends by itself, as nobody connects.
 */
struct terminal {
	char	*id, *token;
};

#define TERMINAL_INIT	{ NULL, NULL }

/* A server that has no terminals is EX_UNAVAILABLE. */
int	terminal_open(struct reach *, const struct process *,
	    struct terminal_size, struct terminal *, struct fail *);
/* End it.  It need not be there any more. */
int	terminal_end(struct reach *, const struct terminal *, struct fail *);
void	terminal_free(struct terminal *);

/* A connection to it: core/http.h has what that can do. */
int	terminal_connect(struct reach *, const struct terminal *,
	    struct http_stream **, struct fail *);

#endif
