#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/clock.h"
#include "region/runtime/message.h"
#include "region/sandbox/proc.h"

/* An exec takes milliseconds, but the machine may be busy. */
#define START_MS	20000
/* How soon it is seen that who does not read has ended. */
#define WRITE_LOOK_MS	200

static void
proc_free(struct proc *p)
{
	int i;

	for (i = 0; i < 2; i++)
		if (p->fd[i] != -1)
			close(p->fd[i]);
	if (p->in != -1)
		close(p->in);
	outlog_close(&p->log);
	screen_free(p->screen);
	free(p->what);
	free(p);
}

/* Under the lock. */
static void
put(struct proc *p)
{
	if (p->refs > 1)
		p->refs--;
	else
		proc_free(p);
}

void
proc_ref(struct sandbox *sb, struct proc *p)
{
	pthread_mutex_lock(&sb->lock);
	p->refs++;
	pthread_mutex_unlock(&sb->lock);
}

void
proc_put(struct sandbox *sb, struct proc *p)
{
	pthread_mutex_lock(&sb->lock);
	put(p);
	pthread_mutex_unlock(&sb->lock);
}

/* With the list's reference. */
void
proc_forget(struct sandbox *sb, struct proc *p)
{
	struct proc **at;

	for (at = &sb->procs; *at != NULL; at = &(*at)->next)
		if (*at == p) {
			*at = p->next;
			sb->nprocs--;
			sb->logged -= p->log.size;
			put(p);
			return;
		}
}

bool
proc_room(struct sandbox *sb, bool terminals, unsigned max)
{
	struct proc *p, *oldest = NULL;
	unsigned n = 0;

	for (p = sb->procs; p != NULL; p = p->next) {
		if (terminals && p->screen == NULL)
			continue;
		n++;
		if (p->state == PROC_ENDED && p->fd[0] == -1 &&
		    p->fd[1] == -1 &&
		    (!terminals || p->screen->viewers == NULL))
			oldest = p;
	}
	if (n < max)
		return true;
	if (oldest == NULL)
		return false;
	proc_forget(sb, oldest);
	return n == max;
}

/* The request goes to the sandbox's init, with the ends to write to. */
static int
ask(int sock, uint32_t tag, const struct proc_spec *spec, const int ends[3],
    struct fail *f)
{
	size_t size = (spec->screen != NULL ? 1 : spec->input ? 3 : 2) *
	    sizeof(int);
	union {
		struct cmsghdr	 head;
		char		 room[CMSG_SPACE(3 * sizeof(int))];
	} control;
	struct message_head h = {
		.kind = MESSAGE_START, .tag = tag, .value = (int)spec->nwords,
	};
	const struct screen *screen = spec->screen;
	struct buf text = BUF_INIT(MESSAGE_TEXT_MAX);
	struct iovec iov[2] = { { &h, sizeof(h) }, { NULL, 0 } };
	struct msghdr m = {
		.msg_iov = iov,
		.msg_iovlen = 2,
		.msg_control = control.room,
		.msg_controllen = CMSG_SPACE(size),
	};
	int status = -1;

	if (buf_add(&text, spec->user, strlen(spec->user) + 1, f) == -1 ||
	    buf_add(&text, spec->folder, strlen(spec->folder) + 1, f) == -1 ||
	    buf_add(&text, spec->words->data, spec->words->len, f) == -1 ||
	    buf_add(&text, spec->env->data, spec->env->len, f) == -1) {
		fail_set(f, EX_USAGE, "command, arguments and environment are "
		    "more than %u bytes", MESSAGE_TEXT_MAX);
		goto done;
	}
	if (screen != NULL) {
		h.kind = MESSAGE_TERMINAL;
		h.pid = screen->size.rows << 16 | screen->size.cols;
	}
	iov[1].iov_base = text.data;
	iov[1].iov_len = text.len;
	memset(&control, 0, sizeof(control));
	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(&control.head), ends, size);
	/* We hold the lock, so never wait: its buffer takes many requests. */
	if (sendmsg(sock, &m, MSG_NOSIGNAL | MSG_DONTWAIT) == -1)
		fail_sys(f, EX_TEMPFAIL, "the sandbox does not answer");
	else
		status = 0;
done:
	buf_free(&text);
	return status;
}

static struct proc *
proc_new(struct sandbox *sb, const struct proc_spec *spec, struct fail *f)
{
	struct proc *p = calloc(1, sizeof(*p));

	if (p == NULL) {
		screen_free(spec->screen);
		fail_set(f, EX_OSERR, "out of memory");
		return NULL;
	}
	p->fd[0] = p->fd[1] = p->in = p->log.fd = -1;
	p->screen = spec->screen;
	p->what = strdup(spec->what);
	if (p->what == NULL)
		fail_set(f, EX_OSERR, "out of memory");
	if (p->what == NULL || (p->screen == NULL &&
	    outlog_open(&p->log, sb->folder, OUTLOG_MAX, f) == -1)) {
		proc_free(p);
		return NULL;
	}
	return p;
}

