/* tl-runtime: the inside of a sandbox; tl-sandboxd runs it, nobody else. */
#include <sys/mount.h>
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
#include "region/runtime/loop.h"
#include "region/runtime/message.h"
#include "region/runtime/network.h"
#include "region/runtime/root.h"
#include "region/runtime/rootless.h"

static const char usage[] =
"usage: tl-runtime [-b ID] [-C FILE] [-d MB] [-g FOLDER] [-i FOLDER] [-n NAME]\n"
"           [-t FOLDER] [-N KIND] [-p PORT] [-u USER] FOLDER\n"
"       tl-runtime -c [-b ID] [-N KIND]\n"
"       tl-runtime -e [-b ID] COMMAND [ARGUMENT...]\n"
"  -b, --base ID        first of its user and group ids\n"
"  -c, --check          check that sandboxes can be made here\n"
"  -C, --cache FILE     a builder's cache: a disk at /var/cache/tl-rootfs-build\n"
"  -d, --disk-mb N      size of the disk, in MiB\n"
"  -e, --enter          run a command as root of the user namespace that an\n"
"                       ordinary user's sandboxes are made in; with --base, of\n"
"                       such a sandbox's\n"
"  -g, --cgroup FOLDER  join this cgroup (repeatable)\n"
"  -i, --image FOLDER   an image's root, instead of this machine's /usr\n"
"  -n, --name NAME      host name\n"
"  -N, --network KIND   what it reaches: none, store, outside, host\n"
"  -p, --reach PORT     this port of the host's loopback (repeatable)\n"
"  -t, --tools FOLDER   mounted read-only at /usr/local/bin\n"
"  -u, --user USER      of an image: who reads and writes files (root)\n"
"  -h, --help  -V, --version  -v, --verbose\n"
"tl-sandboxd runs it, with a socket and a filter as descriptors 3 and 4.\n";

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
check(uint32_t base, const struct network *network)
{
	struct network_run net = NETWORK_RUN_INIT;
	struct space space = SPACE_INIT;
	struct fail f;
	uint32_t n;

	if (loop_check(&f) == -1)
		warnx("sandboxes have no disk limit: %s", f.msg);
	else if (system("command -v mke2fs >/dev/null") != 0)
		errx(EX_OSERR, "mke2fs: not found; install e2fsprogs");
	if (unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS) == -1)
		err(errno == EPERM ? EX_NOPERM : EX_OSERR,
		    "mount, ipc and uts namespaces");
	if (base == 0 && rootless_ids(&base, &n, &f) == -1)
		opt_fail(&f);
	if (space_make(&space, base, network->kind != NETWORK_HOST, &f) == -1)
		opt_fail(&f);
	if (network_start(network, base, &space, &net, &f) == -1 ||
	    network_ready(&net, &f) == -1) {
		f.status = EX_UNAVAILABLE;
		opt_fail(&f);
	}
	network_stop(&net);
	space_let_go(&space);
	exit(0);
}

