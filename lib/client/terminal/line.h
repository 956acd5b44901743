#ifndef TL_CLIENT_LINE_H
#define TL_CLIENT_LINE_H

#include "client/terminal/terminal.h"

/*
 * This program's terminal and one in a sandbox, made one: what is typed here
 * goes there, what is shown there comes here, and the window has one size.
 * Until the command there ends: its status (-1: a signal's that the server does
 * not name), or until a signal or the end of the connection: -1.  The terminal
 * here is as it was then, in either case.
 */
int	line_run(struct reach *, struct http_stream *, int *status,
	    struct fail *);

#endif
