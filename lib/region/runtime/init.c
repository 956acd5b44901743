#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>

#include <linux/capability.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "region/runtime/files.h"
#include "region/runtime/filter.h"
#include "region/runtime/init.h"
#include "region/runtime/message.h"
#include "region/runtime/terminal.h"

/*
 * What root keeps: what unpacking images and buildah's chroot isolation need.
 * These hold in the sandbox's user namespace only; dropping the rest is a
 * second wall.
 */
static const int kept[] = {
	CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER,
	CAP_FSETID, CAP_KILL, CAP_SETGID, CAP_SETUID, CAP_SETPCAP,
	CAP_NET_BIND_SERVICE, CAP_NET_RAW, CAP_IPC_LOCK, CAP_IPC_OWNER,
	CAP_SYS_CHROOT, CAP_SYS_ADMIN, CAP_SYS_NICE, CAP_SYS_RESOURCE,
	CAP_MKNOD, CAP_LEASE, CAP_AUDIT_WRITE, CAP_SETFCAP,
};

/* Processes started by request and not yet reaped; others are orphans. */
struct child {
	pid_t		 pid;
	struct child	*next;
};

static struct child *children;
static const struct root *root;

static void
tell(int sock, enum message_kind kind, uint32_t tag, pid_t pid, int value,
    const char *words)
{
	struct message_head h = { kind, tag, pid, value };
	struct iovec iov[2] = {
		{ &h, sizeof(h) },
		{ (void *)(uintptr_t)words, words == NULL ? 0 : strlen(words) },
	};
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };

	/* A daemon that is gone is noticed when we read. */
	while (sendmsg(sock, &m, MSG_NOSIGNAL) == -1 && errno == EINTR)
		;
}

static void
drop_capabilities(void)
{
	size_t i;
	int cap;

	for (cap = 0; cap <= CAP_LAST_CAP; cap++) {
		for (i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
			if (kept[i] == cap)
				break;
		if (i == sizeof(kept) / sizeof(kept[0]))
			prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	}
}

static int
enter(const struct root *r, struct fail *f)
{
	if (r->space.net != -1 && setns(r->space.net, CLONE_NEWNET) == -1)
		return fail_sys(f, 71, "network namespace");
	if (root_enter(f) == -1)
		return -1;
	if (setns(r->space.user, CLONE_NEWUSER) == -1)
		return fail_sys(f, 71, "user namespace");
	close(r->space.user);
	if (r->space.net != -1)
		close(r->space.net);
	/*
	 * A second mount namespace, owned by the sandbox's user namespace: its
	 * root may mount there, and what is mounted already is locked.
	 */
	if (unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS |
	    CLONE_NEWCGROUP) == -1)
		return fail_sys(f, 71, "namespaces");
	if (sethostname(r->name, strlen(r->name)) == -1)
		return fail_sys(f, 71, "host name");
	if (space_become(0, 0) == -1)
		return fail_sys(f, 71, "becoming root");
	/*
	 * Our image was made outside the user namespace, so while we are not
	 * dumpable its root can neither trace us nor look into our /proc
	 * folder.
	 */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	/* Changing ids has cleared it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	syscall(SYS_keyctl, 1 /* KEYCTL_JOIN_SESSION_KEYRING */, NULL);
	drop_capabilities();
	umask(022);
	if (filter_set(FILTER_FD, f) == -1)
		return -1;
	close(FILTER_FD);
	return 0;
}

/* An id of this namespace in digits; no others are there. */
static bool
number(const char *s, unsigned *id)
{
	size_t n = strspn(s, "0123456789");

	if (n == 0 || n > 6 || s[n] != '\0')
		return false;
	*id = (unsigned)atoi(s);
	return *id < SPACE_WIDE_IDS;
}

/* The sandbox's own passwd file: NSS would run the sandbox's modules here. */
static bool
find_user(const char *name, struct passwd *pw)
{
	static char buf[4096];
	struct passwd *found;
	unsigned id;
	FILE *in;

	in = fopen("/etc/passwd", "re");
	if (in == NULL)
		return false;
	while (fgetpwent_r(in, pw, buf, sizeof(buf), &found) == 0)
		if (strcmp(pw->pw_name, name) == 0 || (number(name, &id) &&
		    pw->pw_uid == id)) {
			fclose(in);
			return true;
		}
	fclose(in);
	return false;
}

static bool
find_group(const char *name, gid_t *gid)
{
	static char buf[65536];
	struct group gr, *found;
	bool there = false;
	FILE *in;

	in = fopen("/etc/group", "re");
	if (in == NULL)
		return false;
	while (!there && fgetgrent_r(in, &gr, buf, sizeof(buf), &found) == 0)
		if ((there = strcmp(gr.gr_name, name) == 0))
			*gid = gr.gr_gid;
	fclose(in);
	return there;
}

/*
 * A user as an image's USER has it: NAME or ID, and ":GROUP" or not.  One that
 * no file knows is there all the same if it is a number, or root.
 */
