#ifndef TL_CLIENT_SESSION_H
#define TL_CLIENT_SESSION_H

#include "client/sandbox/reach.h"

/*
 * All that a program holds which talks to one sandbox: its document, where and
 * as whom requests go, the client they go through.  The settings must outlive
 * it.
 */
struct session {
	struct cloud	 cloud;
	struct sandbox	 sandbox;
	struct http	*http;
	struct exchange	 x;
	struct reach	 reach;
};

/*
 * path as for sandbox_load().  every_s: ping the sandbox that often; 0: not at
 * all.  On failure nothing is held.
 */
int	session_open(struct session *, const struct settings *,
	    const char *path, unsigned every_s, bool verbose, struct fail *);
void	session_close(struct session *);

#endif
