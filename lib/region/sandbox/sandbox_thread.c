#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/clock.h"
#include "region/runtime/loop.h"
#include "region/runtime/message.h"
#include "region/runtime/root.h"
#include "region/sandbox/folder.h"
#include "region/sandbox/proc.h"
#include "region/sandbox/sandbox_thread.h"

/* Making one takes tenths of a second; a busy machine may need longer. */
#define MAKE_MS		60000
/* What its own end may take before it is forced. */
#define END_MS		5000
/* Its end waits no longer for a store that does not answer. */
#define RELEASE_MS	3000

/* Run tl-runtime, its end of the socket as descriptor 3, and nothing else. */
static int
spawn(struct sandbox *b, struct fail *f)
{
	const struct host_options *o = &b->host->options;
	char base[16], disk[24];
	const char *argv[24];
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	int n = 0, pair[2], size = 1 << 20, error;
	unsigned i;
	sigset_t none;
	char *env[2] = { NULL, NULL };
	const char *path = getenv("PATH");

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1)
		return fail_sys(f, EX_OSERR, "socketpair");
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	snprintf(base, sizeof(base), "%u", ROOT_BASE + b->slot * ROOT_IDS);
	snprintf(disk, sizeof(disk), "%ju", (uintmax_t)b->disk_mb);
	argv[n++] = "tl-runtime";
	argv[n++] = "-b";
	argv[n++] = base;
	argv[n++] = "-d";
	argv[n++] = disk;
	argv[n++] = "-n";
	argv[n++] = b->id;
	if (o->tools != NULL) {
		argv[n++] = "-t";
		argv[n++] = o->tools;
	}
	for (i = 0; i < b->cgroup.n; i++) {
		argv[n++] = "-g";
		argv[n++] = b->cgroup.path[i];
	}
	argv[n++] = b->folder;
	argv[n] = NULL;
	/* Nothing of ours in its environment: it holds the first process. */
	if (path != NULL && asprintf(&env[0], "PATH=%s", path) == -1)
		env[0] = NULL;

	posix_spawn_file_actions_init(&fa);
	posix_spawnattr_init(&attr);
	posix_spawn_file_actions_adddup2(&fa, pair[1], MESSAGE_FD);
	posix_spawn_file_actions_addclosefrom_np(&fa, MESSAGE_FD + 1);
	sigemptyset(&none);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK |
	    POSIX_SPAWN_SETPGROUP);
	posix_spawnattr_setpgroup(&attr, 0);
	error = posix_spawn(&b->runtime, o->runtime, &fa, &attr,
	    (char *const *)(uintptr_t)argv, env);
	posix_spawn_file_actions_destroy(&fa);
	posix_spawnattr_destroy(&attr);
	free(env[0]);
	close(pair[1]);
	if (error != 0) {
		close(pair[0]);
		b->runtime = -1;
		errno = error;
		return fail_sys(f, EX_OSERR, "%s", o->runtime);
	}
	pthread_mutex_lock(&b->lock);
	b->sock = pair[0];
	pthread_mutex_unlock(&b->lock);
	return 0;
}

static int
make(struct sandbox *b, struct fail *f)
{
	if (mkdir(b->folder, 0700) == -1)
		return fail_sys(f, EX_CANTCREAT, "%s", b->folder);
	if (cgroup_make(&b->cgroup, &b->host->cgroups, b->id,
	    b->memory_mb, b->cpus, f) == -1)
		return -1;
	return spawn(b, f);
}

/* Its init is in place: from here on it is used. */
static int
begin(struct sandbox *b, struct fail *f)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/root", (int)b->init);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		return fail_sys(f, EX_OSERR, "root of the sandbox");
	if (folder_owner(b->folder, b->id, &b->owner, f) == -1) {
		close(fd);
		return -1;
	}
	pthread_mutex_lock(&b->lock);
	b->rootfd = fd;
	b->lease_ms = clock_ms();
	b->status = SANDBOX_RUNNING;
	pthread_cond_broadcast(&b->changed);
	pthread_mutex_unlock(&b->lock);
	host_log(b->host, "%s: running after %jd ms", b->id,
	    (intmax_t)(clock_date_ms() - b->created_ms));
	return 0;
}

