#ifndef TL_CLIENT_READY_H
#define TL_CLIENT_READY_H

#include "client/sandbox/lifecycle.h"

/*
 * The two waits for a sandbox that was created: until it runs, and until a
 * process can be started in it.
 */
struct ready {
	unsigned	timeout_s;	/* for each */
	long		second_ms;	/* of the pauses; 0: 1000 */
	/* Told what is waited for, in a line.  Or NULL. */
	void		(*note)(const char *);
};

#define READY_TIMEOUT_S	120

/* Until it runs; the proxy's address is known then. */
int	ready_running(struct exchange *, struct lifecycle *,
	    const struct ready *, struct fail *);
/* Until its proxy has run a command: tl-wire(7), "Readiness". */
int	ready_answering(struct exchange *, const struct lifecycle *,
	    const struct ready *, struct fail *);

#endif
