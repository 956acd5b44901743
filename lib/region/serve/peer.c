#include <sys/socket.h>

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>

#include <errno.h>
#include <netinet/in.h>
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

int
peer_uid(const struct sockaddr *them, const struct sockaddr *us, uid_t *uid)
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
	q.diag.id.idiag_cookie[0] = INET_DIAG_NOCOOKIE;
	q.diag.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
	if (them->sa_family != us->sa_family || address(them,
	    q.diag.id.idiag_src, &q.diag.id.idiag_sport) == -1 || address(us,
	    q.diag.id.idiag_dst, &q.diag.id.idiag_dport) == -1)
		return -1;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (fd == -1)
		return -1;
	r = send(fd, &q, sizeof(q), 0) == (ssize_t)sizeof(q) ?
	    answer(fd, uid) : -1;
	close(fd);
	return r;
}
