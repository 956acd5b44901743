#ifndef TL_REGION_RELAY_H
#define TL_REGION_RELAY_H

#include <stdint.h>

#include "core/fail.h"

/*
 * What connects to a port of a sandbox's loopback interface is connected to the
 * same port of the host's.
 */
#define RELAY_PORTS	8U

struct relay {
	int		fd;	/* listens in there */
	uint16_t	port;
};

/* A socket that listens on 127.0.0.1 in the network namespace we are in. */
int	relay_listen(uint16_t port, struct fail *);
/* Pass on, in the one we are in now, until it cannot go on. */
void	relay_run(const struct relay *, unsigned n);

#endif
