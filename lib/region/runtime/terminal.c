#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/types.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "region/runtime/terminal.h"

/* Where the one beside has its two. */
#define MASTER	0
#define LINE	1

static int
resize(int fd, struct terminal_size size)
{
	const struct winsize ws = {
		.ws_row = size.rows, .ws_col = size.cols
	};

	return ioctl(fd, TIOCSWINSZ, &ws);
}

/* What is under way between the two. */
struct relay {
	uint8_t	in[TERMINAL_PACKET + 1], out[TERMINAL_PACKET];
	size_t	at, in_n, out_n;	/* of in, at is sent already */
};

/* A packet from the daemon: false at the end. */
static bool
take(struct relay *r)
{
	ssize_t n = recv(LINE, r->in, sizeof(r->in), MSG_DONTWAIT);

	if (n == -1)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0)
		return false;
	if (r->in[0] == TERMINAL_RESIZE && n >= TERMINAL_SIZE_BYTES)
		resize(MASTER, terminal_resized(r->in));
	r->at = 1;
	r->in_n = r->in[0] == TERMINAL_DATA ? (size_t)n : 1;
	return true;
}

static bool
later(void)
{
	return errno == EAGAIN || errno == EINTR;
}

/* As much as goes now, both ways: false when it is over. */
static bool
step(struct relay *r, const struct pollfd p[2])
{
	ssize_t n;

	if (r->at < r->in_n && p[MASTER].revents != 0) {
		n = write(MASTER, r->in + r->at, r->in_n - r->at);
		if (n > 0)
			r->at += (size_t)n;
		else if (n == 0 || !later())
			r->at = r->in_n;
	}
	if (r->out_n == 0 && p[MASTER].revents != 0) {
		n = read(MASTER, r->out, sizeof(r->out));
		if (n > 0)
			r->out_n = (size_t)n;
		/* EIO: nobody has the terminal open any more. */
		else if (n == 0 || !later())
			return false;
	}
	if (r->out_n > 0) {
		n = send(LINE, r->out, r->out_n, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0)
			r->out_n = 0;
		else if (!later())
			return false;
	}
	if (r->at == r->in_n && p[LINE].revents != 0)
		return take(r);
	return (p[LINE].revents & (POLLHUP | POLLERR)) == 0;
}

static _Noreturn void
relay(void)
{
	static struct relay r;
	struct pollfd p[2];

	do {
		p[MASTER] = (struct pollfd){ .fd = MASTER };
		p[LINE] = (struct pollfd){ .fd = LINE };
		if (r.out_n == 0)
			p[MASTER].events |= POLLIN;
		else
			p[LINE].events |= POLLOUT;
		if (r.at < r.in_n)
			p[MASTER].events |= POLLOUT;
		else
			p[LINE].events |= POLLIN;
		/* One that has hung up would be reported again and again. */
		if (p[MASTER].events == 0)
			p[MASTER].fd = -1;
		if (poll(p, 2, -1) == -1 && errno != EINTR)
			break;
	} while (step(&r, p));
	_exit(0);
}

/*
 * A grandchild, so that it is nobody's child: the command would be told of its
 * end, and might wait for it.
 */
static int
beside(int master, int line)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		/*
		 * Before we go on: the end of a command that is short hangs up
		 * its session, and this one is not to go with it.  The user may
		 * kill it, but not look inside.
		 */
		setsid();
		prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
		pid = fork();
		if (pid != 0)
			_exit(pid == -1);
		if (fcntl(master, F_SETFL, O_NONBLOCK) == -1 ||
		    dup2(master, MASTER) == -1 || dup2(line, LINE) == -1 ||
		    chdir("/") == -1)
			_exit(1);
		close_range(LINE + 2, UINT_MAX, 0);
		relay();
	}
	if (pid == -1)
		return -1;
	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			return -1;
	errno = EAGAIN;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

/* The sandbox's root may have put anything there. */
static bool
is_ptmx(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) &&
	    st.st_rdev == makedev(5, 2);
}

int
terminal_lead(int line, struct terminal_size size)
{
	int master, fd = -1, zero = 0, saved;

	master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (master == -1)
		return -1;
	if (!is_ptmx(master))
		errno = ENODEV;
	else if (ioctl(master, TIOCSPTLCK, &zero) == 0 &&
	    resize(master, size) == 0)
		fd = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
	if (fd != -1 && (ioctl(fd, TIOCSCTTY, 0) == -1 ||
	    beside(master, line) == -1 || dup2(fd, 0) == -1 ||
	    dup2(fd, 1) == -1 || dup2(fd, 2) == -1)) {
		saved = errno;
		close(fd);
		errno = saved;
		fd = -1;
	}
	saved = errno;
	close(master);
	if (fd > 2)
		close(fd);
	errno = saved;
	return fd == -1 ? -1 : 0;
}