/* What its init answered, or that it did not.  Under the lock. */
static int
answered(struct sandbox *sb, struct proc *p, struct fail *f)
{
	int64_t end = clock_ms() + START_MS;

	while (p->state == PROC_STARTING && !sb->ending &&
	    clock_cond_wait(&sb->changed, &sb->lock, end))
		;
	if (p->state == PROC_RUNNING || p->state == PROC_ENDED)
		return 0;
	if (p->state == PROC_STARTING)
		return fail_set(f, EX_TEMPFAIL, "the sandbox %s",
		    sb->ending ? "is ending" : "does not answer");
	errno = p->error;
	return fail_sys(f, p->error == ENOMEM || p->error == EAGAIN ?
	    EX_OSERR : EX_USAGE, "%s", p->error_of);
}

/*
 * What connects us to it: its ends of its output and input, or of its terminal;
 * ours are the process's.
 */
static int
connect_to(struct proc *p, bool input, int ends[3], struct fail *f)
{
	int o[2] = { -1, -1 }, e[2] = { -1, -1 }, i[2] = { -1, -1 };

	if (p->screen != NULL) {
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC |
		    SOCK_NONBLOCK, 0, o) == -1)
			return fail_sys(f, EX_OSERR, "terminal");
	} else if (pipe2(o, O_CLOEXEC) == -1 || pipe2(e, O_CLOEXEC) == -1 ||
	    (input && pipe2(i, O_CLOEXEC) == -1)) {
		fail_sys(f, EX_OSERR, "pipe");
		if (o[0] != -1) {
			close(o[0]);
			close(o[1]);
		}
		if (e[0] != -1) {
			close(e[0]);
			close(e[1]);
		}
		return -1;
	}
	/* Only our ends: the process's own must block. */
	fcntl(o[0], F_SETFL, O_NONBLOCK);
	if (e[0] != -1)
		fcntl(e[0], F_SETFL, O_NONBLOCK);
	if (i[1] != -1)
		fcntl(i[1], F_SETFL, O_NONBLOCK);
	p->fd[0] = o[0];
	p->fd[1] = e[0];
	p->in = i[1];
	ends[0] = o[1];
	ends[1] = e[1];
	ends[2] = i[0];
	return 0;
}

int
proc_start(struct sandbox *sb, const struct proc_spec *spec, struct proc **out,
    struct fail *f)
{
	int ends[3] = { -1, -1, -1 };
	int status = -1, i;
	struct proc *p;

	p = proc_new(sb, spec, f);
	if (p == NULL)
		return -1;
	if (connect_to(p, spec->input, ends, f) == -1)
		goto done;

	pthread_mutex_lock(&sb->lock);
	if (sb->status != SANDBOX_RUNNING || sb->ending)
		fail_set(f, EX_TEMPFAIL, "the sandbox is ending");
	else if (!proc_room(sb, false, SANDBOX_PROCS_MAX))
		fail_set(f, EX_TEMPFAIL, "%u processes are running already",
		    SANDBOX_PROCS_MAX);
	else {
		p->tag = ++sb->tags;
		p->started_ms = clock_date_ms();
		p->ooms = cgroup_ooms(&sb->cgroup);
		p->refs = 2;
		p->next = sb->procs;
		sb->procs = p;
		sb->nprocs++;
		status = ask(sb->sock, p->tag, spec, ends, f);
		if (status == 0)
			status = answered(sb, p, f);
		if (status == 0)
			*out = p;
		else {
			proc_forget(sb, p);
			put(p);
		}
		p = NULL;
	}
	pthread_mutex_unlock(&sb->lock);
done:
	if (p != NULL)
		proc_free(p);
	for (i = 0; i < 3; i++)
		if (ends[i] != -1)
			close(ends[i]);
	return status;
}

struct proc *
proc_seek(struct sandbox *sb, bool (*fits)(const struct proc *, const void *),
    const void *arg)
{
	struct proc *p;

	pthread_mutex_lock(&sb->lock);
	for (p = sb->procs; p != NULL; p = p->next)
		if ((p->state == PROC_RUNNING || p->state == PROC_ENDED) &&
		    fits(p, arg))
			break;
	if (p != NULL)
		p->refs++;
	pthread_mutex_unlock(&sb->lock);
	return p;
}

static bool
has_pid(const struct proc *p, const void *pid)
{
	return p->screen == NULL && p->pid == *(const pid_t *)pid;
}

struct proc *
proc_find(struct sandbox *sb, pid_t pid)
{
	return proc_seek(sb, has_pid, &pid);
}

