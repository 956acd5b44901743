#include <string.h>
#include <sysexits.h>

#include "core/json.h"
#include "region/sandbox/terminalapi.h"
#include "region/sandbox/wanted.h"

#define ROWS	24
#define COLS	80

static int
read_size(const struct serve_request *r, enum json_want want,
    struct terminal_size *size, struct fail *f)
{
	uint64_t rows = ROWS, cols = COLS;
	struct span doc;

	if (serve_body_json(r, &doc, f) == -1 ||
	    json_u64(&doc, "rows", want, &rows, f) == -1 ||
	    json_u64(&doc, "cols", want, &cols, f) == -1)
		return -1;
	*size = screen_size(rows, cols);
	return 0;
}

static void
create(struct serve_request *r, struct sandbox *sb)
{
	struct buf out = BUF_INIT(BUF_SMALL_MAX);
	struct jout j = JOUT_INIT(&out);
	struct wanted w = WANTED_INIT;
	struct terminal_size size;
	struct proc_spec spec;
	struct proc *p;
	struct fail f;

	if (wanted_read(&w, sb, r, &f) == -1 ||
	    read_size(r, JSON_MAY, &size, &f) == -1) {
		serve_error(r, 400, "BAD_REQUEST", "%s", f.msg);
		wanted_free(&w);
		return;
	}
	spec = wanted_spec(&w, sb);
	spec.input = false;
	if (terminal_start(sb, &spec, size, &p, &f) == -1) {
		if (f.status == EX_NOPERM)
			serve_error(r, 429, "TOO_MANY_SESSIONS", "%s", f.msg);
		else
			wanted_refused(r, &f);
		wanted_free(&w);
		return;
	}
	jout_object(&j);
	jout_member(&j, "session_id", p->screen->id);
	jout_member(&j, "token", p->screen->token);
	jout_close(&j);
	serve_add_header(r, "Cache-Control", "no-store");
	serve_reply_json(r, 201, &j);
	proc_put(sb, p);
	wanted_free(&w);
}

static void
list(struct serve_request *r, struct sandbox *sb)
{
	struct buf out = BUF_INIT(BUF_DOC_MAX);
	struct jout j = JOUT_INIT(&out);
	const struct proc *p;

	jout_object(&j);
	jout_key(&j, "sessions");
	jout_array(&j);
	pthread_mutex_lock(&sb->lock);
	for (p = sb->procs; p != NULL; p = p->next)
		if (p->screen != NULL && (p->state == PROC_RUNNING ||
		    p->state == PROC_ENDED))
			terminal_describe(p, &j);
	pthread_mutex_unlock(&sb->lock);
	jout_close(&j);
	jout_close(&j);
	serve_reply_json(r, 200, &j);
}

static void
show(struct serve_request *r, struct sandbox *sb, const struct proc *p)
{
	struct buf out = BUF_INIT(BUF_SMALL_MAX);
	struct jout j = JOUT_INIT(&out);

	pthread_mutex_lock(&sb->lock);
	terminal_describe(p, &j);
	pthread_mutex_unlock(&sb->lock);
	serve_reply_json(r, 200, &j);
}

static void
resize(struct serve_request *r, struct sandbox *sb, struct proc *p)
{
	struct terminal_size size;
	struct fail f;

	if (read_size(r, JSON_NEED, &size, &f) == -1)
		serve_error(r, 400, "BAD_REQUEST", "%s", f.msg);
	else if (terminal_resize_to(sb, p, size) == -1)
		serve_error(r, 409, "NOT_RUNNING", "the terminal has ended, "
		    "or does not take it");
	else
		serve_reply(r, 204, NULL, "", 0);
}

static void
run(void *arg, int fd, const void *early, size_t n)
{
	terminal_socket_run(arg, fd, early, n);
}

/* Its token comes in a header, or where none can be set in the query. */
static void
attach(struct serve_request *r, struct sandbox *sb, struct proc *p,
    struct terminal_socket *s)
{
	const char *token = serve_header(r, "X-PTY-Token");
	struct buf query = BUF_INIT(256);
	struct fail f;

	if (token == NULL && serve_query(r, "token", &query, &f) == 1)
		token = query.data;
	if (token == NULL || !screen_key(p->screen, token))
		serve_error(r, 403, "INVALID_TOKEN",
		    "not the token of this terminal");
	else {
		sandbox_ref(sb);
		proc_ref(sb, p);
		*s = (struct terminal_socket){ sb, p, r->serve };
		serve_reply_websocket(r, run, s);
	}
	buf_free(&query);
}

void
terminalapi_gone(struct terminal_socket *s)
{
	if (s->proc == NULL)
		return;
	proc_put(s->sandbox, s->proc);
	sandbox_put(s->sandbox);
	s->proc = NULL;
}

bool
terminalapi_done(struct serve_request *r, struct sandbox *sb,
    struct terminal_socket *s)
{
	static const char *const patterns[] = {
		"/api/v1/pty/{}", "/api/v1/pty/{}/resize", "/api/v1/pty/{}/ws",
	};
	static const char *const methods[] = { "GET, DELETE", "POST", "GET" };
	char id[1][256];
	struct proc *p;
	unsigned i;

	if (strcmp(r->path, "/api/v1/pty") == 0) {
		if (strcmp(r->method, "POST") == 0)
			create(r, sb);
		else if (strcmp(r->method, "GET") == 0)
			list(r, sb);
		else
			serve_only(r, "METHOD_NOT_ALLOWED", "GET, POST");
		return true;
	}
	for (i = 0; i < 3; i++)
		if (serve_match(r, patterns[i], id, 1) == 1)
			break;
	if (i == 3)
		return false;
	p = terminal_find(sb, id[0]);
	if (p == NULL)
		serve_error(r, 404, i == 2 ? "SESSION_NOT_FOUND" : "NOT_FOUND",
		    "there is no such terminal");
	else if (i == 0 && strcmp(r->method, "DELETE") == 0) {
		terminal_kill(sb, p);
		serve_reply(r, 204, NULL, "", 0);
	} else if (strcmp(r->method, i == 1 ? "POST" : "GET") != 0)
		serve_only(r, "METHOD_NOT_ALLOWED", methods[i]);
	else if (i == 0)
		show(r, sb, p);
	else if (i == 1)
		resize(r, sb, p);
	else
		attach(r, sb, p, s);
	if (p != NULL)
		proc_put(sb, p);
	return true;
}
