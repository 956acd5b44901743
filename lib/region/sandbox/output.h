#ifndef TL_REGION_OUTPUT_H
#define TL_REGION_OUTPUT_H

#include <stdbool.h>

#include "region/sandbox/proc.h"
#include "region/serve/serve.h"

/*
 * What a process prints, over HTTP: tl-wire(7), "Output in one document" and
 * "Run".  stream is one of enum outlog_stream, or -1 for both.  Both answer,
 * and take over the reference to the process.
 */

/* All lines so far. */
void	output_lines(struct serve_request *, struct sandbox *, struct proc *,
	    int stream);
/*
 * From its first line on, as server-sent events, to its end.  With run it is
 * killed when the client leaves, and after timeout_s, if that is not 0.
 */
void	output_follow(struct serve_request *, struct sandbox *,
	    struct proc *, int stream, bool run, double timeout_s);

#endif