/* As the command's owner, in effect, of all that sandboxes have made. */
static _Noreturn void
enter(uint32_t base, char *argv[])
{
	struct space space = SPACE_INIT;
	struct fail f;

	if (base != 0) {
		if (space_make(&space, base, false, &f) == -1)
			opt_fail(&f);
		if (setns(space.user, CLONE_NEWUSER) == -1 ||
		    space_become(0, 0) == -1)
			err(EX_OSERR, "user namespace");
		space_let_go(&space);
	}
	execvp(argv[0], argv);
	err(errno == ENOENT ? 127 : 126, "%s", argv[0]);
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
run(struct root *r, const struct network *network)
{
	struct message_head born = { .kind = MESSAGE_BORN };
	struct network_run net = NETWORK_RUN_INIT;
	struct fail f;
	pid_t pid;

	/* The thread that made us lives as long as the sandbox may. */
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	umask(022);
	signal(SIGPIPE, SIG_IGN);
	if (network->kind == NETWORK_OUTSIDE)
		r->dns = NETWORK_DNS;
	if (space_make(&r->space, r->base, network->kind != NETWORK_HOST,
	    &f) == -1 || network_start(network, r->base, &r->space, &net,
	    &f) == -1)
		failed(&f);
	if (unshare(CLONE_NEWNS) == -1 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1) {
		fail_sys(&f, EX_OSERR, "mount namespace");
		failed(&f);
	}
	if (root_build(r, &f) == -1 || network_ready(&net, &f) == -1)
		failed(&f);
	space_let_go(&r->space);
	if (unshare(CLONE_NEWPID) == -1 || (pid = fork()) == -1) {
		fail_sys(&f, EX_OSERR, "pid namespace");
		failed(&f);
	}
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		root_let_go(r);
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
	root_end(r);
	network_stop(&net);
	_exit(0);
}

int
main(int argc, char *argv[])
{
	static const struct option longs[] = {
		{ "base", required_argument, NULL, 'b' },
		{ "cache", required_argument, NULL, 'C' },
		{ "check", no_argument, NULL, 'c' },
		{ "cgroup", required_argument, NULL, 'g' },
		{ "disk-mb", required_argument, NULL, 'd' },
		{ "enter", no_argument, NULL, 'e' },
		{ "image", required_argument, NULL, 'i' },
		{ "name", required_argument, NULL, 'n' },
		{ "network", required_argument, NULL, 'N' },
		{ "reach", required_argument, NULL, 'p' },
		{ "tools", required_argument, NULL, 't' },
		{ "user", required_argument, NULL, 'u' },
		OPT_COMMON,
		{ NULL, 0, NULL, 0 }
	};
	struct root r = {
		.name = "sandbox", .user = "root", .disk_mb = 1024,
		.disk = -1, .space = SPACE_INIT,
	};
	struct network network = { .kind = NETWORK_NONE };
	bool checking = false, entering = false;
	socklen_t len;
	struct fail f;
	int ch, type;

	while ((ch = getopt_long(argc, argv, "+b:C:cd:eg:hi:N:n:p:t:u:Vv", longs,
	    NULL)) != -1)
		switch (ch) {
		case 'b':
			r.base = (uint32_t)opt_number("--base", optarg, 1,
			    UINT32_MAX - 2 * SPACE_IDS);
			break;
		case 'C':
			r.cache = optarg;
			break;
		case 'c':
			checking = true;
			break;
		case 'd':
			r.disk_mb = opt_number("--disk-mb", optarg,
			    ROOT_DISK_MB_MIN, ROOT_DISK_MB_MAX);
			break;
		case 'e':
			entering = true;
			break;
		case 'g':
			join(optarg);
			break;
		case 'h':
			opt_help(usage);
		case 'i':
			r.image = optarg;
			break;
		case 'n':
			r.name = optarg;
			break;
		case 'N':
		case 'p':
			if (network_option(&network, ch, optarg, &f) == -1)
				opt_fail(&f);
			break;
		case 't':
			r.tools = optarg;
			break;
		case 'u':
			r.user = optarg;
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
	if (geteuid() != 0 && rootless_enter(&f) == -1)
		opt_fail(&f);
	if (checking && argc == 0)
		check(r.base, &network);
	if (entering && argc > 0)
		enter(r.base, argv);
	if (argc != 1 || entering || checking)
		opt_usage(usage);
	if (r.base == 0)
		r.base = SPACE_WIDE_BASE;
	r.folder = argv[0];
	len = sizeof(type);
	if (getsockopt(MESSAGE_FD, SOL_SOCKET, SO_TYPE, &type, &len) == -1 ||
	    type != SOCK_SEQPACKET)
		errx(EX_USAGE, "descriptor 3 is not the socket that "
		    "tl-sandboxd runs me with");
	fcntl(MESSAGE_FD, F_SETFD, FD_CLOEXEC);
	fcntl(FILTER_FD, F_SETFD, FD_CLOEXEC);
	run(&r, &network);
}
