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
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/clock.h"
#include "region/runtime/loop.h"
#include "region/runtime/message.h"
#include "region/runtime/root.h"
#include "region/sandbox/folder.h"
#include "region/sandbox/proc.h"
#include "region/sandbox/sandbox_thread.h"
#include "region/sandbox/terminal.h"

/* Making one takes tenths of a second; a busy machine may need longer. */
#define MAKE_MS		60000
/* What its own end may take before it is forced. */
#define END_MS		5000
/* Its end waits no longer for a store that does not answer. */
#define RELEASE_MS	3000

/* Run tl-runtime with its end of the socket, the filter, and nothing else. */
static int
spawn(struct sandbox *sb, struct fail *f)
{
	const struct host_options *o = &sb->host->options;
	const struct network *net = &o->network;
	char base[16], disk[24], port[NETWORK_PORTS][8];
	const char *argv[30 + 2 * NETWORK_PORTS];
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
	snprintf(base, sizeof(base), "%u", sb->host->first +
	    sb->slot % sb->host->ids *
	    space_ids(sb->host->first));
	snprintf(disk, sizeof(disk), "%ju", (uintmax_t)sb->disk_mb);
	argv[n++] = "tl-runtime";
	argv[n++] = "-b";
	argv[n++] = base;
	argv[n++] = "-d";
	argv[n++] = disk;
	argv[n++] = "-n";
	argv[n++] = sb->id;
	if (sb->root.folder != NULL) {
		argv[n++] = "-i";
		argv[n++] = sb->root.folder;
		if (sb->root.user[0] != '\0') {
			argv[n++] = "-u";
			argv[n++] = sb->root.user;
		}
	} else if (o->tools != NULL) {
		argv[n++] = "-t";
		argv[n++] = o->tools;
	}
	if (cache_source(&sb->cache) != NULL) {
		argv[n++] = "-C";
		argv[n++] = cache_source(&sb->cache);
	}
	for (i = 0; i < sb->cgroup.n; i++) {
		argv[n++] = "-g";
		argv[n++] = sb->cgroup.path[i];
	}
	argv[n++] = "-N";
	argv[n++] = network_word(sb->no_internet &&
	    net->kind == NETWORK_OUTSIDE ? NETWORK_STORE : net->kind);
	for (i = 0; i < net->nports; i++) {
		snprintf(port[i], sizeof(port[i]), "%u", net->port[i]);
		argv[n++] = "-p";
		argv[n++] = port[i];
	}
	argv[n++] = sb->folder;
	argv[n] = NULL;
	/* Nothing of ours in its environment: it holds the first process. */
	if (path != NULL && asprintf(&env[0], "PATH=%s", path) == -1)
		env[0] = NULL;

	posix_spawn_file_actions_init(&fa);
	posix_spawnattr_init(&attr);
	posix_spawn_file_actions_adddup2(&fa, pair[1], MESSAGE_FD);
	/* Opened after the lock, it is not the one just overwritten. */
	posix_spawn_file_actions_adddup2(&fa, sb->host->filter, FILTER_FD);
	posix_spawn_file_actions_addclosefrom_np(&fa, FILTER_FD + 1);
	sigemptyset(&none);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK |
	    POSIX_SPAWN_SETPGROUP);
	posix_spawnattr_setpgroup(&attr, 0);
	error = posix_spawn(&sb->runtime, o->runtime, &fa, &attr,
	    (char *const *)(uintptr_t)argv, env);
	posix_spawn_file_actions_destroy(&fa);
	posix_spawnattr_destroy(&attr);
	free(env[0]);
	close(pair[1]);
	if (error != 0) {
		close(pair[0]);
		sb->runtime = -1;
		errno = error;
		return fail_sys(f, EX_OSERR, "%s", o->runtime);
	}
	pthread_mutex_lock(&sb->lock);
	sb->sock = pair[0];
	pthread_mutex_unlock(&sb->lock);
	return 0;
}

static int
make(struct sandbox *sb, struct fail *f)
{
	if (mkdir(sb->folder, 0700) == -1)
		return fail_sys(f, EX_CANTCREAT, "%s", sb->folder);
	if (cgroup_make(&sb->cgroup, &sb->host->cgroups, sb->id,
	    sb->memory_mb, sb->cpus, f) == -1)
		return -1;
	if (strcmp(sb->image, sb->host->options.builder_image) == 0)
		cache_take(&sb->cache, sb->host, sb->owner.project);
	return spawn(sb, f);
}

