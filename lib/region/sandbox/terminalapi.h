#ifndef TL_REGION_TERMINALAPI_H
#define TL_REGION_TERMINALAPI_H

#include "region/sandbox/terminal_socket.h"
#include "region/serve/serve.h"

/*
 * The terminals of a sandbox over HTTP: tl-wire(7), "Terminals".  Everything on
 * /api/v1/pty.
 *
 * What a connection to one needs stays in the request's hands: it is to be let
 * go with terminalapi_gone() when the request is over.
 */
bool	terminalapi_done(struct serve_request *, struct sandbox *,
	    struct terminal_socket *);
void	terminalapi_gone(struct terminal_socket *);

#endif