/* One message of its init: 0, or -1 if that was the last. */
static int
listen_to(struct sandbox *b, struct fail *f)
{
	char text[512];
	struct message_head h;
	struct iovec iov[2] = { { &h, sizeof(h) }, { text, sizeof(text) - 1 } };
	/* No room for descriptors: none are taken from a sandbox. */
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t n;

	n = recvmsg(b->sock, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < (ssize_t)sizeof(h))
		return fail_set(f, EX_OSERR, "its first process ended");
	text[n - (ssize_t)sizeof(h)] = '\0';
	switch (h.kind) {
	case MESSAGE_BORN:
		b->init = h.pid;
		break;
	case MESSAGE_READY:
		b->loop = h.value;
		break;
	case MESSAGE_FAILED:
		return fail_set(f, EX_OSERR, "%s", text);
	case MESSAGE_STARTED:
		proc_started(b, h.tag, h.pid);
		break;
	case MESSAGE_REFUSED:
		proc_refused(b, h.tag, h.value, text);
		break;
	case MESSAGE_ENDED:
		proc_ended(b, h.pid, h.value);
		break;
	}
	return 0;
}

/* What to wait for: the processes' output behind the first two. */
struct watch {
	struct pollfd	*p;
	struct { struct proc *proc; enum outlog_stream stream; } *of;
	size_t		 n, room;
};

static int
watch(struct sandbox *b, struct watch *w)
{
	struct proc *p;
	void *more;
	int i;

	w->n = 2;
	pthread_mutex_lock(&b->lock);
	if (w->room < 2 + 2 * b->nprocs) {
		w->room = 2 + 2 * b->nprocs + 16;
		more = realloc(w->p, w->room * sizeof(*w->p));
		if (more != NULL)
			w->p = more;
		if (more != NULL)
			more = realloc(w->of, w->room * sizeof(*w->of));
		if (more == NULL) {
			pthread_mutex_unlock(&b->lock);
			return -1;
		}
		w->of = more;
	}
	/* One that is still starting may go again, under its starter. */
	for (p = b->procs; p != NULL; p = p->next)
		for (i = OUTLOG_OUT; i <= OUTLOG_ERR; i++)
			if (p->fd[i] != -1 && (p->state == PROC_RUNNING ||
			    p->state == PROC_ENDED)) {
				w->p[w->n].fd = p->fd[i];
				w->p[w->n].events = POLLIN;
				w->of[w->n].proc = p;
				w->of[w->n++].stream = i;
			}
	pthread_mutex_unlock(&b->lock);
	w->p[0].fd = b->sock;
	w->p[0].events = POLLIN;
	w->p[1].fd = b->wake;
	w->p[1].events = POLLIN;
	return 0;
}

/*
 * What is left of its lease; 0 if it has run out, or if the sandbox shall end.
 * While it is being made, the time that may take.
 */
static int
lease_left(struct sandbox *b)
{
	int64_t left;

	pthread_mutex_lock(&b->lock);
	if (b->status == SANDBOX_PENDING)
		left = b->lease_ms + MAKE_MS - clock_ms();
	else
		left = b->lease_ms + (int64_t)b->timeout_s * 1000 -
		    clock_ms();
	if (left <= 0 && !b->ending)
		sandbox_end_locked(b, b->status == SANDBOX_PENDING ?
		    "failed" : "timeout");
	if (b->ending)
		left = 0;
	pthread_mutex_unlock(&b->lock);
	return left > 60000 ? 60000 : (int)left;
}

/* From its first message to whatever ends it. */
static void
serve(struct sandbox *b, struct fail *f)
{
	struct watch w = { NULL, NULL, 0, 0 };
	int left, status = 0;
	size_t i;

	while (status == 0 && (left = lease_left(b)) > 0) {
		if (watch(b, &w) == -1) {
			fail_set(f, EX_OSERR, "out of memory");
			break;
		}
		if (poll(w.p, w.n, left) == -1 && errno != EINTR) {
			fail_sys(f, EX_OSERR, "poll");
			break;
		}
		/* Output first: what a process printed came before its end. */
		for (i = 2; i < w.n; i++)
			if (w.p[i].revents != 0)
				proc_read(b, w.of[i].proc, w.of[i].stream);
		if (w.p[0].revents == 0)
			continue;
		status = listen_to(b, f);
		if (status == 0 && b->status == SANDBOX_PENDING &&
		    b->init != -1 && b->loop != -1)
			status = begin(b, f);
	}
	free(w.p);
	free(w.of);
}

