#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
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

static void
proc_free(struct proc *p)
{
	int i;

	for (i = 0; i < 2; i++)
		if (p->fd[i] != -1)
			close(p->fd[i]);
	outlog_close(&p->log);
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

/* Drop it from the list, and the list's reference.  Under the lock. */
static void
forget(struct sandbox *sb, struct proc *p)
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

/* Room for one more: the oldest that has ended goes.  Under the lock. */
static bool
make_room(struct sandbox *sb)
{
	struct proc *p, *oldest = NULL;

	if (sb->nprocs < SANDBOX_PROCS_MAX)
		return true;
	for (p = sb->procs; p != NULL; p = p->next)
		if (p->state == PROC_ENDED && p->fd[0] == -1 && p->fd[1] == -1)
			oldest = p;
	if (oldest == NULL)
		return false;
	forget(sb, oldest);
	return true;
}

/* The request goes to the sandbox's init, with the ends to write to. */
static int
ask(int sock, uint32_t tag, const struct proc_spec *spec, const int out[2],
    struct fail *f)
{
	union {
		struct cmsghdr	 head;
		char		 room[CMSG_SPACE(2 * sizeof(int))];
	} control;
	struct message_head h = {
		.kind = MESSAGE_START, .tag = tag, .value = (int)spec->nwords,
	};
	struct buf text = BUF_INIT(MESSAGE_TEXT_MAX);
	struct iovec iov[2] = { { &h, sizeof(h) }, { NULL, 0 } };
	struct msghdr m = {
		.msg_iov = iov,
		.msg_iovlen = 2,
		.msg_control = control.room,
		.msg_controllen = sizeof(control.room),
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
	iov[1].iov_base = text.data;
	iov[1].iov_len = text.len;
	memset(&control, 0, sizeof(control));
	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN(2 * sizeof(int));
	memcpy(CMSG_DATA(&control.head), out, 2 * sizeof(int));
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
		fail_set(f, EX_OSERR, "out of memory");
		return NULL;
	}
	p->fd[0] = p->fd[1] = p->log.fd = -1;
	p->what = strdup(spec->what);
	if (p->what == NULL)
		fail_set(f, EX_OSERR, "out of memory");
	if (p->what == NULL ||
	    outlog_open(&p->log, sb->folder, OUTLOG_MAX, f) == -1) {
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

int
proc_start(struct sandbox *sb, const struct proc_spec *spec, struct proc **out,
    struct fail *f)
{
	int o[2] = { -1, -1 }, e[2] = { -1, -1 }, status = -1;
	struct proc *p;

	p = proc_new(sb, spec, f);
	if (p == NULL)
		return -1;
	if (pipe2(o, O_CLOEXEC) == -1 || pipe2(e, O_CLOEXEC) == -1) {
		fail_sys(f, EX_OSERR, "pipe");
		goto done;
	}
	/* Only our ends: the process's own must block. */
	fcntl(o[0], F_SETFL, O_NONBLOCK);
	fcntl(e[0], F_SETFL, O_NONBLOCK);
	p->fd[0] = o[0];
	p->fd[1] = e[0];
	o[0] = e[0] = -1;

	pthread_mutex_lock(&sb->lock);
	if (sb->status != SANDBOX_RUNNING || sb->ending)
		fail_set(f, EX_TEMPFAIL, "the sandbox is ending");
	else if (!make_room(sb))
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
		status = ask(sb->sock, p->tag, spec,
		    (const int[2]){ o[1], e[1] }, f);
		if (status == 0)
			status = answered(sb, p, f);
		if (status == 0)
			*out = p;
		else {
			forget(sb, p);
			put(p);
		}
		p = NULL;
	}
	pthread_mutex_unlock(&sb->lock);
done:
	if (p != NULL)
		proc_free(p);
	if (o[0] != -1)
		close(o[0]);
	if (o[1] != -1)
		close(o[1]);
	if (e[1] != -1)
		close(e[1]);
	return status;
}

struct proc *
proc_find(struct sandbox *sb, pid_t pid)
{
	struct proc *p;

	pthread_mutex_lock(&sb->lock);
	/* Newest first: a number may have come round. */
	for (p = sb->procs; p != NULL; p = p->next)
		if (p->pid == pid && (p->state == PROC_RUNNING ||
		    p->state == PROC_ENDED))
			break;
	if (p != NULL)
		p->refs++;
	pthread_mutex_unlock(&sb->lock);
	return p;
}

bool
proc_kill(struct sandbox *sb, struct proc *p, int sig)
{
	struct message_head h = { .kind = MESSAGE_KILL, .value = sig };
	bool running;

	pthread_mutex_lock(&sb->lock);
	running = p->state == PROC_RUNNING && !sb->ending;
	if (running) {
		h.pid = p->pid;
		p->killed = true;
		if (send(sb->sock, &h, sizeof(h), MSG_NOSIGNAL |
		    MSG_DONTWAIT) == -1)
			running = false;
	}
	pthread_mutex_unlock(&sb->lock);
	return running;
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
	jout_bool(j, false);
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

bool
proc_read(struct sandbox *sb, struct proc *p, enum outlog_stream stream)
{
	char text[65536];
	uint64_t before;
	ssize_t n;

	n = read(p->fd[stream], text, sizeof(text));
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return true;
	pthread_mutex_lock(&sb->lock);
	if (n <= 0) {
		close(p->fd[stream]);
		p->fd[stream] = -1;
	} else if (p->state != PROC_ENDED) {
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

	p->ended_ms = clock_date_ms();
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
		for (i = 0; i < 2; i++) {
			if (p->fd[i] != -1)
				close(p->fd[i]);
			p->fd[i] = -1;
		}
		/* Who follows it has a reference. */
		forget(sb, p);
	}
	pthread_cond_broadcast(&sb->changed);
	pthread_mutex_unlock(&sb->lock);
}
