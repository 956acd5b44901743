#include <sys/socket.h>

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "region/serve/peer.h"

struct question {
	struct nlmsghdr		head;
	struct inet_diag_req_v2	diag;
};

static int
address(const struct sockaddr *sa, __be32 *to, __be16 *port)
{
	const struct sockaddr_in *in = (const void *)sa;
	const struct sockaddr_in6 *in6 = (const void *)sa;

	if (sa->sa_family == AF_INET) {
		memcpy(to, &in->sin_addr, sizeof(in->sin_addr));
		*port = in->sin_port;
	} else if (sa->sa_family == AF_INET6) {
		memcpy(to, &in6->sin6_addr, sizeof(in6->sin6_addr));
		*port = in6->sin6_port;
	} else
		return -1;
	return 0;
}

static int
answer(int fd, uid_t *uid)
{
	union {
		struct nlmsghdr	head;
		char		room[4096];
	} a;
	struct inet_diag_msg diag;
	ssize_t n;

	do
		n = recv(fd, &a, sizeof(a), 0);
	while (n == -1 && errno == EINTR);
	if (n < (ssize_t)(NLMSG_HDRLEN + sizeof(diag)) ||
	    a.head.nlmsg_type != SOCK_DIAG_BY_FAMILY)
		return -1;
	memcpy(&diag, NLMSG_DATA(&a.head), sizeof(diag));
	*uid = diag.idiag_uid;
	return 0;
}

/* Ask the kernel for the one socket; not every kernel can be asked. */
static int
diag_uid(const struct sockaddr *them, const struct sockaddr *us, uid_t *uid)
{
	struct question q;
	int fd, r;

	memset(&q, 0, sizeof(q));
	q.head.nlmsg_len = sizeof(q);
	q.head.nlmsg_type = SOCK_DIAG_BY_FAMILY;
	q.head.nlmsg_flags = NLM_F_REQUEST;
	q.diag.sdiag_family = (unsigned char)them->sa_family;
	q.diag.sdiag_protocol = IPPROTO_TCP;
	q.diag.idiag_states = (uint32_t)-1;
	/*
	 * A socket that is bound to a device is found under that alone, one
	 * that is not under any; what stays on the machine goes through this.
	 */
	q.diag.id.idiag_if = if_nametoindex("lo");
	q.diag.id.idiag_cookie[0] = INET_DIAG_NOCOOKIE;
	q.diag.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
	if (address(them, q.diag.id.idiag_src, &q.diag.id.idiag_sport) == -1 ||
	    address(us, q.diag.id.idiag_dst, &q.diag.id.idiag_dport) == -1)
		return -1;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (fd == -1)
		return -1;
	r = send(fd, &q, sizeof(q), 0) == (ssize_t)sizeof(q) ?
	    answer(fd, uid) : -1;
	close(fd);
	return r;
}

/* An address as /proc/net/tcp has it: its words as numbers, the port. */
static int
listed(const struct sockaddr *sa, char *text, size_t size)
{
	__be32 a[4];
	__be16 port;

	if (address(sa, a, &port) == -1)
		return -1;
	if (sa->sa_family == AF_INET)
		snprintf(text, size, "%08X:%04X", a[0], ntohs(port));
	else
		snprintf(text, size, "%08X%08X%08X%08X:%04X", a[0], a[1], a[2],
		    a[3], ntohs(port));
	return 0;
}

/* Look through all there are. */
static int
list_uid(const struct sockaddr *them, const struct sockaddr *us, uid_t *uid)
{
	char line[512], from[64], to[64], at[64], of[64];
	unsigned id;
	int r = -1;
	FILE *in;

	if (listed(them, from, sizeof(from)) == -1 ||
	    listed(us, to, sizeof(to)) == -1)
		return -1;
	in = fopen(them->sa_family == AF_INET ? "/proc/net/tcp" :
	    "/proc/net/tcp6", "re");
	if (in == NULL)
		return -1;
	while (r == -1 && fgets(line, sizeof(line), in) != NULL)
		if (sscanf(line, " %*[^:]: %63s %63s %*s %*s %*s %*s %u", at,
		    of, &id) == 3 && strcmp(at, from) == 0 &&
		    strcmp(of, to) == 0) {
			*uid = id;
			r = 0;
		}
	fclose(in);
	return r;
}

int
peer_uid(const struct sockaddr *them, const struct sockaddr *us, uid_t *uid)
{
	if (them->sa_family != us->sa_family)
		return -1;
	if (diag_uid(them, us, uid) == 0)
		return 0;
	return list_uid(them, us, uid);
}
