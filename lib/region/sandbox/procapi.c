#include <sys/wait.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "core/clock.h"
#include "core/json.h"
#include "core/span.h"
#include "region/runtime/message.h"
#include "region/sandbox/proc.h"
#include "region/sandbox/procapi.h"

/* A silent stream is cut by proxies after a minute; WIRE.md 10.1. */
#define HEARTBEAT_MS	15000
/* How long one look at a quiet process may take. */
#define LOOK_MS		500
/* Collected before it is handed on. */
#define BATCH		(16U << 10)
#define RUN_MAX_S	(24.0 * 3600)

/* A process asked for in a body. */
struct wanted {
	char		*command, *user, *folder;
	struct buf	 words, env, what;
	unsigned	 nwords;
	double		 timeout_s;	/* run only; 0: none */
};

#define WANTED_INIT	{ .words = BUF_INIT(MESSAGE_TEXT_MAX),		\
	.env = BUF_INIT(MESSAGE_TEXT_MAX), .what = BUF_INIT(BUF_SMALL_MAX) }

static void
wanted_free(struct wanted *w)
{
	free(w->command);
	free(w->user);
	free(w->folder);
	buf_free(&w->words);
	buf_free(&w->env);
	buf_free(&w->what);
}

/* A string's characters and a NUL behind them; none inside. */
static int
add_string(struct buf *b, const struct span *s, const char *what,
    struct fail *f)
{
	size_t before = b->len;

	if (!span_is_string(s))
		return fail_set(f, EX_DATAERR, "%s: not a string", what);
	if (span_string(s, b, f) == -1)
		return -1;
	if (b->len > before && memchr(b->data + before, '\0',
	    b->len - before) != NULL)
		return fail_set(f, EX_DATAERR, "%s: a NUL in it", what);
	return buf_add(b, "", 1, f);
}

static int
read_args(struct wanted *w, const struct span *doc, struct jout *j,
    struct fail *f)
{
	const char *pos = NULL;
	struct span args, value;
	int n;

	jout_key(j, "args");
	jout_array(j);
	n = json_sub(doc, "args", JSON_MAY, '[', &args, f);
	if (n == -1)
		return -1;
	while (n == 1 && span_next(&args, &pos, NULL, &value) == 1) {
		if (add_string(&w->words, &value, "args", f) == -1)
			return -1;
		w->nwords++;
		jout_span(j, &value);
	}
	jout_close(j);
	return 0;
}

static int
read_env(struct wanted *w, const struct span *doc, struct fail *f)
{
	const char *pos = NULL;
	struct span env, name, value;
	size_t at;
	int n;

	n = json_sub(doc, "env", JSON_MAY, '{', &env, f);
	while (n == 1 && span_next(&env, &pos, &name, &value) == 1) {
		at = w->env.len;
		if (add_string(&w->env, &name, "env", f) == -1)
			return -1;
		if (w->env.data[at] == '\0' ||
		    strchr(w->env.data + at, '=') != NULL)
			return fail_set(f, EX_DATAERR, "env: a name that is "
			    "empty or has a '=' in it");
		w->env.data[w->env.len - 1] = '=';
		if (add_string(&w->env, &value, "env", f) == -1)
			return -1;
	}
	return n == -1 ? -1 : 0;
}

static int
wanted_read(struct wanted *w, const struct serve_request *r, struct fail *f)
{
	struct jout j = JOUT_INIT(&w->what);
	struct span doc, command;

	if (serve_body_json(r, &doc, f) == -1 ||
	    json_string(&doc, "command", JSON_NEED, &w->command, f) == -1 ||
	    span_get(&doc, "command", &command, f) == -1 ||
	    json_string(&doc, "user", JSON_MAY, &w->user, f) == -1 ||
	    json_string(&doc, "working_dir", JSON_MAY, &w->folder, f) == -1 ||
	    json_double(&doc, "timeout", JSON_MAY, &w->timeout_s, f) == -1)
		return -1;
	if (w->command[0] == '\0')
		return fail_set(f, EX_DATAERR, "command: empty");
	if (!(w->timeout_s >= 0 && w->timeout_s <= RUN_MAX_S))
		return fail_set(f, EX_DATAERR, "timeout: not from 0 to %g "
		    "seconds", RUN_MAX_S);
	jout_object(&j);
	jout_key(&j, "command");
	jout_span(&j, &command);
	w->nwords = 1;
	if (add_string(&w->words, &command, "command", f) == -1 ||
	    read_args(w, &doc, &j, f) == -1 || read_env(w, &doc, f) == -1)
		return -1;
	jout_close(&j);
	return jout_end(&j, f);
}

