#include <sys/wait.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/json.h"
#include "region/sandbox/output.h"

/*
 * A silent stream is cut by proxies after a minute;
 * tl-wire(7), "Error documents".
 */
#define HEARTBEAT_MS	15000
/* How long one look at a quiet process may take. */
#define LOOK_MS		500
/* Collected before it is handed on. */
#define BATCH		(16U << 10)

/*
 * An answer under way.  A log may be long, and many may ask for it at once, so
 * it is written as it is read.
 */
struct output {
	struct sandbox	*sandbox;
	struct proc	*proc;
	struct serve	*serve;
	int		 stream;	/* or -1: both */
	uint64_t	 off;		/* where the log is read next */
	struct outlog_line line;
	struct buf	 out;		/* composed, not yet sent */
	size_t		 sent;
	bool		 over;
	/* All lines so far. */
	uint64_t	 upto, n;
	/* Followed. */
	int64_t		 beat_ms;	/* when something was last sent */
	int64_t		 until_ms;	/* run: kill it then; 0: never */
	bool		 run;		/* as tl-wire(7), "Run", has it */
};

/* Takes over the reference to p; NULL after having answered. */
static struct output *
output_new(struct serve_request *r, struct sandbox *sb, struct proc *p,
    int stream)
{
	struct output *w = calloc(1, sizeof(*w));

	if (w == NULL) {
		proc_put(sb, p);
		serve_error(r, 500, "INTERNAL_ERROR", "out of memory");
		return NULL;
	}
	sandbox_ref(sb);
	w->sandbox = sb;
	w->proc = p;
	w->serve = r->serve;
	w->stream = stream;
	w->line = (struct outlog_line)OUTLOG_LINE_INIT;
	w->out.max = BATCH + 8 * OUTLOG_LINE_MAX;
	return w;
}

static void
output_free(void *arg)
{
	struct output *w = arg;

	/* Nobody else knows of what was only to be run. */
	if (w->run)
		proc_kill(w->sandbox, w->proc, SIGKILL);
	proc_put(w->sandbox, w->proc);
	sandbox_put(w->sandbox);
	buf_free(&w->line.text);
	buf_free(&w->out);
	free(w);
}

/* Lines of the log up to there, each as add() has it: 1, 0 if no more, -1. */
static int
add_lines(struct output *w, uint64_t upto,
    int (*add)(struct output *, struct fail *), struct fail *f)
{
	int got = 1;

	while (w->out.len < BATCH && (got = outlog_read(&w->proc->log,
	    &w->off, upto, &w->line, f)) == 1)
		if ((w->stream == -1 || w->line.stream ==
		    (unsigned)w->stream) && add(w, f) == -1)
			return -1;
	return got;
}

static ssize_t
hand_on(struct output *w, char *p, size_t max)
{
	size_t n = w->out.len - w->sent;

	if (n > max)
		n = max;
	memcpy(p, w->out.data + w->sent, n);
	w->sent += n;
	return (ssize_t)n;
}

/* tl-wire(7), "Output in one document": all lines so far. */
static int
add_listed(struct output *w, struct fail *f)
{
	struct jout j = JOUT_INIT(&w->out);

	if (w->n++ > 0 && buf_adds(&w->out, ",", f) == -1)
		return -1;
	jout_stringn(&j, w->line.text.data, w->line.text.len);
	return jout_end(&j, f);
}

static int
compose_lines(struct output *w, struct fail *f)
{
	int got = add_lines(w, w->upto, add_listed, f);

	if (got == 0) {
		w->over = true;
		return buf_addf(&w->out, f, "],\"line_count\":%ju}",
		    (uintmax_t)w->n);
	}
	return got == 1 ? 0 : -1;
}

static ssize_t
lines_next(void *arg, char *p, size_t max)
{
	struct output *w = arg;
	struct fail f;

	if (w->sent == w->out.len) {
		if (w->over)
			return -1;
		buf_clear(&w->out);
		w->sent = 0;
		if (compose_lines(w, &f) == -1)
			return SERVE_CUT;
	}
	return hand_on(w, p, max);
}

void
output_lines(struct serve_request *r, struct sandbox *sb, struct proc *p,
    int stream)
{
	struct output *w = output_new(r, sb, p, stream);
	struct fail f;

	if (w == NULL)
		return;
	pthread_mutex_lock(&sb->lock);
	w->upto = p->log.size;
	pthread_mutex_unlock(&sb->lock);
	if (buf_addf(&w->out, &f, "{\"pid\":%d,\"lines\":[",
	    (int)p->pid) == -1) {
		output_free(w);
		serve_error(r, 500, "INTERNAL_ERROR", "%s", f.msg);
	} else
		serve_reply_stream(r, 200, "application/json", lines_next,
		    output_free, w);
}

