#ifndef TL_CLIENT_ANSWER_H
#define TL_CLIENT_ANSWER_H

#include "core/fail.h"
#include "core/http.h"

/*
 * Answers that say 2xx and mean something else.  Several requests take any
 * 2xx (WIRE.md sections 7, 13.4, 14 and 17.2), so a page of HTML from something
 * on the way, or an error document under the wrong status, would pass for
 * success.
 *
 * -1 with EX_PROTOCOL for a 2xx with a page, or with a JSON object that has an
 * "error" and no "id"; 0 for all else, other statuses included.  where names
 * the request.  A body that went into a sink is not looked at, its type is.
 */
int	answer_check(const struct http_reply *, const char *where,
	    struct fail *);

#endif