bool
proc_kill_locked(struct sandbox *sb, struct proc *p, int sig)
{
	struct message_head h = { .kind = MESSAGE_KILL, .value = sig };

	if (p->state != PROC_RUNNING || sb->ending)
		return false;
	h.pid = p->pid;
	p->killed = true;
	return send(sb->sock, &h, sizeof(h), MSG_NOSIGNAL | MSG_DONTWAIT) !=
	    -1;
}

bool
proc_kill(struct sandbox *sb, struct proc *p, int sig)
{
	bool running;

	pthread_mutex_lock(&sb->lock);
	running = proc_kill_locked(sb, p, sig);
	pthread_mutex_unlock(&sb->lock);
	return running;
}

static bool
reads(struct sandbox *sb, struct proc *p, int *fd)
{
	bool yes;

	pthread_mutex_lock(&sb->lock);
	yes = p->in != -1 && p->state == PROC_RUNNING && !sb->ending;
	/* One of our own for as long as we write. */
	if (yes && fd != NULL)
		*fd = fcntl(p->in, F_DUPFD_CLOEXEC, 0);
	pthread_mutex_unlock(&sb->lock);
	return yes;
}

int
proc_write(struct sandbox *sb, struct proc *p, const char *text, size_t n)
{
	struct pollfd w = { .fd = -1, .events = POLLOUT };
	ssize_t m;

	if (!reads(sb, p, &w.fd) || w.fd == -1)
		return 1;
	while (n > 0) {
		m = write(w.fd, text, n);
		if (m > 0) {
			text += m;
			n -= (size_t)m;
		} else if (m == -1 && errno == EAGAIN) {
			/* It may be long before it reads on, or end first. */
			sandbox_renew(sb);
			if (poll(&w, 1, WRITE_LOOK_MS) == 0 &&
			    !reads(sb, p, NULL))
				break;
		} else if (m != -1 || errno != EINTR)
			break;
	}
	close(w.fd);
	return n == 0 ? 0 : 1;
}

/* Under the lock. */
static void
write_end(struct proc *p)
{
	if (p->in != -1)
		close(p->in);
	p->in = -1;
}

void
proc_write_end(struct sandbox *sb, struct proc *p)
{
	pthread_mutex_lock(&sb->lock);
	write_end(p);
	pthread_mutex_unlock(&sb->lock);
}

void
proc_describe(const struct proc *p, struct jout *j)
{
	struct span what = { p->what, strlen(p->what) };
	bool running = p->state == PROC_RUNNING;
	struct span value;
	struct fail f;

	jout_object(j);
	jout_key(j, "pid");
	jout_i64(j, p->pid);
	jout_key(j, "status");
	jout_string(j, running ? "running" : WIFEXITED(p->result) ? "exited" :
	    p->oom ? "oom_killed" : "signaled");
	jout_key(j, "exit_code");
	if (!running && WIFEXITED(p->result))
		jout_i64(j, WEXITSTATUS(p->result));
	else
		jout_null(j);
	jout_key(j, "signal");
	if (!running && WIFSIGNALED(p->result))
		jout_i64(j, WTERMSIG(p->result));
	else
		jout_null(j);
	jout_key(j, "oom_killed");
	jout_bool(j, p->oom);
	jout_key(j, "stdin_writable");
	jout_bool(j, p->in != -1);
	if (span_get(&what, "command", &value, &f) == 1) {
		jout_key(j, "command");
		jout_span(j, &value);
	}
	if (span_get(&what, "args", &value, &f) == 1) {
		jout_key(j, "args");
		jout_span(j, &value);
	}
	jout_key(j, "started_at");
	jout_i64(j, p->started_ms);
	jout_key(j, "ended_at");
	if (running)
		jout_null(j);
	else
		jout_i64(j, p->ended_ms);
	jout_close(j);
}

/* The one that waits for its init's answer.  Under the lock. */
static struct proc *
starting(struct sandbox *sb, uint32_t tag)
{
	struct proc *p;

	for (p = sb->procs; p != NULL; p = p->next)
		if (p->tag == tag && p->state == PROC_STARTING)
			return p;
	return NULL;
}

void
proc_started(struct sandbox *sb, uint32_t tag, pid_t pid)
{
	struct message_head h = { .kind = MESSAGE_KILL, .pid = pid,
	    .value = SIGKILL };
	struct proc *p;

	pthread_mutex_lock(&sb->lock);
	p = starting(sb, tag);
	if (p != NULL) {
		p->pid = pid;
		p->state = PROC_RUNNING;
		pthread_cond_broadcast(&sb->changed);
	} else
		/* Whoever asked has given up. */
		send(sb->sock, &h, sizeof(h), MSG_NOSIGNAL | MSG_DONTWAIT);
	pthread_mutex_unlock(&sb->lock);
}