/* Start what the body asks for; NULL after having answered. */
static struct proc *
start(struct serve_request *r, struct sandbox *b, double *timeout_s)
{
	struct wanted w = WANTED_INIT;
	struct proc_spec spec;
	struct proc *p = NULL;
	struct fail f;

	if (wanted_read(&w, r, &f) == -1) {
		serve_error(r, 400, "BAD_REQUEST", "%s", f.msg);
		wanted_free(&w);
		return NULL;
	}
	spec = (struct proc_spec){
		.user = w.user == NULL ? "sandbox" : w.user,
		.folder = w.folder == NULL ? "" : w.folder,
		.words = &w.words,
		.nwords = w.nwords,
		.env = &w.env,
		.what = w.what.data,
	};
	*timeout_s = w.timeout_s;
	if (proc_start(b, &spec, &p, &f) == -1) {
		p = NULL;
		if (f.status == EX_USAGE)
			serve_error(r, 400, "BAD_REQUEST", "%s", f.msg);
		else if (f.status == EX_TEMPFAIL)
			serve_error(r, 503, "SANDBOX_NOT_RUNNING", "%s",
			    f.msg);
		else
			serve_error(r, 500, "INTERNAL_ERROR", "%s", f.msg);
	}
	wanted_free(&w);
	return p;
}

static void
show(struct serve_request *r, unsigned status, struct sandbox *b,
    struct proc *p)
{
	struct buf out = BUF_INIT(BUF_SMALL_MAX);
	struct jout j = JOUT_INIT(&out);

	pthread_mutex_lock(&b->lock);
	proc_describe(p, &j);
	pthread_mutex_unlock(&b->lock);
	serve_reply_json(r, status, &j);
}

static void
list(struct serve_request *r, struct sandbox *b)
{
	struct buf out = BUF_INIT(BUF_DOC_MAX);
	struct jout j = JOUT_INIT(&out);
	struct proc *p;

	jout_object(&j);
	jout_key(&j, "processes");
	jout_array(&j);
	pthread_mutex_lock(&b->lock);
	for (p = b->procs; p != NULL; p = p->next)
		if (p->state == PROC_RUNNING || p->state == PROC_ENDED)
			proc_describe(p, &j);
	pthread_mutex_unlock(&b->lock);
	jout_close(&j);
	jout_close(&j);
	serve_reply_json(r, 200, &j);
}

/*
 * WIRE.md 9.3, S: all lines so far, written as they are read: a log may be
 * long, and many may ask for it at once.
 */
struct lines {
	struct sandbox	*sandbox;
	struct proc	*proc;
	int		 stream;	/* or -1: both */
	uint64_t	 off, upto, n;
	struct outlog_line line;
	struct buf	 out;		/* composed, not yet sent */
	size_t		 sent;
	bool		 over;
};

static int
add_listed(struct lines *w, struct fail *f)
{
	struct jout j = JOUT_INIT(&w->out);

	if (w->n++ > 0 && buf_adds(&w->out, ",", f) == -1)
		return -1;
	jout_stringn(&j, w->line.text.data, w->line.text.len);
	return jout_end(&j, f);
}

static int
compose_lines(struct lines *w, struct fail *f)
{
	int got = 1;

	while (w->out.len < BATCH && (got = outlog_read(&w->proc->log, &w->off,
	    w->upto, &w->line, f)) == 1)
		if ((w->stream == -1 || w->line.stream ==
		    (unsigned)w->stream) && add_listed(w, f) == -1)
			return -1;
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
	struct lines *w = arg;
	struct fail f;
	size_t n;

	if (w->sent == w->out.len) {
		if (w->over)
			return -1;
		buf_clear(&w->out);
		w->sent = 0;
		if (compose_lines(w, &f) == -1)
			return SERVE_CUT;
	}
	n = w->out.len - w->sent;
	if (n > max)
		n = max;
	memcpy(p, w->out.data + w->sent, n);
	w->sent += n;
	return (ssize_t)n;
}

