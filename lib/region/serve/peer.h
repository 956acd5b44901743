#ifndef TL_REGION_PEER_H
#define TL_REGION_PEER_H

#include <sys/socket.h>
#include <sys/types.h>

/*
 * The user whose socket is at the other end of a TCP connection within this
 * machine, as the kernel has it (sock_diag(7), proc(5)): 0, or -1 if it is not
 * found.
 */
int	peer_uid(const struct sockaddr *them, const struct sockaddr *us,
	    uid_t *);

#endif