static bool
who(const char *word, struct passwd *pw)
{
	static char name[128];
	char *group;
	unsigned id;

	if (strlen(word) >= sizeof(name))
		return false;
	strcpy(name, word);
	group = strchr(name, ':');
	if (group != NULL)
		*group++ = '\0';
	if (!find_user(name, pw)) {
		if (strcmp(name, "root") == 0)
			id = 0;
		else if (!number(name, &id))
			return false;
		*pw = (struct passwd){ .pw_name = name, .pw_dir =
		    (char *)(uintptr_t)"/", .pw_uid = id };
	}
	if (group == NULL)
		return true;
	if (number(group, &id)) {
		pw->pw_gid = id;
		return true;
	}
	return find_group(group, &pw->pw_gid);
}

struct start {
	const char	*user, *cwd;
	char		**argv, **env;
	int		 in, out, err;	/* in: -1 if it has none */
	int		 line;		/* a terminal's, or -1 */
	struct terminal_size size;
};

/* Descriptors 0 to 2 of what has no terminal. */
static int
streams(const struct start *s)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	return null == -1 || dup2(s->in != -1 ? s->in : null, 0) == -1 ||
	    dup2(s->out, 1) == -1 || dup2(s->err, 2) == -1 ? -1 : 0;
}

/* In the child: never returns.  The stage that failed goes down the pipe. */
static _Noreturn void
become(const struct start *s, const struct passwd *pw, int report)
{
	struct { int error; char what[120]; } why = { 0, "" };
	const char *cwd = s->cwd[0] != '\0' ? s->cwd : pw->pw_dir;
	sigset_t none;
	int sig;
	size_t i;

	sigemptyset(&none);
	for (sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);
	setsid();
	snprintf(why.what, sizeof(why.what), "standard streams");
	if (s->line == -1 && streams(s) == -1)
		goto failed;
	snprintf(why.what, sizeof(why.what), "user %.80s", s->user);
	if (space_become(pw->pw_uid, pw->pw_gid) == -1)
		goto failed;
	/* The user's own from here on. */
	snprintf(why.what, sizeof(why.what), "terminal");
	if (s->line != -1 && terminal_lead(s->line, s->size) == -1)
		goto failed;
	snprintf(why.what, sizeof(why.what), "%.100s", cwd);
	if (chdir(cwd) == -1)
		goto failed;
	/* What is asked for comes last, and wins. */
	clearenv();
	setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:"
	    "/sbin:/bin", 1);
	setenv("LANG", "C.UTF-8", 1);
	setenv("HOME", pw->pw_dir, 1);
	setenv("USER", pw->pw_name, 1);
	setenv("LOGNAME", pw->pw_name, 1);
	for (i = 0; s->env[i] != NULL; i++)
		putenv(s->env[i]);
	snprintf(why.what, sizeof(why.what), "%.100s", s->argv[0]);
	execvp(s->argv[0], s->argv);
failed:
	why.error = errno;
	if (write(report, &why, sizeof(why)) == -1)
		_exit(126);
	_exit(127);
}

static void
start(int sock, const struct message_head *h, const struct start *s)
{
	struct { int error; char what[120]; } why;
	struct passwd pw;
	struct child *c;
	int report[2];
	pid_t pid;

	if (!who(s->user, &pw)) {
		tell(sock, MESSAGE_REFUSED, h->tag, 0, EINVAL, "user");
		return;
	}
	c = malloc(sizeof(*c));
	if (c == NULL || pipe2(report, O_CLOEXEC) == -1) {
		tell(sock, MESSAGE_REFUSED, h->tag, 0, errno, "process");
		free(c);
		return;
	}
	pid = fork();
	if (pid == 0) {
		close(report[0]);
		close(sock);
		become(s, &pw, report[1]);
	}
	close(report[1]);
	if (pid == -1) {
		tell(sock, MESSAGE_REFUSED, h->tag, 0, errno, "process");
		free(c);
	} else if (read(report[0], &why, sizeof(why)) == sizeof(why)) {
		while (waitpid(pid, NULL, 0) == -1 && errno == EINTR)
			;
		why.what[sizeof(why.what) - 1] = '\0';
		tell(sock, MESSAGE_REFUSED, h->tag, 0, why.error, why.what);
		free(c);
	} else {
		c->pid = pid;
		c->next = children;
		children = c;
		tell(sock, MESSAGE_STARTED, h->tag, pid, 0, NULL);
	}
	close(report[0]);
}

/* As the sandbox's user: where there is nobody to do it, the line just ends. */
static void
file(int sock, int line, int op, const char *path)
{
	uid_t uid = SANDBOX_UID;
	gid_t gid = SANDBOX_UID;
	struct passwd pw;

	if (fork() != 0)
		return;
	close(sock);
	if (root->image != NULL) {
		if (!who(root->user, &pw))
			_exit(0);
		uid = pw.pw_uid;
		gid = pw.pw_gid;
	}
	if (space_become(uid, gid) == 0 && chdir("/") == 0) {
		prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
		files_serve(line, op, path);
	}
	_exit(0);
}

