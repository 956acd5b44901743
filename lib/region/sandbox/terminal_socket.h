#ifndef TL_REGION_TERMINAL_SOCKET_H
#define TL_REGION_TERMINAL_SOCKET_H

#include "region/sandbox/terminal.h"

struct serve;

/*
 * Somebody at a terminal, over a WebSocket: tl-wire(7), "Terminals".  From when
 * the connection is there until either side ends it; the process stays.  What
 * is typed faster than it is read, and shown faster than it is taken, is left
 * with who sends it.
 */
struct terminal_socket {
	struct sandbox	*sandbox;
	struct proc	*proc;
	const struct serve *serve;
};

void	terminal_socket_run(const struct terminal_socket *, int fd,
	    const void *early, size_t n);

#endif
