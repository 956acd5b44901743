/* tl-runtime: the inside of a sandbox; tl-sandboxd runs it, nobody else. */
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/opt.h"
#include "region/runtime/init.h"
#include "region/runtime/message.h"
#include "region/runtime/root.h"

static const char usage[] =
"usage: tl-runtime [-b id] [-d mb] [-g cgroup] [-n name] [-t tools] folder\n"
"       tl-runtime -c [-b id]\n"
"  -b, --base ID        first of the 65,536 user and group ids\n"
"  -c, --check          can sandboxes be made here?  0, or a line why not\n"
"  -d, --disk-mb N      size of the disk, in MiB\n"
"  -g, --cgroup FOLDER  be limited by this cgroup; may be repeated\n"
"  -n, --name NAME      host name\n"
"  -t, --tools FOLDER   shown, read-only, at /usr/local/bin\n"
"  -h, --help  -V, --version  -v, --verbose\n"
"tl-sandboxd runs it, with a socket as descriptor 3.\n";

/* mke2fs lies where a user's PATH may not lead to. */
static void
extend_path(void)
{
	const char *path = getenv("PATH");
	char *more;

	if (asprintf(&more, "%s:/usr/sbin:/sbin", path == NULL ||
	    *path == '\0' ? "/usr/bin:/bin" : path) == -1 ||
	    setenv("PATH", more, 1) == -1)
		errx(EX_OSERR, "out of memory");
	free(more);
}

static void
join(const char *cgroup)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd == -1 || write(fd, "0", 1) != 1)
		err(EX_OSERR, "%s", path);
	close(fd);
}

/* Try what a sandbox is made of; ending undoes it. */
static _Noreturn void
check(uint32_t base)
{
	struct fail f;
	int fd;

	if (geteuid() != 0)
		errx(EX_NOPERM, "not root: sandboxes need user, mount and pid "
		    "namespaces and loop devices");
	if (system("command -v mke2fs >/dev/null") != 0)
		errx(EX_OSERR, "mke2fs: not found; install e2fsprogs");
	if (unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC |
	    CLONE_NEWUTS) == -1)
		err(errno == EPERM ? EX_NOPERM : EX_OSERR,
		    "mount, pid, ipc and uts namespaces");
	fd = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	if (fd == -1)
		err(EX_OSERR, "/dev/loop-control (modprobe loop helps)");
	close(fd);
	/* It forks once; a second child would find its init gone. */
	if (root_userns(base, &f) == -1)
		opt_fail(&f);
	/* Nor may anything that runs at exit fork. */
	_exit(0);
}

static _Noreturn void
failed(const struct fail *f)
{
	struct message_head h = { .kind = MESSAGE_FAILED };
	struct iovec iov[2] = {
		{ &h, sizeof(h) },
		{ (void *)(uintptr_t)f->msg, strlen(f->msg) },
	};
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };

	sendmsg(MESSAGE_FD, &m, MSG_NOSIGNAL);
	exit(f->status);
}

/* Make the root here, then live as the parent of the sandbox's init. */
static _Noreturn void
run(struct root *r)
{
	struct message_head born = { .kind = MESSAGE_BORN };
	struct fail f;
	pid_t pid;

	/* The thread that made us lives as long as the sandbox may. */
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	umask(022);
	signal(SIGPIPE, SIG_IGN);
	if (unshare(CLONE_NEWNS) == -1) {
		fail_sys(&f, EX_OSERR, "mount namespace");
		failed(&f);
	}
	if (root_build(r, &f) == -1)
		failed(&f);
	if (unshare(CLONE_NEWPID) == -1 || (pid = fork()) == -1) {
		fail_sys(&f, EX_OSERR, "pid namespace");
		failed(&f);
	}
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		init_run(MESSAGE_FD, r);
		_exit(0);
	}
	born.pid = pid;
	if (send(MESSAGE_FD, &born, sizeof(born), MSG_NOSIGNAL) == -1)
		kill(pid, SIGKILL);
	close(MESSAGE_FD);
	/* Its end is that of all its processes: the kernel waits for them. */
	while (waitpid(pid, NULL, 0) == -1 && errno == EINTR)
		;
	_exit(0);
}

int
main(int argc, char *argv[])
{
	static const struct option longs[] = {
		{ "base", required_argument, NULL, 'b' },
		{ "check", no_argument, NULL, 'c' },
		{ "cgroup", required_argument, NULL, 'g' },
		{ "disk-mb", required_argument, NULL, 'd' },
		{ "name", required_argument, NULL, 'n' },
		{ "tools", required_argument, NULL, 't' },
		OPT_COMMON,
		{ NULL, 0, NULL, 0 }
	};
	struct root r = {
		.name = "sandbox", .disk_mb = 1024, .base = ROOT_BASE,
		.loop = -1, .userns = -1,
	};
	bool checking = false;
	socklen_t len;
	int ch, type;

	while ((ch = getopt_long(argc, argv, "b:cd:g:hn:t:Vv", longs,
	    NULL)) != -1)
		switch (ch) {
		case 'b':
			r.base = (uint32_t)opt_number("--base", optarg,
			    ROOT_IDS, UINT32_MAX - 2 * ROOT_IDS);
			break;
		case 'c':
			checking = true;
			break;
		case 'd':
			r.disk_mb = opt_number("--disk-mb", optarg,
			    ROOT_DISK_MB_MIN, ROOT_DISK_MB_MAX);
			break;
		case 'g':
			join(optarg);
			break;
		case 'h':
			opt_help(usage);
		case 'n':
			r.name = optarg;
			break;
		case 't':
			r.tools = optarg;
			break;
		case 'V':
			opt_version("tl-runtime");
		case 'v':
			break;
		default:
			opt_usage(usage);
		}
	argc -= optind;
	argv += optind;
	extend_path();
	if (checking && argc == 0)
		check(r.base);
	if (argc != 1)
		opt_usage(usage);
	r.folder = argv[0];
	len = sizeof(type);
	if (getsockopt(MESSAGE_FD, SOL_SOCKET, SO_TYPE, &type, &len) == -1 ||
	    type != SOCK_SEQPACKET)
		errx(EX_USAGE, "descriptor 3 is not the socket that "
		    "tl-sandboxd runs me with");
	fcntl(MESSAGE_FD, F_SETFD, FD_CLOEXEC);
	run(&r);
}
