#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "region/runtime/relay.h"

/* What a sandbox may hold at a server of a region is less. */
#define RELAY_MAX	128U
#define PIPE_BYTES	65536U

/* One direction: socket, pipe, socket; the kernel moves the pages. */
struct flow {
	int	 from, to, pipe[2];
	size_t	 held;
	bool	 eof, shut;
};

struct pair {
	struct flow	out, in;	/* out of the sandbox, and back */
};

static struct sockaddr_in
loopback(uint16_t port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

int
relay_listen(uint16_t port, struct fail *f)
{
	struct sockaddr_in sin = loopback(port);
	int fd, one = 1;

	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one,
	    sizeof(one)) == -1 || bind(fd, (struct sockaddr *)&sin,
	    sizeof(sin)) == -1 || listen(fd, 128) == -1) {
		fail_sys(f, EX_OSERR, "port %u of a sandbox", port);
		if (fd != -1)
			close(fd);
		return -1;
	}
	return fd;
}

static void
flow_init(struct flow *w, int from, int to)
{
	*w = (struct flow){ .from = from, .to = to, .pipe = { -1, -1 } };
}

static void
end(struct pair *p, bool broken)
{
	struct linger now = { 1, 0 };
	int i, fd[2] = { p->out.from, p->out.to };

	for (i = 0; i < 2; i++) {
		/* What was cut short shall not look like an end. */
		if (broken)
			setsockopt(fd[i], SOL_SOCKET, SO_LINGER, &now,
			    sizeof(now));
		close(fd[i]);
		if (p->out.pipe[i] != -1)
			close(p->out.pipe[i]);
		if (p->in.pipe[i] != -1)
			close(p->in.pipe[i]);
	}
}

/* The one that has come, and its other half: false if there is none. */
static bool
begin(struct pair *p, const struct relay *r)
{
	struct sockaddr_in sin = loopback(r->port);
	int inside, outside;

	inside = accept4(r->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (inside == -1)
		return false;
	outside = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0);
	if (outside == -1) {
		close(inside);
		return false;
	}
	flow_init(&p->out, inside, outside);
	flow_init(&p->in, outside, inside);
	if (pipe2(p->out.pipe, O_CLOEXEC | O_NONBLOCK) == 0 &&
	    pipe2(p->in.pipe, O_CLOEXEC | O_NONBLOCK) == 0 &&
	    (connect(outside, (struct sockaddr *)&sin, sizeof(sin)) == 0 ||
	    errno == EINPROGRESS))
		return true;
	end(p, true);
	return false;
}

static bool
later(ssize_t n)
{
	return n == -1 && (errno == EAGAIN || errno == EINTR);
}

/* What can be moved now: 1, 0 if that was nothing, or -1 if it is broken. */
static int
step(struct flow *w)
{
	int moved = 0;
	ssize_t n;

	if (!w->eof && w->held < PIPE_BYTES) {
		n = splice(w->from, NULL, w->pipe[1], NULL,
		    PIPE_BYTES - w->held, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
		if (n == -1 && !later(n))
			return -1;
		if (n >= 0)
			moved = 1;
		if (n > 0)
			w->held += (size_t)n;
		w->eof = n == 0;
	}
	if (w->held > 0) {
		n = splice(w->pipe[0], NULL, w->to, NULL, w->held,
		    SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
		if (n == -1 && !later(n))
			return -1;
		if (n > 0) {
			moved = 1;
			w->held -= (size_t)n;
		}
	}
	if (w->eof && w->held == 0 && !w->shut) {
		shutdown(w->to, SHUT_WR);
		w->shut = true;
		moved = 1;
	}
	return moved;
}

/*
 * What the two sockets of a pair are waited for.  One that has had its end is
 * left out while the other takes what came before: poll() would return at once.
 */
static void
watch(const struct pair *p, struct pollfd *fd)
{
	fd[0] = (struct pollfd){ .fd = p->out.from };
	fd[1] = (struct pollfd){ .fd = p->out.to };
	if (!p->out.eof && p->out.held == 0)
		fd[0].events |= POLLIN;
	if (p->in.held > 0)
		fd[0].events |= POLLOUT;
	if (!p->in.eof && p->in.held == 0)
		fd[1].events |= POLLIN;
	if (p->out.held > 0)
		fd[1].events |= POLLOUT;
	if (fd[0].events == 0)
		fd[0].fd = -1;
	if (fd[1].events == 0)
		fd[1].fd = -1;
}

/* False when it is over. */
static bool
serve(struct pair *p, const struct pollfd *fd)
{
	bool over = ((fd[0].revents | fd[1].revents) & (POLLERR | POLLHUP)) !=
	    0;
	int out, in;

	if (fd[0].revents == 0 && fd[1].revents == 0)
		return true;
	out = step(&p->out);
	in = step(&p->in);
	if (out == -1 || in == -1 || (over && out == 0 && in == 0)) {
		end(p, true);
		return false;
	}
	if (p->out.shut && p->in.shut) {
		end(p, false);
		return false;
	}
	return true;
}

void
relay_run(const struct relay *r, unsigned n)
{
	static struct pollfd fd[RELAY_PORTS + 2 * RELAY_MAX];
	static struct pair pairs[RELAY_MAX];
	unsigned i, used = 0, waited;

	for (;;) {
		for (i = 0; i < n; i++)
			fd[i] = (struct pollfd){
				.fd = used < RELAY_MAX ? r[i].fd : -1,
				.events = POLLIN,
			};
		for (i = 0; i < used; i++)
			watch(&pairs[i], &fd[n + 2 * i]);
		waited = used;
		if (poll(fd, n + 2 * used, -1) == -1) {
			if (errno != EINTR)
				return;
			continue;
		}
		/* From behind: the last takes the place of one that ends. */
		for (i = waited; i-- > 0; )
			if (!serve(&pairs[i], &fd[n + 2 * i]))
				pairs[i] = pairs[--used];
		for (i = 0; i < n; i++)
			if (fd[i].revents != 0 && used < RELAY_MAX &&
			    begin(&pairs[used], &r[i]))
				used++;
	}
}
