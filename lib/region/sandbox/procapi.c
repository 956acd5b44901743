#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "core/json.h"
#include "region/sandbox/output.h"
#include "region/sandbox/proc.h"
#include "region/sandbox/procapi.h"
#include "region/sandbox/wanted.h"

/* Start what the body asks for; NULL after having answered. */
static struct proc *
start(struct serve_request *r, struct sandbox *sb, double *timeout_s)
{
	struct wanted w = WANTED_INIT;
	struct proc_spec spec;
	struct proc *p = NULL;
	struct fail f;

	if (wanted_read(&w, sb, r, &f) == -1)
		serve_error(r, 400, "BAD_REQUEST", "%s", f.msg);
	else {
		spec = wanted_spec(&w, sb);
		*timeout_s = w.timeout_s;
		if (proc_start(sb, &spec, &p, &f) == -1) {
			p = NULL;
			wanted_refused(r, &f);
		}
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
		if (p->screen == NULL && (p->state == PROC_RUNNING ||
		    p->state == PROC_ENDED))
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

static void
feed(struct serve_request *r, struct sandbox *sb, struct proc *p, bool end)
{
	if (end) {
		proc_write_end(sb, p);
		serve_reply(r, 204, NULL, "", 0);
	} else if (proc_write(sb, p, r->body.data, r->body.len) == 0)
		serve_reply(r, 204, NULL, "", 0);
	else
		serve_error(r, 409, "NOT_READING", "the process has no stdin, "
		    "or does not read it any more");
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
	bool end = strcmp(what, "/stdin/close") == 0;
	bool in = end || strcmp(what, "/stdin") == 0;

	if (self && strcmp(r->method, "DELETE") == 0) {
		/* One that has ended already is as good as killed. */
		proc_kill(sb, p, SIGKILL);
		serve_reply(r, 204, NULL, "", 0);
	} else if (sig && strcmp(r->method, "POST") == 0)
		send_signal(r, sb, p);
	else if (in && strcmp(r->method, "POST") == 0)
		feed(r, sb, p, end);
	else if (sig || in || strcmp(r->method, "GET") != 0)
		serve_only(r, "METHOD_NOT_ALLOWED", self ? "GET, DELETE" :
		    sig || in ? "POST" : "GET");
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