static void
lines_free(void *arg)
{
	struct lines *w = arg;

	proc_put(w->sandbox, w->proc);
	sandbox_put(w->sandbox);
	buf_free(&w->line.text);
	buf_free(&w->out);
	free(w);
}

static void
lines(struct serve_request *r, struct sandbox *b, struct proc *p, int stream)
{
	struct lines *w = calloc(1, sizeof(*w));
	struct fail f;

	if (w == NULL) {
		serve_error(r, 500, "INTERNAL_ERROR", "out of memory");
		return;
	}
	w->sandbox = b;
	w->proc = p;
	w->stream = stream;
	w->line = (struct outlog_line)OUTLOG_LINE_INIT;
	w->out.max = BATCH + 8 * OUTLOG_LINE_MAX;
	sandbox_ref(b);
	pthread_mutex_lock(&b->lock);
	p->refs++;
	w->upto = p->log.size;
	pthread_mutex_unlock(&b->lock);
	if (buf_addf(&w->out, &f, "{\"pid\":%d,\"lines\":[",
	    (int)p->pid) == -1) {
		lines_free(w);
		serve_error(r, 500, "INTERNAL_ERROR", "%s", f.msg);
	} else
		serve_reply_stream(r, 200, "application/json", lines_next,
		    lines_free, w);
}

/* A process's output as server-sent events, from its first line on. */
struct follow {
	struct sandbox	*sandbox;
	struct proc	*proc;
	struct serve	*serve;
	int		 stream;	/* or -1: both */
	uint64_t	 off;
	struct buf	 out;		/* composed, not yet sent */
	size_t		 sent;
	int64_t		 beat_ms;	/* when something was last sent */
	int64_t		 until_ms;	/* run: kill it then; 0: never */
	bool		 run;		/* WIRE.md 9.8's framing */
	bool		 over;
};

static int
add_line(struct follow *w, const struct outlog_line *line, struct fail *f)
{
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
add_end(struct follow *w, struct fail *f)
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
look(struct follow *w, bool *ended)
{
	struct sandbox *b = w->sandbox;
	int64_t end = clock_ms() + LOOK_MS;
	uint64_t upto;

	pthread_mutex_lock(&b->lock);
	while (w->proc->log.size == w->off &&
	    w->proc->state == PROC_RUNNING &&
	    clock_cond_wait(&b->changed, &b->lock, end))
		;
	upto = w->proc->log.size;
	*ended = w->proc->state == PROC_ENDED;
	pthread_mutex_unlock(&b->lock);
	return upto;
}

static int
compose(struct follow *w, struct fail *f)
{
	struct outlog_line line = OUTLOG_LINE_INIT;
	uint64_t upto;
	bool ended;
	int got = 1;

	upto = look(w, &ended);
	while (w->out.len < BATCH && (got = outlog_read(&w->proc->log, &w->off,
	    upto, &line, f)) == 1)
		if ((w->stream == -1 || line.stream == (unsigned)w->stream) &&
		    add_line(w, &line, f) == -1) {
			got = -1;
			break;
		}
	buf_free(&line.text);
	if (got == -1)
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
	struct follow *w = arg;
	struct fail f;
	size_t n;

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
		if (compose(w, &f) == -1)
			return SERVE_CUT;
		if (w->out.len == 0)
			return 0;
	}
	n = w->out.len - w->sent;
	if (n > max)
		n = max;
	memcpy(p, w->out.data + w->sent, n);
	w->sent += n;
	w->beat_ms = clock_ms();
	return (ssize_t)n;
}

static void
follow_free(void *arg)
{
	struct follow *w = arg;

	/* Nobody else knows of what was only to be run. */
	if (w->run)
		proc_kill(w->sandbox, w->proc, SIGKILL);
	proc_put(w->sandbox, w->proc);
	sandbox_put(w->sandbox);
	buf_free(&w->out);
	free(w);
}

/* Takes over the reference to p. */
static void
follow(struct serve_request *r, struct sandbox *b, struct proc *p, int stream,
    bool run, double timeout_s)
{
	struct follow *w = calloc(1, sizeof(*w));
	struct fail f;

	if (w == NULL) {
		proc_put(b, p);
		serve_error(r, 500, "INTERNAL_ERROR", "out of memory");
		return;
	}
	sandbox_ref(b);
	w->sandbox = b;
	w->proc = p;
	w->serve = r->serve;
	w->stream = stream;
	w->out.max = BATCH + 8 * OUTLOG_LINE_MAX;
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
	    follow_free, w);
}

