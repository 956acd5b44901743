#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sysexits.h>

#include "core/clock.h"
#include "core/span.h"
#include "region/sandbox/terminal.h"

/* From SIGHUP to SIGKILL. */
#define GRACE_MS	5000
/*
 * What it showed comes right behind its end, as soon as the one who hands it on
 * gets a processor; unless others hold on to the terminal.
 */
#define REST_MS		5000

int
terminal_start(struct sandbox *sb, struct proc_spec *spec,
    struct terminal_size size, struct proc **out, struct fail *f)
{
	bool room;

	pthread_mutex_lock(&sb->lock);
	room = proc_room(sb, true, TERMINALS_MAX);
	pthread_mutex_unlock(&sb->lock);
	if (!room)
		return fail_set(f, EX_NOPERM,
		    "the sandbox has %u terminals already", TERMINALS_MAX);
	spec->screen = screen_new(sb->folder, size, f);
	return spec->screen == NULL ? -1 : proc_start(sb, spec, out, f);
}

static bool
has_id(const struct proc *p, const void *id)
{
	return p->screen != NULL && strcmp(p->screen->id, id) == 0;
}

struct proc *
terminal_find(struct sandbox *sb, const char *id)
{
	return proc_seek(sb, has_id, id);
}

void
terminal_kill(struct sandbox *sb, struct proc *p)
{
	pthread_mutex_lock(&sb->lock);
	if (proc_kill_locked(sb, p, SIGHUP) && p->screen->kill_ms == 0) {
		p->screen->kill_ms = clock_ms() + GRACE_MS;
		sandbox_wake(sb);
	}
	pthread_mutex_unlock(&sb->lock);
}

int
terminal_resize_to(struct sandbox *sb, struct proc *p,
    struct terminal_size size)
{
	uint8_t packet[TERMINAL_SIZE_BYTES];
	int r = 0;

	terminal_resize(packet, size);
	pthread_mutex_lock(&sb->lock);
	if (p->fd[0] == -1 || send(p->fd[0], packet, sizeof(packet),
	    MSG_NOSIGNAL | MSG_DONTWAIT) == -1)
		r = -1;
	else
		p->screen->size = size;
	pthread_mutex_unlock(&sb->lock);
	return r;
}

int32_t
terminal_status(const struct proc *p)
{
	return WIFEXITED(p->result) ? WEXITSTATUS(p->result) :
	    128 + WTERMSIG(p->result);
}

void
terminal_describe(const struct proc *p, struct jout *j)
{
	struct span what = { p->what, strlen(p->what) };
	bool ended = p->state == PROC_ENDED;
	struct span value;
	struct fail f;

	jout_object(j);
	jout_member(j, "session_id", p->screen->id);
	jout_key(j, "pid");
	jout_i64(j, p->pid);
	if (span_get(&what, "command", &value, &f) == 1) {
		jout_key(j, "command");
		jout_span(j, &value);
	}
	if (span_get(&what, "args", &value, &f) == 1) {
		jout_key(j, "args");
		jout_span(j, &value);
	}
	jout_key(j, "rows");
	jout_u64(j, p->screen->size.rows);
	jout_key(j, "cols");
	jout_u64(j, p->screen->size.cols);
	jout_key(j, "created_at");
	jout_i64(j, p->started_ms);
	jout_key(j, "ended_at");
	if (ended)
		jout_i64(j, p->ended_ms);
	else
		jout_null(j);
	jout_key(j, "exit_code");
	if (ended)
		jout_i64(j, terminal_status(p));
	else
		jout_null(j);
	jout_key(j, "is_alive");
	jout_bool(j, !ended);
	jout_close(j);
}

/* What is due of one, and in how long there is more.  Under the lock. */
static int64_t
due(struct sandbox *sb, struct proc *p)
{
	struct screen *s = p->screen;
	int64_t now = clock_ms(), at = INT64_MAX;

	if (p->state == PROC_RUNNING) {
		if (s->kill_ms != 0)
			at = s->kill_ms;
		else if (s->alone_ms != 0)
			at = s->alone_ms + TERMINAL_ALONE_MS;
		if (at > now)
			return at - now;
		proc_kill_locked(sb, p, SIGKILL);
		/* Its end comes now. */
		s->kill_ms = now + GRACE_MS;
		return GRACE_MS;
	}
	if (p->state != PROC_ENDED)
		return INT_MAX;
	now = clock_date_ms() - p->ended_ms;
	if (p->fd[0] != -1 && now >= REST_MS)
		proc_shut(p, 0);
	if (p->fd[0] != -1)
		return REST_MS - now;
	if (now < TERMINAL_KEPT_MS && now >= 0)
		return TERMINAL_KEPT_MS - now;
	proc_forget(sb, p);
	return INT_MAX;
}

int
terminal_due(struct sandbox *sb)
{
	struct proc *p, *next;
	int64_t ms, first = INT_MAX;

	pthread_mutex_lock(&sb->lock);
	for (p = sb->procs; p != NULL; p = next) {
		next = p->next;
		if (p->screen != NULL && (ms = due(sb, p)) < first)
			first = ms;
	}
	pthread_mutex_unlock(&sb->lock);
	return (int)first;
}
