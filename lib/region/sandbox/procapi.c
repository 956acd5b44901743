#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "core/json.h"
#include "core/span.h"
#include "region/runtime/message.h"
#include "region/sandbox/output.h"
#include "region/sandbox/proc.h"
#include "region/sandbox/procapi.h"

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
start(struct serve_request *r, struct sandbox *sb, double *timeout_s)
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
	if (proc_start(sb, &spec, &p, &f) == -1) {
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
show(struct serve_request *r, unsigned status, struct sandbox *sb,
    struct proc *p)
{
	struct buf out = BUF_INIT(BUF_SMALL_MAX);
	struct jout j = JOUT_INIT(&out);

	pthread_mutex_lock(&sb->lock);
	proc_describe(p, &j);
	pthread_mutex_unlock(&sb->lock);
	serve_reply_json(r, status, &j);
}

static void
list(struct serve_request *r, struct sandbox *sb)
{
	struct buf out = BUF_INIT(BUF_DOC_MAX);
	struct jout j = JOUT_INIT(&out);
	struct proc *p;

	jout_object(&j);
	jout_key(&j, "processes");
	jout_array(&j);
	pthread_mutex_lock(&sb->lock);
	for (p = sb->procs; p != NULL; p = p->next)
		if (p->state == PROC_RUNNING || p->state == PROC_ENDED)
			proc_describe(p, &j);
	pthread_mutex_unlock(&sb->lock);
	jout_close(&j);
	jout_close(&j);
	serve_reply_json(r, 200, &j);
}

static void
send_signal(struct serve_request *r, struct sandbox *sb, struct proc *p)
{
	struct span doc;
	uint64_t sig = 0;
	struct fail f;

	if (serve_body_json(r, &doc, &f) == -1 ||
	    json_u64(&doc, "signal", JSON_NEED, &sig, &f) == -1 ||
	    sig < 1 || sig >= (uint64_t)NSIG)
		serve_error(r, 400, "BAD_REQUEST",
		    "signal: not a number from 1 to %d", NSIG - 1);
	else if (!proc_kill(sb, p, (int)sig))
		serve_error(r, 409, "NOT_RUNNING", "the process has ended");
	else
		serve_reply(r, 204, NULL, "", 0);
}

/* What it prints, or has printed so far. */
static void
output(struct serve_request *r, struct sandbox *sb, struct proc *p,
    const char *what)
{
	static const struct {
		const char	*path;
		int		 stream;
	} known[] = {
		{ "/stdout", OUTLOG_OUT }, { "/stderr", OUTLOG_ERR },
		{ "/output", -1 },
	};
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strncmp(what, known[i].path, 7) != 0)
			continue;
		if (what[7] != '\0' && strcmp(what + 7, "/follow") != 0)
			break;
		proc_ref(sb, p);
		if (what[7] == '\0')
			output_lines(r, sb, p, known[i].stream);
		else
			output_follow(r, sb, p, known[i].stream, false, 0);
		return;
	}
	serve_error(r, 404, "NOT_FOUND", "no such address");
}

/* Those of /api/v1/processes/{pid}; p's reference is the caller's. */
static void
one(struct serve_request *r, struct sandbox *sb, struct proc *p,
    const char *what)
{
	bool self = what[0] == '\0', sig = strcmp(what, "/signal") == 0;

	if (self && strcmp(r->method, "DELETE") == 0) {
		/* One that has ended already is as good as killed. */
		proc_kill(sb, p, SIGKILL);
		serve_reply(r, 204, NULL, "", 0);
	} else if (sig && strcmp(r->method, "POST") == 0)
		send_signal(r, sb, p);
	else if (sig || strcmp(r->method, "GET") != 0)
		serve_only(r, "METHOD_NOT_ALLOWED", self ? "GET, DELETE" :
		    sig ? "POST" : "GET");
	else if (self)
		show(r, 200, sb, p);
	else
		output(r, sb, p, what);
}

static void
all(struct serve_request *r, struct sandbox *sb, bool run)
{
	double timeout_s;
	struct proc *p;

	if (!run && strcmp(r->method, "GET") == 0) {
		list(r, sb);
		return;
	}
	if (strcmp(r->method, "POST") != 0) {
		serve_only(r, "METHOD_NOT_ALLOWED", run ? "POST" :
		    "GET, POST");
		return;
	}
	p = start(r, sb, &timeout_s);
	if (p == NULL)
		return;
	if (run) {
		output_follow(r, sb, p, -1, true, timeout_s);
		return;
	}
	show(r, 201, sb, p);
	proc_put(sb, p);
}

bool
procapi_done(struct serve_request *r, struct sandbox *sb)
{
	static const char base[] = "/api/v1/processes";
	const char *rest = r->path + sizeof(base) - 1;
	struct proc *p;
	size_t digits;

	if (strncmp(r->path, base, sizeof(base) - 1) != 0)
		return false;
	if (strcmp(rest, "") == 0 || strcmp(rest, "/run") == 0) {
		all(r, sb, rest[0] != '\0');
		return true;
	}
	digits = strspn(rest + 1, "0123456789");
	if (rest[0] != '/' || digits == 0 || digits > 9 ||
	    (rest[1 + digits] != '\0' && rest[1 + digits] != '/'))
		return false;
	p = proc_find(sb, (pid_t)atoi(rest + 1));
	if (p == NULL) {
		serve_error(r, 404, "NOT_FOUND", "there is no process %.9s",
		    rest + 1);
		return true;
	}
	one(r, sb, p, rest + 1 + digits);
	proc_put(sb, p);
	return true;
}
