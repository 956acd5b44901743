#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/types.h>
#include <sys/wait.h>

#include <net/if.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "region/runtime/network.h"
#include "region/runtime/relay.h"
#include "region/runtime/rootless.h"

/* It takes hundredths of a second; a busy machine may need longer. */
#define READY_MS	20000

static const char *const words[] = { "none", "store", "outside", "host" };

int
network_option(struct network *n, int option, const char *arg, struct fail *f)
{
	const char *error;
	unsigned i;

	if (option == 'N') {
		for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if (strcmp(arg, words[i]) == 0) {
				n->kind = (enum network_kind)i;
				return 0;
			}
		return fail_set(f, EX_USAGE, "--network %.40s: none, store, "
		    "outside or host", arg);
	}
	if (n->nports == NETWORK_PORTS)
		return fail_set(f, EX_USAGE, "--reach: more than %u",
		    NETWORK_PORTS);
	n->port[n->nports] = (uint16_t)strtonum(arg, 1, UINT16_MAX, &error);
	if (error != NULL)
		return fail_set(f, EX_USAGE, "--reach %.40s: not a port", arg);
	/* Twice the same is once. */
	for (i = 0; n->port[i] != n->port[n->nports]; i++)
		;
	n->nports += i == n->nports;
	return 0;
}

const char *
network_word(enum network_kind kind)
{
	return words[kind];
}

/* A new namespace has an interface of this name, which is down. */
static int
loopback_up(struct fail *f)
{
	struct ifreq ifr = { .ifr_name = "lo" };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), r = -1;

	if (fd != -1 && ioctl(fd, SIOCGIFFLAGS, &ifr) == 0) {
		ifr.ifr_flags |= IFF_UP;
		r = ioctl(fd, SIOCSIFFLAGS, &ifr);
	}
	if (r == -1)
		fail_sys(f, EX_OSERR, "the loopback interface of a sandbox");
	if (fd != -1)
		close(fd);
	return r;
}

struct inside {
	const struct network	*n;
	int			 netns;
	struct relay		*relay;
	struct fail		*f;
	int			 r;
};

/* In there: its loopback interface, and what listens on it. */
static int
inside(void *arg)
{
	struct inside *in = arg;
	const struct network *n = in->n;
	unsigned i;

	if (setns(in->netns, CLONE_NEWNET) == -1) {
		in->r = fail_sys(in->f, EX_OSERR, "network namespace");
		return 0;
	}
	in->r = loopback_up(in->f);
	for (i = 0; in->r == 0 && n->kind != NETWORK_NONE && i < n->nports;
	    i++) {
		in->relay[i].port = n->port[i];
		in->relay[i].fd = relay_listen(n->port[i], in->f);
		if (in->relay[i].fd == -1)
			in->r = -1;
	}
	return 0;
}

/*
 * Whoever is not root of the machine does not come back out of a network
 * namespace.  So a child goes in, with our memory and descriptors.
 */
static int
furnish(const struct network *n, int netns, struct relay *relay,
    struct fail *f)
{
	static _Alignas(16) char stack[64 << 10];
	struct inside in = { n, netns, relay, f, -1 };
	pid_t pid;

	pid = clone(inside, stack + sizeof(stack), CLONE_VM | CLONE_VFORK |
	    CLONE_FILES | SIGCHLD, &in);
	if (pid == -1)
		return fail_sys(f, EX_OSERR, "clone");
	while (waitpid(pid, NULL, 0) == -1 && errno == EINTR)
		;
	return in.r;
}

/*
 * In a child: who it is, from now on, and what it does not keep.  It counts for
 * the limits of the sandbox, but is not what the kernel ends when the sandbox
 * has used up its memory.
 */
static bool
become(uint32_t base, pid_t parent)
{
	sigset_t none;
	int fd;

	fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd != -1) {
		/* Where even root may not, it may be ended like others. */
		if (write(fd, "-999", 4) == -1)
			errno = 0;
		close(fd);
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (space_become(base, base) == -1 || chdir("/") == -1)
		return false;
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	/* Changing ids has cleared it, had it been set before. */
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	return getppid() == parent;
}

static pid_t
forwarder(const struct network *n, uint32_t base, struct relay *relay)
{
	pid_t parent = getpid(), pid;
	unsigned i;

	pid = fork();
	if (pid == 0) {
		/* Nothing of ours but the sockets, below all others. */
		for (i = 0; i < n->nports; i++)
			if (dup2(relay[i].fd, (int)(3 + i)) == -1)
				_exit(1);
			else
				relay[i].fd = (int)(3 + i);
		close_range(3 + n->nports, ~0U, 0);
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (become(base, parent))
			relay_run(relay, n->nports);
		_exit(1);
	}
	return pid;
}

/*
 * The device that pasta opens as the sandbox's id, which on many machines is
 * root's alone: one of its own, in its own mount namespace.
 */
static bool
tunnel(uint32_t base)
{
	struct stat st;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1)
		return false;
	if (stat("/dev/net/tun", &st) == 0 && S_ISCHR(st.st_mode) &&
	    (st.st_mode & 06) == 06)
		return true;
	/* Whoever starts a region may keep its files from all others. */
	umask(022);
	return mount("tmpfs", "/dev", "tmpfs", MS_NOSUID | MS_NOEXEC,
	    "mode=755,size=64k") == 0 &&
	    mknod("/dev/null", S_IFCHR | 0666, makedev(1, 3)) == 0 &&
	    chmod("/dev/null", 0666) == 0 && mkdir("/dev/net", 0755) == 0 &&
	    mknod("/dev/net/tun", S_IFCHR | 0600, makedev(10, 200)) == 0 &&
	    chown("/dev/net/tun", base, base) == 0;
}