void
proc_refused(struct sandbox *sb, uint32_t tag, int error, const char *of)
{
	struct proc *p;

	pthread_mutex_lock(&sb->lock);
	p = starting(sb, tag);
	if (p != NULL) {
		p->error = error;
		snprintf(p->error_of, sizeof(p->error_of), "%s", of);
		p->state = PROC_REFUSED;
		pthread_cond_broadcast(&sb->changed);
	}
	pthread_mutex_unlock(&sb->lock);
}

void
proc_shut(struct proc *p, enum outlog_stream stream)
{
	if (p->fd[stream] != -1)
		close(p->fd[stream]);
	p->fd[stream] = -1;
	if (p->screen != NULL)
		screen_end(p->screen);
}

bool
proc_read(struct sandbox *sb, struct proc *p, enum outlog_stream stream)
{
	char text[65536];
	uint64_t before;
	ssize_t n;

	/* Of a terminal it is a packet. */
	n = read(p->fd[stream], text, sizeof(text));
	/*
	 * It has ended with something unread of what was sent to it.  That is
	 * told once, before what it has shown.
	 */
	if (n == -1 && errno == ECONNRESET)
		n = read(p->fd[stream], text, sizeof(text));
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return true;
	pthread_mutex_lock(&sb->lock);
	if (n <= 0)
		proc_shut(p, stream);
	else if (p->screen != NULL)
		screen_show(p->screen, text, (size_t)n);
	else if (p->state != PROC_ENDED) {
		/*
		 * What others left running print after its end is dropped,
		 * but read, or they would be stopped by a full pipe.
		 */
		before = p->log.size;
		if (sb->logged >= SANDBOX_LOGS_MAX && !p->log.full)
			p->log.max = 0;
		outlog_feed(&p->log, stream, text, (size_t)n,
		    clock_date_ms());
		sb->logged += p->log.size - before;
		if (p->log.size != before)
			pthread_cond_broadcast(&sb->changed);
	}
	pthread_mutex_unlock(&sb->lock);
	return n > 0;
}

/*
 * Its end is known, but not yet all that it printed before: a pipe holds so
 * much, and what comes on top is from others.
 */
static void
drain(struct sandbox *sb, struct proc *p)
{
	int i, left, more;

	/* What a terminal shows is over when its packets are. */
	if (p->screen != NULL)
		return;
	for (i = OUTLOG_OUT; i <= OUTLOG_ERR; i++)
		for (left = 1 << 20; p->fd[i] != -1 && left > 0; left -= more) {
			if (ioctl(p->fd[i], FIONREAD, &more) == -1 ||
			    more == 0)
				break;
			proc_read(sb, p, i);
		}
}

/* Under the lock. */
static void
finish(struct sandbox *sb, struct proc *p, int result)
{
	uint64_t before = p->log.size;

	write_end(p);
	p->ended_ms = clock_date_ms();
	if (p->screen == NULL)
		outlog_end(&p->log, p->ended_ms);
	sb->logged += p->log.size - before;
	p->result = result;
	/*
	 * The kernel does not say whom it killed.  It is us if the count rose
	 * and we, or the last of a shell's children, died of SIGKILL.
	 */
	p->oom = !p->killed && cgroup_ooms(&sb->cgroup) > p->ooms &&
	    ((WIFSIGNALED(result) && WTERMSIG(result) == SIGKILL) ||
	    (WIFEXITED(result) && WEXITSTATUS(result) == 128 + SIGKILL));
	p->state = PROC_ENDED;
	if (p->screen != NULL)
		screen_wake(p->screen);
	pthread_cond_broadcast(&sb->changed);
}

void
proc_ended(struct sandbox *sb, pid_t pid, int result)
{
	struct proc *p;

	pthread_mutex_lock(&sb->lock);
	for (p = sb->procs; p != NULL; p = p->next)
		if (p->pid == pid && p->state == PROC_RUNNING)
			break;
	pthread_mutex_unlock(&sb->lock);
	if (p == NULL)
		return;
	/* Only this thread ends processes, so it stays. */
	drain(sb, p);
	pthread_mutex_lock(&sb->lock);
	finish(sb, p, result);
	pthread_mutex_unlock(&sb->lock);
}

void
proc_end_all(struct sandbox *sb)
{
	struct proc *p;
	int i;

	pthread_mutex_lock(&sb->lock);
	while ((p = sb->procs) != NULL) {
		if (p->state == PROC_RUNNING)
			finish(sb, p, SIGKILL);
		for (i = 0; i < 2; i++)
			proc_shut(p, (enum outlog_stream)i);
		/* Who follows it has a reference. */
		proc_forget(sb, p);
	}
	pthread_cond_broadcast(&sb->changed);
	pthread_mutex_unlock(&sb->lock);
}
