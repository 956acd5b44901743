#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <linux/capability.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "region/runtime/space.h"

uint32_t
space_ids(uint32_t base)
{
	return base >= SPACE_WIDE_BASE ? SPACE_WIDE_IDS : SPACE_IDS;
}

int
space_become(uid_t uid, gid_t gid)
{
	if (setgroups(0, NULL) == -1 || setresgid(gid, gid, gid) == -1)
		return -1;
	return setresuid(uid, uid, uid);
}

static int
write_map(pid_t pid, const char *which, uint32_t base, struct fail *f)
{
	char path[64], line[64];
	int fd, n;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, which);
	n = snprintf(line, sizeof(line), "0 %u %u\n", base,
	    space_ids(base));
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd == -1 || write(fd, line, (size_t)n) != n) {
		fail_sys(f, EX_OSERR, "%s of a user namespace", which);
		if (fd != -1)
			close(fd);
		return -1;
	}
	close(fd);
	return 0;
}

/*
 * As the id that is its root: what is used in the namespace, of inotify
 * instances and namespaces say, counts for its owner, too, and root's own
 * would be used up.  The limit of processes that its maker has is that of all
 * in it together.  A kernel may want a capability for it, which changing the id
 * puts aside.  0 or an errno value.
 */
static int
own_userns(uint32_t base, bool net)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct caps[2];
	struct rlimit l;

	if (getrlimit(RLIMIT_NPROC, &l) == -1)
		return errno;
	if (l.rlim_max > SPACE_PROCESSES)
		l.rlim_max = SPACE_PROCESSES;
	l.rlim_cur = l.rlim_max;
	/* The saved id stays, and with it what it may do. */
	if (setrlimit(RLIMIT_NPROC, &l) == -1 ||
	    setresuid(base, base, (uid_t)-1) == -1 ||
	    syscall(SYS_capget, &head, caps) == -1)
		return errno;
	caps[0].effective = caps[0].permitted;
	caps[1].effective = caps[1].permitted;
	if (syscall(SYS_capset, &head, caps) == -1 ||
	    unshare(CLONE_NEWUSER | (net ? CLONE_NEWNET : 0)) == -1)
		return errno;
	return 0;
}

static int
no_userns(int error, struct fail *f)
{
	if (error == EPERM)
		return fail_set(f, EX_OSERR, "no user namespace available: the "
		    "kernel refuses them in a chroot; enter it by pivot_root, "
		    "or as a container");
	return fail_set(f, EX_OSERR, "no user namespace available: %s; see "
	    "user.max_user_namespaces in sysctl(8)", strerror(error));
}

/* A descriptor of one of the holder's namespaces. */
static int
take(pid_t holder, const char *which, struct fail *f)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)holder, which);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		fail_sys(f, EX_OSERR, "%s", path);
	return fd;
}

int
space_make(struct space *s, uint32_t base, bool net, struct fail *f)
{
	int ask[2], error = 0;

	if (pipe2(ask, O_CLOEXEC) == -1)
		return fail_sys(f, EX_OSERR, "pipe");
	s->holder = fork();
	if (s->holder == -1) {
		close(ask[0]);
		close(ask[1]);
		return fail_sys(f, EX_OSERR, "fork");
	}
	if (s->holder == 0) {
		close(ask[0]);
		error = own_userns(base, net);
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		/* So that who has the same id may look our namespaces up. */
		prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
		if (write(ask[1], &error, sizeof(error)) == sizeof(error))
			for (;;)
				pause();
		_exit(1);
	}
	close(ask[1]);
	if (read(ask[0], &error, sizeof(error)) != sizeof(error))
		error = EAGAIN;
	close(ask[0]);
	if (error != 0)
		no_userns(error, f);
	else if (write_map(s->holder, "uid_map", base, f) == 0 &&
	    write_map(s->holder, "gid_map", base, f) == 0 &&
	    (s->user = take(s->holder, "user", f)) != -1 &&
	    (!net || (s->net = take(s->holder, "net", f)) != -1))
		return 0;
	space_let_go(s);
	return -1;
}

void
space_let_go(struct space *s)
{
	if (s->holder == -1)
		return;
	kill(s->holder, SIGKILL);
	waitpid(s->holder, NULL, 0);
	s->holder = -1;
}