/*
 * The end of its first process is that of all, and its parent, tl-runtime,
 * ends only after it.
 */
static void
reap(struct sandbox *b)
{
	int64_t begun = clock_ms(), took;
	bool forced = false;
	pid_t pid;

	if (b->runtime == -1)
		return;
	for (;;) {
		pid = waitpid(b->runtime, NULL, WNOHANG);
		if (pid == b->runtime || (pid == -1 && errno != EINTR))
			return;
		took = clock_ms() - begun;
		if (took > END_MS && !forced) {
			forced = true;
			host_log(b->host, "%s: does not end, killing it",
			    b->id);
			/* Our child is not reaped, so neither is its. */
			if (b->init > 1)
				kill(b->init, SIGKILL);
			cgroup_kill(&b->cgroup);
		}
		if (took > 2 * END_MS)
			kill(b->runtime, SIGKILL);
		usleep(took < 50 ? 500 : 5000);
	}
}

/* Nobody is inside any more, and no descriptor of its root is open. */
static void
let_go(struct sandbox *b)
{
	struct sandbox_file *file;

	pthread_mutex_lock(&b->lock);
	while (b->busy > 0)
		pthread_cond_wait(&b->changed, &b->lock);
	for (file = b->files; file != NULL; file = file->next) {
		if (file->fd != -1)
			close(file->fd);
		file->fd = -1;
	}
	if (b->rootfd != -1)
		close(b->rootfd);
	b->rootfd = -1;
	if (b->sock != -1)
		close(b->sock);
	b->sock = -1;
	pthread_mutex_unlock(&b->lock);
}

static void
unmake(struct sandbox *b)
{
	char path[PATH_MAX];

	folder_ended(b->folder);
	let_go(b);
	reap(b);
	proc_end_all(b);
	cgroup_kill(&b->cgroup);
	snprintf(path, sizeof(path), "%s/disk.img", b->folder);
	if (b->loop != -1 && loop_gone(b->loop, path, END_MS) == -1)
		host_log(b->host, "%s: /dev/loop%d is still in use", b->id,
		    b->loop);
	if (cgroup_remove(&b->cgroup, END_MS) == -1)
		host_log(b->host, "%s: its cgroup cannot be removed",
		    b->id);
	/* No process is left that could send a part. */
	folder_strip(b->folder);
	if (!release_due(b->releases, b->id))
		folder_remove(b->folder);
	else if (!release_await(b->releases, b->id, RELEASE_MS))
		host_log(b->host, "%s: ends before its uploads are "
		    "released", b->id);
}

void *
sandbox_thread(void *arg)
{
	struct sandbox *b = arg;
	struct fail f = { 0, "" };

	if (make(b, &f) == 0)
		serve(b, &f);
	pthread_mutex_lock(&b->lock);
	if (f.msg[0] != '\0' && !b->ending) {
		snprintf(b->reason, sizeof(b->reason), "%.255s", f.msg);
		sandbox_end_locked(b, "failed");
	}
	sandbox_end_locked(b, "failed");
	pthread_mutex_unlock(&b->lock);
	unmake(b);
	host_log(b->host, "%s: ended: %s%s%s", b->id, b->outcome,
	    b->reason[0] == '\0' ? "" : ": ", b->reason);
	pthread_mutex_lock(&b->lock);
	/* Nobody wakes what is ending; an ended one may be kept for long. */
	close(b->wake);
	b->wake = -1;
	b->status = SANDBOX_ENDED;
	b->ended_ms = clock_ms();
	pthread_cond_broadcast(&b->changed);
	pthread_mutex_unlock(&b->lock);
	return NULL;
}
