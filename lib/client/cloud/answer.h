#ifndef TL_CLIENT_ANSWER_H
#define TL_CLIENT_ANSWER_H

#include "core/fail.h"
#include "core/http.h"

/*
 * Answers that say 2xx and mean something else.  Several requests take any
 * 2xx (tl-wire(7), "Sandbox lifecycle", "Files of a sandbox", "Signing" and
 * "Complete"), so a page of HTML from something on the way, or an error
 * document under the wrong status, would pass for success.
 *
 * -1 with EX_PROTOCOL for a 2xx with a page, or with a JSON object that has an
 * "error" and no "id"; 0 for all else, other statuses included.  where names
 * the request.  A body that went into a sink is not looked at, its type is.
 */
int	answer_check(const struct http_reply *, const char *where,
	    struct fail *);

#endif
