#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/guard/guard_impl.h"
#include "client/stages/prepared.h"
#include "client/stages/template.h"
#include "core/clock.h"

#define UNDO_S		5U	/* for the servers, after a failure */
#define UNDO_WELL_S	10U
#define DIAGNOSE_S	5U
#define SHOW_MS		1000	/* for whoever reads slowly, at the end */

/*
 * The end.
 */

/* Wait for the process of undo.h, which has its own limit. */
static bool
await_undo(struct run *r, unsigned seconds)
{
	int64_t end = clock_ms() + (int64_t)seconds * 1000 + KILLED_MS;
	bool ok = false;

	while (!undo_look(&r->undo, &ok)) {
		if (clock_ms() >= end) {
			undo_kill(&r->undo);
			break;
		}
		run_await(r, end - clock_ms());
	}
	return ok;
}

static void
forget_file(const struct run *r, const char *name)
{
	char *path = work_file(&r->folder, name);

	if (path != NULL)
		unlink(path);
	free(path);
}

/* An upload that was signed when the build was prepared is of no more use. */
static void
forget_prepared(const struct run *r)
{
	struct buf text = BUF_INIT(BUF_DOC_MAX);
	struct prepared p = PREPARED_INIT;
	char *path = work_file(&r->folder, "prepared.json");
	struct fail f;

	if (path != NULL && prepared_load(&p, &text, path, &f) == 0) {
		if (p.rel_path == NULL)
			unlink(path);
		prepared_free(&p);
	}
	free(path);
	buf_free(&text);
}

/* A line of undo_ledger()'s, "RESULT KIND ID NOTE"; true: it is left. */
static bool
result(struct run *r, char *line)
{
	char *how = strsep(&line, " "), *kind = strsep(&line, " ");
	char *id = strsep(&line, " "), *note = line, text[2048];
	int n;

	if (note == NULL || (strcmp(how, "undone") != 0 &&
	    strcmp(how, "unknown") != 0 && strcmp(how, "kept") != 0 &&
	    strcmp(how, "left") != 0 && strcmp(how, "failed") != 0)) {
		/* What -v says. */
		n = snprintf(text, sizeof(text), "%s%s%s%s%s%s%s\n", how,
		    kind != NULL ? " " : "", kind != NULL ? kind : "",
		    id != NULL ? " " : "", id != NULL ? id : "",
		    note != NULL ? " " : "", note != NULL ? note : "");
		if (n > 0 && (size_t)n < sizeof(text))
			run_put(r, text, (size_t)n, false);
		return false;
	}
	if (strcmp(how, "kept") == 0)
		return false;
	if (strcmp(how, "left") == 0 || strcmp(how, "failed") == 0) {
		run_tell(r, "error", "%s %s is left%s%s", kind, id,
		    *note != '\0' ? ": " : "", note);
		return true;
	}
	if (strcmp(how, "undone") != 0)
		run_tell(r, "say", "%s %s: %s", kind, id, note);
	else if (!r->well)
		run_tell(r, "say", "%s %s: %s", kind, id, strcmp(kind,
		    "sandbox") == 0 ? "deleted" : "aborted");
	if (strcmp(kind, "sandbox") == 0)
		forget_file(r, "sandbox.json");
	if (strcmp(kind, "upload") == 0 && strcmp(how, "undone") == 0)
		forget_prepared(r);
	return false;
}

static bool
open_entries(const struct run *r)
{
	return held_find(&r->held, LEDGER_SANDBOX, LEDGER_MADE) != NULL ||
	    held_find(&r->held, LEDGER_SANDBOX, LEDGER_ASKED) != NULL ||
	    held_find(&r->held, LEDGER_UPLOAD, LEDGER_MADE) != NULL ||
	    held_find(&r->held, LEDGER_UPLOAD, LEDGER_ASKED) != NULL ||
	    held_find(&r->held, LEDGER_TEMPLATE, LEDGER_ASKED) != NULL;
}

/* All that the ledger has open; true if something is left. */
static bool
undo(struct run *r, unsigned seconds)
{
	const struct ledger_entry *e;
	char text[1024], *p, *line;
	bool left = false, ok;
	struct fail f;

	if (!open_entries(r))
		return false;
	e = held_find(&r->held, LEDGER_SANDBOX, LEDGER_MADE);
	if (r->g->keep_sandbox && e != NULL) {
		if (ledger_keep(&r->held.ledger, e->id, &f) == -1)
			run_tell(r, "error", "the sandbox cannot be kept: %s",
			    f.msg);
		else
			run_tell(r, "say", "the sandbox is kept; delete it "
			    "with: %s", run_reap_line(r, " --all", text));
	}
	if (undo_ledger(&r->undo, &r->held, r->g->settings, seconds,
	    r->g->verbose, &f) == -1) {
		run_tell(r, "error", "%s", f.msg);
		ok = false;
	} else
		ok = await_undo(r, seconds);
	for (p = r->undo.lines.data; p != NULL && *p != '\0';) {
		line = strsep(&p, "\n");
		if (*line != '\0')
			left |= result(r, line);
	}
	buf_free(&r->undo.lines);
	held_look(&r->held);
	left |= !ok;
	if (left)
		run_tell(r, "error", "not all could be undone; again: %s",
		    run_reap_line(r, "", text));
	return left;
}