/* A line as a server-sent event. */
static int
add_event(struct output *w, struct fail *f)
{
	const struct outlog_line *line = &w->line;
	struct jout j = JOUT_INIT(&w->out);

	if (buf_adds(&w->out, "event: output\ndata: ", f) == -1)
		return -1;
	jout_object(&j);
	jout_key(&j, "line");
	jout_stringn(&j, line->text.data, line->text.len);
	jout_key(&j, "timestamp");
	jout_i64(&j, line->time_ms);
	jout_member(&j, "stream", line->stream == OUTLOG_OUT ? "stdout" :
	    "stderr");
	jout_close(&j);
	if (jout_end(&j, f) == -1)
		return -1;
	return buf_adds(&w->out, "\n\n", f);
}

static int
add_end(struct output *w, struct fail *f)
{
	const struct proc *p = w->proc;
	int status;

	w->over = true;
	if (!w->run)
		return buf_adds(&w->out, "event: eof\ndata: {}\n\n", f);
	status = WIFEXITED(p->result) ?
	    buf_addf(&w->out, f, "event: exit\ndata: {\"exit_code\":%d",
	    WEXITSTATUS(p->result)) :
	    buf_addf(&w->out, f, "event: exit\ndata: {\"signal\":%d",
	    WTERMSIG(p->result));
	if (status == 0 && p->oom)
		status = buf_adds(&w->out, ",\"oom_killed\":true", f);
	return status == -1 ? -1 : buf_adds(&w->out, "}\n\n", f);
}

/* Wait for something new, a moment.  How far the log goes, and if it grows. */
static uint64_t
look(struct output *w, bool *ended)
{
	struct sandbox *sb = w->sandbox;
	int64_t end = clock_ms() + LOOK_MS;
	uint64_t upto;

	pthread_mutex_lock(&sb->lock);
	while (w->proc->log.size == w->off &&
	    w->proc->state == PROC_RUNNING &&
	    clock_cond_wait(&sb->changed, &sb->lock, end))
		;
	upto = w->proc->log.size;
	*ended = w->proc->state == PROC_ENDED;
	pthread_mutex_unlock(&sb->lock);
	return upto;
}

static int
compose_events(struct output *w, struct fail *f)
{
	uint64_t upto;
	bool ended;

	upto = look(w, &ended);
	if (add_lines(w, upto, add_event, f) == -1)
		return -1;
	if (ended && w->off == upto)
		return add_end(w, f);
	if (w->out.len == 0 && clock_ms() - w->beat_ms >= HEARTBEAT_MS)
		return buf_adds(&w->out, ": heartbeat\n\n", f);
	return 0;
}

static ssize_t
follow_next(void *arg, char *p, size_t max)
{
	struct output *w = arg;
	struct fail f;

	if (w->sent == w->out.len) {
		if (w->over)
			return -1;
		if (serve_stopping(w->serve))
			return SERVE_CUT;
		buf_clear(&w->out);
		w->sent = 0;
		if (w->until_ms != 0 && clock_ms() >= w->until_ms) {
			w->until_ms = 0;
			proc_kill(w->sandbox, w->proc, SIGKILL);
		}
		if (compose_events(w, &f) == -1)
			return SERVE_CUT;
		if (w->out.len == 0)
			return 0;
	}
	w->beat_ms = clock_ms();
	return hand_on(w, p, max);
}

void
output_follow(struct serve_request *r, struct sandbox *sb, struct proc *p,
    int stream, bool run, double timeout_s)
{
	struct output *w = output_new(r, sb, p, stream);
	struct fail f;

	if (w == NULL)
		return;
	w->beat_ms = clock_ms();
	w->run = run;
	if (timeout_s > 0)
		w->until_ms = w->beat_ms + (int64_t)(timeout_s * 1000);
	/* What comes first is there at once, and so are the headers. */
	if ((run ? buf_addf(&w->out, &f, "event: start\ndata: {\"pid\":%d,"
	    "\"started_at\":%jd}\n\n", (int)p->pid, (intmax_t)p->started_ms) :
	    buf_adds(&w->out, ": follows\n\n", &f)) == -1)
		w->over = true;
	serve_add_header(r, "Cache-Control", "no-store");
	serve_reply_stream(r, 200, "text/event-stream", follow_next,
	    output_free, w);
}
