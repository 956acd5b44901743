#ifndef TL_REGION_NETWORK_H
#define TL_REGION_NETWORK_H

#include <sys/types.h>

#include <stdint.h>

#include "core/fail.h"
#include "region/runtime/relay.h"
#include "region/runtime/space.h"

/*
 * What a sandbox reaches.  It has a network namespace of its own, and in it a
 * loopback interface of its own, so no service of the host's, no abstract unix
 * socket and no other sandbox.  What it reaches all the same comes in by two
 * processes, each with the sandbox's first id as its user: one passes on
 * single ports of the host's loopback, where the object store is; the other is
 * pasta(1), which leads outside.
 */
enum network_kind {
	NETWORK_NONE,		/* nothing */
	NETWORK_STORE,		/* the ports */
	NETWORK_OUTSIDE,	/* the ports, and other machines */
	NETWORK_HOST		/* no namespace: all that the host does */
};

#define NETWORK_PORTS	RELAY_PORTS

struct network {
	enum network_kind	kind;
	unsigned		nports;
	uint16_t		port[NETWORK_PORTS];	/* of 127.0.0.1 */
};

/* The two processes, and how the second says that it is ready; -1: not there. */
struct network_run {
	pid_t	forwarder, outside;
	int	said, ready;
};
#define NETWORK_RUN_INIT { -1, -1, -1, -1 }

/* What the options -N KIND and -p PORT say. */
int	network_option(struct network *, int option, const char *arg,
	    struct fail *);
const char *network_word(enum network_kind);

/*
 * Start them, for a namespace that is there.  They stay in the caller's mount
 * namespace: what is mounted in a later one of its own they do not hold.
 */
int	network_start(const struct network *, uint32_t base,
	    const struct space *, struct network_run *, struct fail *);
/* Wait until outside is reached; the space's holder is wanted so long. */
int	network_ready(struct network_run *, struct fail *);
void	network_stop(struct network_run *);

/*
 * Where a sandbox asks for names if the host asks itself: a loopback address is
 * the sandbox's own.  One of those that nobody has (RFC 5737).
 */
#define NETWORK_DNS	"192.0.2.53"

#endif