/* Its init is in place: from here on it is used. */
static int
begin(struct sandbox *sb, struct fail *f)
{
	if (folder_owner(sb->folder, sb->id, &sb->owner, f) == -1)
		return -1;
	cache_mounted(&sb->cache, sb->host, sb->init);
	pthread_mutex_lock(&sb->lock);
	sb->lease_ms = clock_ms();
	sb->status = SANDBOX_RUNNING;
	pthread_cond_broadcast(&sb->changed);
	pthread_mutex_unlock(&sb->lock);
	host_log(sb->host, "%s: running after %jd ms", sb->id,
	    (intmax_t)(clock_date_ms() - sb->created_ms));
	return 0;
}

/* One message of its init: 0, or -1 if that was the last. */
static int
listen_to(struct sandbox *sb, struct fail *f)
{
	char text[512];
	struct message_head h;
	struct iovec iov[2] = { { &h, sizeof(h) }, { text, sizeof(text) - 1 } };
	/* No room for descriptors: none are taken from a sandbox. */
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t n;

	n = recvmsg(sb->sock, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < (ssize_t)sizeof(h))
		return fail_set(f, EX_OSERR, "its first process ended");
	text[n - (ssize_t)sizeof(h)] = '\0';
	switch (h.kind) {
	case MESSAGE_BORN:
		sb->init = h.pid;
		break;
	case MESSAGE_READY:
		sb->ready = true;
		break;
	case MESSAGE_FAILED:
		return fail_set(f, EX_OSERR, "%s", text);
	case MESSAGE_STARTED:
		proc_started(sb, h.tag, h.pid);
		break;
	case MESSAGE_REFUSED:
		proc_refused(sb, h.tag, h.value, text);
		break;
	case MESSAGE_ENDED:
		proc_ended(sb, h.pid, h.value);
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
watch(struct sandbox *sb, struct watch *w)
{
	struct proc *p;
	void *more;
	int i;

	w->n = 2;
	pthread_mutex_lock(&sb->lock);
	if (w->room < 2 + 2 * sb->nprocs) {
		w->room = 2 + 2 * sb->nprocs + 16;
		more = realloc(w->p, w->room * sizeof(*w->p));
		if (more != NULL)
			w->p = more;
		if (more != NULL)
			more = realloc(w->of, w->room * sizeof(*w->of));
		if (more == NULL) {
			pthread_mutex_unlock(&sb->lock);
			return -1;
		}
		w->of = more;
	}
	/* One that is still starting may go again, under its starter. */
	for (p = sb->procs; p != NULL; p = p->next)
		for (i = OUTLOG_OUT; i <= OUTLOG_ERR; i++)
			if (p->fd[i] != -1 && (p->state == PROC_RUNNING ||
			    p->state == PROC_ENDED) &&
			    (p->screen == NULL || !p->screen->held)) {
				w->p[w->n].fd = p->fd[i];
				w->p[w->n].events = POLLIN;
				w->of[w->n].proc = p;
				w->of[w->n++].stream = i;
			}
	pthread_mutex_unlock(&sb->lock);
	w->p[0].fd = sb->sock;
	w->p[0].events = POLLIN;
	w->p[1].fd = sb->wake;
	w->p[1].events = POLLIN;
	return 0;
}

/*
 * What is left of its lease; 0 if it has run out, or if the sandbox shall end.
 * While it is being made, the time that may take.
 */
static int
lease_left(struct sandbox *sb)
{
	int64_t left;

	pthread_mutex_lock(&sb->lock);
	if (sb->status == SANDBOX_PENDING)
		left = sb->lease_ms + MAKE_MS - clock_ms();
	else
		left = sb->lease_ms + (int64_t)sb->timeout_s * 1000 -
		    clock_ms();
	if (left <= 0 && !sb->ending)
		sandbox_end_locked(sb, sb->status == SANDBOX_PENDING ?
		    "failed" : "timeout");
	if (sb->ending)
		left = 0;
	pthread_mutex_unlock(&sb->lock);
	return left > 60000 ? 60000 : (int)left;
}

/* From its first message to whatever ends it. */
static void
serve(struct sandbox *sb, struct fail *f)
{
	struct watch w = { NULL, NULL, 0, 0 };
	int left, due, status = 0;
	uint64_t woken;
	size_t i;

	while (status == 0 && (left = lease_left(sb)) > 0) {
		due = terminal_due(sb);
		if (due < left)
			left = due;
		if (watch(sb, &w) == -1) {
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
				proc_read(sb, w.of[i].proc, w.of[i].stream);
		if (w.p[1].revents != 0 && read(sb->wake, &woken,
		    sizeof(woken)) == -1 && errno != EAGAIN) {
			fail_sys(f, EX_OSERR, "eventfd");
			break;
		}
		if (w.p[0].revents == 0)
			continue;
		status = listen_to(sb, f);
		if (status == 0 && sb->status == SANDBOX_PENDING &&
		    sb->init != -1 && sb->ready)
			status = begin(sb, f);
	}
	free(w.p);
	free(w.of);
}

/*
 * The end of its first process is that of all, and its parent, tl-runtime,
 * ends only after it.
 */
static void
reap(struct sandbox *sb)
{
	int64_t begun = clock_ms(), took;
	bool forced = false;
	pid_t pid;

	if (sb->runtime == -1)
		return;
	for (;;) {
		pid = waitpid(sb->runtime, NULL, WNOHANG);
		if (pid == sb->runtime || (pid == -1 && errno != EINTR))
			return;
		took = clock_ms() - begun;
		if (took > END_MS && !forced) {
			forced = true;
			host_log(sb->host, "%s: does not end, killing it",
			    sb->id);
			/* Our child is not reaped, so neither is its. */
			if (sb->init > 1)
				kill(sb->init, SIGKILL);
			cgroup_kill(&sb->cgroup);
		}
		if (took > 2 * END_MS)
			kill(sb->runtime, SIGKILL);
		usleep(took < 50 ? 500 : 5000);
	}
}

/* Nobody is inside any more; its init sees that it shall end. */
static void
let_go(struct sandbox *sb)
{
	pthread_mutex_lock(&sb->lock);
	while (sb->busy > 0)
		pthread_cond_wait(&sb->changed, &sb->lock);
	if (sb->sock != -1)
		close(sb->sock);
	sb->sock = -1;
	pthread_mutex_unlock(&sb->lock);
}

static void
unmake(struct sandbox *sb)
{
	char path[PATH_MAX];

	folder_ended(sb->folder);
	let_go(sb);
	reap(sb);
	proc_end_all(sb);
	cgroup_kill(&sb->cgroup);
	snprintf(path, sizeof(path), "%s/disk.img", sb->folder);
	if (!loop_free(path, END_MS))
		host_log(sb->host, "%s: its disk is still mounted", sb->id);
	cache_give(&sb->cache, sb->host, END_MS);
	if (cgroup_remove(&sb->cgroup, END_MS) == -1)
		host_log(sb->host, "%s: its cgroup cannot be removed",
		    sb->id);
	/* No process is left that could send a part. */
	folder_strip(sb->folder);
	if (!release_due(sb->releases, sb->id))
		folder_remove(sb->folder);
	else if (!release_await(sb->releases, sb->id, RELEASE_MS))
		host_log(sb->host, "%s: ends before its uploads are "
		    "released", sb->id);
}

void *
sandbox_thread(void *arg)
{
	struct sandbox *sb = arg;
	struct fail f = { 0, "" };

	if (make(sb, &f) == 0)
		serve(sb, &f);
	pthread_mutex_lock(&sb->lock);
	if (f.msg[0] != '\0' && !sb->ending) {
		snprintf(sb->reason, sizeof(sb->reason), "%.255s", f.msg);
		sandbox_end_locked(sb, "failed");
	}
	sandbox_end_locked(sb, "failed");
	pthread_mutex_unlock(&sb->lock);
	unmake(sb);
	host_log(sb->host, "%s: ended: %s%s%s", sb->id, sb->outcome,
	    sb->reason[0] == '\0' ? "" : ": ", sb->reason);
	pthread_mutex_lock(&sb->lock);
	/* Nobody wakes what is ending; an ended one may be kept for long. */
	close(sb->wake);
	sb->wake = -1;
	sb->status = SANDBOX_ENDED;
	sb->ended_ms = clock_ms();
	pthread_cond_broadcast(&sb->changed);
	pthread_mutex_unlock(&sb->lock);
	return NULL;
}
