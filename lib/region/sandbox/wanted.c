#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "core/json.h"
#include "core/span.h"
#include "region/sandbox/wanted.h"

#define RUN_MAX_S	(24.0 * 3600)

void
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

int
wanted_read(struct wanted *w, const struct sandbox *sb,
    const struct serve_request *r, struct fail *f)
{
	struct jout j = JOUT_INIT(&w->what);
	struct span doc, command, mode;

	/* What the image sets comes first, so what is asked for wins. */
	if ((sb->root.env.len > 0 && buf_add(&w->env, sb->root.env.data,
	    sb->root.env.len, f) == -1) || serve_body_json(r, &doc, f) == -1 ||
	    json_string(&doc, "command", JSON_NEED, &w->command, f) == -1 ||
	    span_get(&doc, "command", &command, f) == -1 ||
	    json_string(&doc, "user", JSON_MAY, &w->user, f) == -1 ||
	    json_string(&doc, "working_dir", JSON_MAY, &w->folder, f) == -1 ||
	    json_double(&doc, "timeout", JSON_MAY, &w->timeout_s, f) == -1)
		return -1;
	if (span_get(&doc, "stdin_mode", &mode, f) == 1) {
		w->input = span_is_string(&mode) && span_equals(&mode, "pipe");
		if (!w->input && !(span_is_string(&mode) &&
		    span_equals(&mode, "closed")))
			return fail_set(f, EX_DATAERR,
			    "stdin_mode: must be closed or pipe");
	}
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

struct proc_spec
wanted_spec(const struct wanted *w, const struct sandbox *sb)
{
	return (struct proc_spec){
		.user = w->user != NULL ? w->user : sb->root.folder == NULL ?
		    "sandbox" : sb->root.user[0] == '\0' ? "root" :
		    sb->root.user,
		.folder = w->folder != NULL ? w->folder :
		    sb->root.folder == NULL ? "" : sb->root.working_dir,
		.words = &w->words,
		.nwords = w->nwords,
		.env = &w->env,
		.what = w->what.data,
		.input = w->input,
	};
}

void
wanted_refused(struct serve_request *r, const struct fail *f)
{
	if (f->status == EX_USAGE)
		serve_error(r, 400, "BAD_REQUEST", "%s", f->msg);
	else if (f->status == EX_TEMPFAIL)
		serve_error(r, 503, "SANDBOX_NOT_RUNNING", "%s", f->msg);
	else
		serve_error(r, 500, "INTERNAL_ERROR", "%s", f->msg);
}