/* Its stdout says when it is ready, its stderr what it lacks. */
static _Noreturn void
pasta(uint32_t base, pid_t parent, pid_t holder, int out, int err)
{
	char pid[16];
	int null;

	snprintf(pid, sizeof(pid), "%d", (int)holder);
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null == -1 || dup2(null, 0) == -1 || dup2(out, 1) == -1 ||
	    dup2(err, 2) == -1)
		_exit(126);
	close_range(3, ~0U, 0);
	if (fchown(1, base, base) == -1 || unshare(CLONE_NEWNS) == -1 ||
	    !tunnel(base)) {
		dprintf(2, "/dev/net/tun: %s%s\n", strerror(errno),
		    rootless() ? "; as root, chmod 666 /dev/net/tun" : "");
		_exit(126);
	}
	if (!become(base, parent))
		_exit(126);
	/* Ignored already, it takes it for a failure. */
	signal(SIGPIPE, SIG_DFL);
	execlp("pasta", "pasta", "--foreground", "--quiet", "--config-net",
	    "--no-netns-quit", "--no-map-gw", "--dns-forward", NETWORK_DNS,
	    "-t", "none", "-u", "none", "-T", "none", "-U", "none",
	    "--pid", "/proc/self/fd/1", pid, (char *)NULL);
	/* A folder of PATH that only root may see into says the second. */
	if (errno == ENOENT || errno == EACCES)
		dprintf(2, "not found; install passt\n");
	else
		dprintf(2, "%s\n", strerror(errno));
	_exit(127);
}

static int
outside(struct network_run *run, uint32_t base, pid_t holder, struct fail *f)
{
	int out[2] = { -1, -1 }, err[2] = { -1, -1 };
	pid_t parent = getpid();

	if (pipe2(out, O_CLOEXEC) == -1 || pipe2(err, O_CLOEXEC) == -1) {
		fail_sys(f, EX_OSERR, "pipe");
		if (out[0] != -1) {
			close(out[0]);
			close(out[1]);
		}
		return -1;
	}
	run->outside = fork();
	if (run->outside == 0)
		pasta(base, parent, holder, out[1], err[1]);
	close(out[1]);
	close(err[1]);
	run->ready = out[0];
	run->said = err[0];
	if (run->outside == -1)
		return fail_sys(f, EX_OSERR, "fork");
	return 0;
}

int
network_start(const struct network *n, uint32_t base, const struct space *s,
    struct network_run *run, struct fail *f)
{
	struct relay relay[NETWORK_PORTS];
	unsigned i;
	int r;

	if (n->kind == NETWORK_HOST)
		return 0;
	for (i = 0; i < NETWORK_PORTS; i++)
		relay[i].fd = -1;
	r = furnish(n, s->net, relay, f);
	if (r == 0 && relay[0].fd != -1) {
		run->forwarder = forwarder(n, base, relay);
		if (run->forwarder == -1)
			r = fail_sys(f, EX_OSERR, "fork");
	}
	for (i = 0; i < NETWORK_PORTS; i++)
		if (relay[i].fd != -1)
			close(relay[i].fd);
	if (r == 0 && n->kind == NETWORK_OUTSIDE)
		r = outside(run, base, s->holder, f);
	if (r == -1)
		network_stop(run);
	return r;
}

/* Of what it has printed, the last line that says why. */
static void
last_words(int fd, char *line, size_t size)
{
	char text[4096], *p, *end;
	size_t n = 0;
	ssize_t got;

	while (n < sizeof(text) - 1 &&
	    (got = read(fd, text + n, sizeof(text) - 1 - n)) > 0)
		n += (size_t)got;
	text[n] = '\0';
	snprintf(line, size, "it ended at once");
	for (p = text; *p != '\0'; p = end) {
		end = p + strcspn(p, "\n");
		if (*end == '\n')
			*end++ = '\0';
		/* Its complaint that there is no log is not the reason. */
		if (*p == '\0' || strstr(p, "syslog") != NULL)
			continue;
		/* Nor is the time. */
		p += strspn(p, "0123456789.: ");
		snprintf(line, size, "%.*s", (int)size - 1, p);
	}
}

int
network_ready(struct network_run *run, struct fail *f)
{
	struct pollfd p = { run->ready, POLLIN, 0 };
	char why[200], pid[32];

	if (run->ready == -1)
		return 0;
	while (poll(&p, 1, READY_MS) == -1 && errno == EINTR)
		;
	if (p.revents == 0)
		return fail_set(f, EX_OSERR, "pasta: not ready after %d s",
		    READY_MS / 1000);
	/* It writes its number when all is done; its end writes nothing. */
	if (read(run->ready, pid, sizeof(pid)) <= 0) {
		kill(run->outside, SIGKILL);
		last_words(run->said, why, sizeof(why));
		return fail_set(f, EX_OSERR, "pasta: %s", why);
	}
	close(run->ready);
	close(run->said);
	run->ready = run->said = -1;
	return 0;
}

void
network_stop(struct network_run *run)
{
	pid_t *which[2] = { &run->outside, &run->forwarder };
	int i;

	for (i = 0; i < 2; i++) {
		if (*which[i] == -1)
			continue;
		kill(*which[i], SIGKILL);
		while (waitpid(*which[i], NULL, 0) == -1 && errno == EINTR)
			;
		*which[i] = -1;
	}
	if (run->ready != -1)
		close(run->ready);
	if (run->said != -1)
		close(run->said);
	run->ready = run->said = -1;
}