static void
advise(struct run *r)
{
	char *sandbox = work_file(&r->folder, "sandbox.json");
	char *builder = work_file(&r->folder, "builder.json");
	char *p, *line;
	struct fail f;

	if (builder != NULL)
		diagnose_status(&r->seen, builder, &f);
	if (sandbox != NULL && access(sandbox, R_OK) == 0 &&
	    undo_diagnose(&r->undo, &r->seen, sandbox, r->g->settings,
	    DIAGNOSE_S, r->g->verbose, &f) == 0) {
		await_undo(r, DIAGNOSE_S);
		for (p = r->undo.lines.data; p != NULL && *p != '\0';) {
			line = strsep(&p, "\n");
			if (*line != '\0')
				run_tell(r, "error", "%s", line);
		}
		buf_free(&r->undo.lines);
	}
	free(sandbox);
	free(builder);
}

/* What is registered, by the folder's document; 1 if there is one. */
static int
registered(const struct run *r, struct template *t)
{
	struct buf text = BUF_INIT(BUF_SMALL_MAX);
	char *path = work_file(&r->folder, "template.json");
	struct span doc;
	struct fail f;
	int rc = 0;

	*t = (struct template)TEMPLATE_INIT;
	if (path != NULL && access(path, R_OK) == 0 &&
	    buf_load(&text, path, &f) == 0 && text.len > 0 &&
	    span_parse(&doc, text.data, text.len, &f) == 0)
		rc = template_parse(t, &doc, &f) == 0;
	free(path);
	buf_free(&text);
	return rc;
}

/* tl-changed(1) has left word that there was nothing to build. */
static bool
unchanged(const struct run *r)
{
	char *path = work_file(&r->folder, "unchanged");
	bool is = path != NULL && access(path, F_OK) == 0;

	free(path);
	return is;
}

int
run_finish(struct run *r, int code)
{
	bool begun = r->held.list.n > 0 || r->folder.resumed, left = false;
	struct template t = TEMPLATE_INIT;
	char again[900];
	bool done, there;

	if (code != 0)
		work_promote(&r->folder);
	done = registered(r, &t) == 1;
	there = access(r->folder.path, F_OK) == 0;
	if (r->late)
		run_tell(r, "error", "the deadline of %u s has passed",
		    r->g->deadline_s);
	else if (r->lost && r->sig == 0)
		run_tell(r, "error", there ? "%s: its ledger is gone" :
		    "%s: is gone", r->folder.path);
	else if (r->sig != 0)
		run_tell(r, "error", "stopped by a signal (%d)", code);
	else if (code != 0 && !done && r->sandbox[0] != '\0' &&
	    held_find(&r->held, LEDGER_SANDBOX, LEDGER_MADE) != NULL)
		advise(r);
	r->well = code == 0;
	if (code == 0 && open_entries(r)) {
		run_tell(r, "stage", "delete");
		left = undo(r, UNDO_WELL_S);
		run_tell(r, left ? "failed" : "done", "%d", GUARD_LEFT);
	} else if (code != 0 && (begun || !r->folder.own))
		left = undo(r, UNDO_S);
	if (code != 0 && (begun || !r->folder.own)) {
		if (done)
			run_tell(r, "error", "the image is registered all the "
			    "same: %s/template.json", r->folder.path);
		else if (held_find(&r->held, LEDGER_TEMPLATE, LEDGER_MADE) !=
		    NULL)
			run_tell(r, "error", "the image is registered all the "
			    "same; its template could not be kept");
		if (r->build[0] != '\0' || r->sandbox[0] != '\0')
			run_tell(r, "say", "%s%s%s%s%s%s%s%s",
			    r->build[0] != '\0' ? "build " : "", r->build,
			    r->build[0] != '\0' && r->sandbox[0] != '\0' ?
			    "; " : "", r->sandbox[0] != '\0' ? "sandbox " : "",
			    r->sandbox, there ? "; log: " : "",
			    there ? r->folder.path : "", there ? "/log" : "");
		run_shown(again, sizeof(again), r->folder.path);
		if (there && !r->lost)
			run_tell(r, "error", "again: %s --resume %s",
			    r->g->program, again);
	} else if (code == 0 && done)
		run_tell(r, "say", "%s: %s as %s in %.2f s", t.name,
		    unchanged(r) ? "nothing has changed; found registered" :
		    "registered", t.id,
		    (double)(clock_ms() - r->begun_ms) / 1000);
	template_free(&t);
	if (left)
		code = GUARD_LEFT;
	run_tell(r, "end", "%d", code);
	work_tidy(&r->folder, code == 0, r->g->keep_sandbox);
	held_end(&r->held);
	show_end(&r->show, SHOW_MS);
	if (r->folder.own && !left && ((code == 0 && !r->g->keep_sandbox) ||
	    !begun))
		work_remove(&r->folder);
	return code;
}