/* Cut a MESSAGE_START's text into its strings.  The caller frees s->argv. */
static bool
split(struct start *s, char *p, char *end, int words)
{
	size_t n = 0, i;
	char *q, **list;

	for (q = p; q < end; q++)
		n += *q == '\0';
	if (words < 1 || n < 2 + (size_t)words || end[-1] != '\0')
		return false;
	/* argv, its NULL, environment, its NULL. */
	list = calloc(n + 2, sizeof(*list));
	if (list == NULL)
		return false;
	s->user = p;
	p += strlen(p) + 1;
	s->cwd = p;
	p += strlen(p) + 1;
	s->argv = list;
	for (i = 0; i < (size_t)words; i++, p += strlen(p) + 1)
		list[i] = p;
	list[i++] = NULL;
	s->env = list + i;
	for (; p < end; p += strlen(p) + 1)
		list[i++] = p;
	return true;
}

/* One message: false when the daemon is gone. */
static bool
serve(int sock)
{
	static char text[MESSAGE_TEXT_MAX];
	union {
		struct cmsghdr	 head;
		char		 room[CMSG_SPACE(3 * sizeof(int))];
	} control;
	struct message_head h;
	struct iovec iov[2] = { { &h, sizeof(h) }, { text, sizeof(text) } };
	struct msghdr m = {
		.msg_iov = iov,
		.msg_iovlen = 2,
		.msg_control = control.room,
		.msg_controllen = sizeof(control.room),
	};
	struct start s = { .argv = NULL };
	struct cmsghdr *c;
	int fd[3] = { -1, -1, -1 };
	struct child *child;
	size_t size, i;
	ssize_t n;

	n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
	if (n == -1)
		return errno == EINTR;
	if (n < (ssize_t)sizeof(h))
		return false;
	c = CMSG_FIRSTHDR(&m);
	if (c != NULL && c->cmsg_level == SOL_SOCKET &&
	    c->cmsg_type == SCM_RIGHTS) {
		size = c->cmsg_len - CMSG_LEN(0);
		memcpy(fd, CMSG_DATA(c), size < sizeof(fd) ? size :
		    sizeof(fd));
	}
	n -= (ssize_t)sizeof(h);
	switch (h.kind) {
	case MESSAGE_START:
	case MESSAGE_TERMINAL:
		s.in = fd[2];
		s.out = fd[0];
		s.err = fd[1];
		s.line = h.kind == MESSAGE_TERMINAL ? fd[0] : -1;
		s.size.rows = (uint16_t)(h.pid >> 16);
		s.size.cols = (uint16_t)h.pid;
		if ((s.line != -1 || fd[1] != -1) && n > 0 && split(&s, text, text + n, h.value))
			start(sock, &h, &s);
		else
			tell(sock, MESSAGE_REFUSED, h.tag, 0, EINVAL,
			    "request");
		free(s.argv);
		break;
	case MESSAGE_FILE:
		if (fd[0] != -1 && n > 0 && text[n - 1] == '\0')
			file(sock, fd[0], h.value, text);
		break;
	case MESSAGE_KILL:
		/* Only what is not yet reaped: its number is still its own. */
		for (child = children; child != NULL; child = child->next)
			if (child->pid == h.pid)
				kill(-h.pid, h.value);
		break;
	}
	for (i = 0; i < sizeof(fd) / sizeof(fd[0]); i++)
		if (fd[i] != -1)
			close(fd[i]);
	return true;
}

static void
reap(int sock)
{
	struct child **p, *c;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (p = &children; (c = *p) != NULL; p = &c->next)
			if (c->pid == pid) {
				*p = c->next;
				free(c);
				tell(sock, MESSAGE_ENDED, 0, pid, status,
				    NULL);
				break;
			}
}

void
init_run(int sock, const struct root *r)
{
	struct pollfd p[2] = { { sock, POLLIN, 0 }, { -1, POLLIN, 0 } };
	struct signalfd_siginfo si;
	struct fail f;
	sigset_t chld;
	int null;

	root = r;
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_SETMASK, &chld, NULL);
	p[1].fd = signalfd(-1, &chld, SFD_CLOEXEC | SFD_NONBLOCK);
	if (p[1].fd == -1)
		fail_sys(&f, 71, "signalfd");
	if (p[1].fd == -1 || enter(r, &f) == -1) {
		tell(sock, MESSAGE_FAILED, 0, 0, 0, f.msg);
		return;
	}
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null == -1 || dup2(null, 0) == -1 || dup2(null, 1) == -1 ||
	    dup2(null, 2) == -1) {
		tell(sock, MESSAGE_FAILED, 0, 0, 0,
		    "/dev/null cannot be opened");
		return;
	}
	close(null);
	tell(sock, MESSAGE_READY, 0, 0, 0, NULL);
	for (;;) {
		if (poll(p, 2, -1) == -1 && errno != EINTR)
			return;
		if (p[1].revents != 0 &&
		    read(p[1].fd, &si, sizeof(si)) == sizeof(si))
			reap(sock);
		if (p[0].revents != 0 && !serve(sock))
			return;
	}
}