static void
send_signal(struct serve_request *r, struct sandbox *b, struct proc *p)
{
	struct span doc;
	uint64_t sig = 0;
	struct fail f;

	if (serve_body_json(r, &doc, &f) == -1 ||
	    json_u64(&doc, "signal", JSON_NEED, &sig, &f) == -1 ||
	    sig < 1 || sig >= (uint64_t)NSIG)
		serve_error(r, 400, "BAD_REQUEST",
		    "signal: not a number from 1 to %d", NSIG - 1);
	else if (!proc_kill(b, p, (int)sig))
		serve_error(r, 409, "NOT_RUNNING", "the process has ended");
	else
		serve_reply(r, 204, NULL, "", 0);
}

/* Those of /api/v1/processes/{pid}; p's reference is the caller's. */
static void
one(struct serve_request *r, struct sandbox *b, struct proc *p,
    const char *what)
{
	bool get = strcmp(r->method, "GET") == 0;
	int stream = -1;

	if (strcmp(what, "") == 0 && strcmp(r->method, "DELETE") == 0) {
		/* One that has ended already is as good as killed. */
		proc_kill(b, p, SIGKILL);
		serve_reply(r, 204, NULL, "", 0);
		return;
	}
	if (strcmp(what, "/signal") == 0 && strcmp(r->method, "POST") == 0) {
		send_signal(r, b, p);
		return;
	}
	if (!get) {
		serve_only(r, "METHOD_NOT_ALLOWED", strcmp(what, "") == 0 ?
		    "GET, DELETE" : strcmp(what, "/signal") == 0 ? "POST" :
		    "GET");
		return;
	}
	if (strcmp(what, "") == 0) {
		show(r, 200, b, p);
		return;
	}
	if (strncmp(what, "/stdout", 7) == 0) {
		stream = OUTLOG_OUT;
		what += 7;
	} else if (strncmp(what, "/stderr", 7) == 0) {
		stream = OUTLOG_ERR;
		what += 7;
	} else if (strncmp(what, "/output", 7) == 0)
		what += 7;
	else
		what = NULL;
	if (what != NULL && strcmp(what, "") == 0)
		lines(r, b, p, stream);
	else if (what != NULL && strcmp(what, "/follow") == 0) {
		pthread_mutex_lock(&b->lock);
		p->refs++;
		pthread_mutex_unlock(&b->lock);
		follow(r, b, p, stream, false, 0);
	} else
		serve_error(r, 404, "NOT_FOUND", "no such address");
}

static void
all(struct serve_request *r, struct sandbox *b, bool run)
{
	double timeout_s;
	struct proc *p;

	if (!run && strcmp(r->method, "GET") == 0) {
		list(r, b);
		return;
	}
	if (strcmp(r->method, "POST") != 0) {
		serve_only(r, "METHOD_NOT_ALLOWED", run ? "POST" :
		    "GET, POST");
		return;
	}
	p = start(r, b, &timeout_s);
	if (p == NULL)
		return;
	if (run) {
		follow(r, b, p, -1, true, timeout_s);
		return;
	}
	show(r, 201, b, p);
	proc_put(b, p);
}

bool
procapi_done(struct serve_request *r, struct sandbox *b)
{
	static const char base[] = "/api/v1/processes";
	const char *rest = r->path + sizeof(base) - 1;
	struct proc *p;
	size_t digits;

	if (strncmp(r->path, base, sizeof(base) - 1) != 0)
		return false;
	if (strcmp(rest, "") == 0 || strcmp(rest, "/run") == 0) {
		all(r, b, rest[0] != '\0');
		return true;
	}
	digits = strspn(rest + 1, "0123456789");
	if (rest[0] != '/' || digits == 0 || digits > 9 ||
	    (rest[1 + digits] != '\0' && rest[1 + digits] != '/'))
		return false;
	p = proc_find(b, (pid_t)atoi(rest + 1));
	if (p == NULL) {
		serve_error(r, 404, "NOT_FOUND", "there is no process %.9s",
		    rest + 1);
		return true;
	}
	one(r, b, p, rest + 1 + digits);
	proc_put(b, p);
	return true;
}
