#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "client/guard/recheck.h"
#include "client/ledger/abort.h"
#include "client/ledger/expiry.h"
#include "client/ledger/reap.h"
#include "client/sandbox/lifecycle.h"
#include "client/stages/attest.h"
#include "client/stages/complete.h"
#include "client/stages/metadata.h"
#include "client/stages/template.h"
#include "core/stop.h"

#define MARGIN_S	600	/* what ends sooner may end meanwhile */
#define UNDO_S		10U

enum recheck_from
recheck_rule(const struct recheck *c, const char **why)
{
	*why = NULL;
	if (c->template == RECHECK_GOOD)
		return RECHECK_NOTHING;
	if (c->prepared != RECHECK_GOOD && c->prepared != RECHECK_EXPIRED) {
		*why = c->prepared == RECHECK_BAD ?
		    "prepared.json is damaged" : "nothing is prepared";
		return RECHECK_PREPARE;
	}
	if (!c->plan_same) {
		*why = "the plan has changed";
		return RECHECK_PREPARE;
	}
	if (c->legacy && c->prepared == RECHECK_EXPIRED) {
		*why = "what was signed has expired";
		return RECHECK_PREPARE;
	}
	if (!c->context_same) {
		*why = "the context has changed";
		return RECHECK_SANDBOX;
	}
	if (c->metadata == RECHECK_GOOD)
		return RECHECK_ON;
	if (c->metadata == RECHECK_BAD)
		*why = "metadata.json is damaged";
	else if (c->sandbox == RECHECK_MISSING)
		*why = "there is no sandbox";
	else if (c->sandbox == RECHECK_BAD)
		*why = "sandbox.json is damaged";
	else if (c->begun)
		*why = "the builder has not ended well";
	else if (c->gone)
		*why = "the sandbox is gone";
	if (*why != NULL)
		return RECHECK_SANDBOX;
	if (c->signed_ == RECHECK_BAD)
		*why = "signed.json is damaged";
	else if (c->signed_ == RECHECK_EXPIRED)
		*why = "what was signed has expired";
	return *why != NULL ? RECHECK_SIGN : RECHECK_ON;
}

/*
 * The folder.
 */

struct folder_at {
	int			 fd;
	const char		*path;
	const struct settings	*settings;
	bool			 verbose;
	void			(*note)(const char *);
	struct recheck		 c;
	struct prepared		 prepared;
	struct buf		 prepared_text;
	char			*sandbox_id;
	bool			 bad_target, bad_attested;
};

static bool
there(const struct folder_at *o, const char *name)
{
	return faccessat(o->fd, name, F_OK, 0) == 0;
}

/* MISSING, BAD or GOOD, as an object of JSON; its bytes in text. */
static enum recheck_document
load(const struct folder_at *o, const char *name, struct buf *text,
    struct span *doc)
{
	int fd = openat(o->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW |
	    O_NONBLOCK);
	struct stat st;
	struct fail f;
	int r;

	if (fd == -1)
		return errno == ENOENT ? RECHECK_MISSING : RECHECK_BAD;
	r = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ?
	    buf_read(text, fd, name, &f) : -1;
	close(fd);
	/* An empty one is what a stage that was cut short has left. */
	if (r == 0 && text->len == 0)
		return RECHECK_MISSING;
	return r == 0 && span_parse(doc, text->data, text->len, &f) == 0 &&
	    span_is_object(doc) ? RECHECK_GOOD : RECHECK_BAD;
}

static enum recheck_document
ends_soon(const struct span *doc)
{
	struct fail f;
	time_t end;

	return expiry_find(doc, &end, &f) == 1 && end < time(NULL) + MARGIN_S ?
	    RECHECK_EXPIRED : RECHECK_GOOD;
}

static void
look_prepared(struct folder_at *o)
{
	struct span doc;
	struct fail f;

	o->c.prepared = load(o, "prepared.json", &o->prepared_text, &doc);
	if (o->c.prepared != RECHECK_GOOD)
		return;
	if (prepared_parse(&o->prepared, &o->prepared_text, EX_DATAERR, &f) ==
	    -1) {
		o->c.prepared = RECHECK_BAD;
		return;
	}
	o->c.legacy = o->prepared.rel_path == NULL;
	o->c.prepared = ends_soon(&o->prepared.doc);
}

static bool
is_prepared(const struct folder_at *o)
{
	return o->c.prepared == RECHECK_GOOD || o->c.prepared ==
	    RECHECK_EXPIRED;
}

/* *uri: of its object, malloc'ed; NULL where it has none. */
static enum recheck_document
look_signed(const struct folder_at *o, const char *name, char **uri)
{
	struct buf text = BUF_INIT(BUF_DOC_MAX);
	enum recheck_document is;
	struct span doc;
	struct fail f;

	*uri = NULL;
	if ((is = load(o, name, &text, &doc)) == RECHECK_GOOD) {
		if (is_prepared(o) && complete_signed_uri(&o->prepared, &doc,
		    uri, &f) == -1)
			is = RECHECK_BAD;
		else
			is = ends_soon(&doc);
	}
	buf_free(&text);
	return is;
}

static void
look_others(struct folder_at *o)
{
	struct completion completion = COMPLETION_INIT;
	struct lifecycle life = LIFECYCLE_INIT;
	struct template t = TEMPLATE_INIT;
	struct buf text = BUF_INIT(BUF_DOC_MAX);
	char *uri, *target;
	struct span doc, block;
	struct fail f;

	if ((o->c.template = load(o, "template.json", &text, &doc)) ==
	    RECHECK_GOOD && template_parse(&t, &doc, &f) == -1)
		o->c.template = RECHECK_BAD;
	template_free(&t);
	buf_clear(&text);
	if ((o->c.sandbox = load(o, "sandbox.json", &text, &doc)) ==
	    RECHECK_GOOD) {
		if (lifecycle_read(&life, &doc, &f) == -1)
			o->c.sandbox = RECHECK_BAD;
		else
			o->sandbox_id = strdup(life.id);
	}
	lifecycle_free(&life);
	buf_clear(&text);
	o->c.signed_ = look_signed(o, "signed.json", &uri);
	/* What an earlier try has left of it, to complete with. */
	o->bad_target = look_signed(o, "target.json", &target) == RECHECK_BAD;
	buf_clear(&text);
	o->bad_attested = load(o, "attested.json", &text, &doc) ==
	    RECHECK_BAD || (text.len > 0 && attest_block(&doc, &block, &f) ==
	    -1);
	buf_clear(&text);
	o->c.metadata = load(o, "metadata.json", &text, &doc);
	if (o->c.metadata == RECHECK_GOOD && is_prepared(o) &&
	    metadata_read(&completion, &doc, &o->prepared,
	    target != NULL ? target : uri, NULL, &f) == -1)
		o->c.metadata = RECHECK_BAD;
	free(uri);
	free(target);
	completion_free(&completion);
	buf_free(&text);
}

static bool
same(const struct folder_at *o, const char *a, const char *b)
{
	struct buf x = BUF_INIT(BUF_DOC_MAX), y = BUF_INIT(BUF_DOC_MAX);
	int fa = openat(o->fd, a, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int fb = openat(o->fd, b, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct fail f;
	bool is;

	is = fa != -1 && fb != -1 && buf_read(&x, fa, a, &f) == 0 &&
	    buf_read(&y, fb, b, &f) == 0 && x.len == y.len &&
	    (x.len == 0 || memcmp(x.data, y.data, x.len) == 0);
	if (fa != -1)
		close(fa);
	if (fb != -1)
		close(fb);
	buf_free(&x);
	buf_free(&y);
	return is;
}

/* 0, or -1 where its server does not say. */
static int
look_sandbox(struct folder_at *o, struct fail *f)
{
	struct lifecycle life = LIFECYCLE_INIT;
	struct cloud cloud = CLOUD_INIT;
	struct exchange x;
	struct http *http;
	int r = 0;

	if ((http = cloud_http(&cloud, o->settings, o->verbose, f)) == NULL)
		return -1;
	exchange_init(&x, http, &cloud);
	if ((life.id = strdup(o->sandbox_id)) == NULL)
		r = fail_set(f, EX_OSERR, "out of memory");
	/* Only that it is gone says so, and no wrong key. */
	else if ((r = lifecycle_get(&x, &life, f)) == -1 && life.gone) {
		o->c.gone = true;
		r = 0;
	}
	lifecycle_free(&life);
	exchange_free(&x);
	http_free(http);
	cloud_free(&cloud);
	return r;
}

static void
tell(void *arg, const char *ledger, const struct ledger_entry *e,
    enum reap_result how, const char *note)
{
	const struct folder_at *o = arg;
	char line[700];

	(void)ledger;
	snprintf(line, sizeof(line), "%s %s: %s%s%.400s", ledger_word(e->kind),
	    e->id != NULL ? e->id : e->key, how != REAP_DONE ?
	    reap_word(how) : e->kind == LEDGER_SANDBOX ? "deleted" : "aborted",
	    *note != '\0' ? "; " : "", note);
	o->note(line);
}

/* By the ledger, whose lock is our guard's. */
static int
undo(struct folder_at *o, struct fail *f)
{
	struct reap reap = { .seconds = UNDO_S, .tell = tell, .arg = o };
	const char *path = getenv("TL_LEDGER");
	struct cloud cloud = CLOUD_INIT;
	struct fail why;
	int fd, r;

	if (path == NULL || (fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC |
	    O_NOFOLLOW)) == -1)
		return fail_set(f, EX_NOINPUT, "TL_LEDGER: cannot be read");
	if (cloud_load(&cloud, o->settings, &why) == 0)
		reap.cloud = &cloud;
	reap.why = &why;
	if ((reap.http = settings_http(o->settings, o->verbose, f)) == NULL)
		r = -1;
	else
		r = reap_held(&reap, fd, path, f);
	http_free(reap.http);
	cloud_free(&cloud);
	close(fd);
	return r;
}

static void
abort_signed(const struct folder_at *o)
{
	struct buf text = BUF_INIT(BUF_DOC_MAX);
	struct ledger ledger = LEDGER_INIT;
	struct span doc, block;
	struct http *http;
	struct fail f;

	if (load(o, "signed.json", &text, &doc) == RECHECK_GOOD &&
	    abort_find(&doc, &block, &f) == 1 &&
	    (http = settings_http(o->settings, o->verbose, &f)) != NULL) {
		if (abort_upload(http, &block, UNDO_S, NULL, &f) == 0 &&
		    ledger_open(&ledger, &f) == 0)
			ledger_upload_gone(&ledger, &block, &f);
		ledger_close(&ledger);
		http_free(http);
	}
	buf_free(&text);
}

static void
forget(const struct folder_at *o, const char *const *names)
{
	for (; *names != NULL; names++)
		unlinkat(o->fd, *names, 0);
}

static int
act(struct folder_at *o, enum recheck_from from, const char *why,
    struct fail *f)
{
	static const char *const of_prepare[] = { "prepared.json", NULL };
	static const char *const of_sandbox[] = { "sandbox.json",
	    "running.json", "signed.json", "metadata.json",
	    "builder.begun", "builder.json", "context.digest",
	    "target.json", "attested.json", "template.json", NULL };
	static const char *const of_sign[] = { "signed.json", NULL };
	static const char *const of_target[] = { "target.json", NULL };
	static const char *const of_box[] = { "sandbox.json", NULL };
	static const char *const of_attested[] = { "attested.json", NULL };
	static const char *const of_template[] = { "template.json", NULL };
	static const char *const words[] = {
		[RECHECK_PREPARE] = "prepare",
		[RECHECK_SANDBOX] = "sandbox",
		[RECHECK_SIGN] = "sign",
	};
	char line[200];

	/* What is there is not made again: nor what is of no use. */
	if (from != RECHECK_NOTHING && o->c.template == RECHECK_BAD) {
		o->note("template.json is damaged");
		forget(o, of_template);
	}
	if (o->c.signed_ == RECHECK_BAD && o->c.metadata == RECHECK_GOOD)
		forget(o, of_sign);
	if (o->bad_target)
		forget(o, of_target);
	/* Only who gives the receipt is asked for it: without, it goes on. */
	if (o->c.sandbox == RECHECK_BAD && o->c.metadata == RECHECK_GOOD)
		forget(o, of_box);
	/* One of a metadata.json that is not there is of another try. */
	if (o->bad_attested || o->c.metadata != RECHECK_GOOD)
		forget(o, of_attested);
	if (from == RECHECK_NOTHING || from == RECHECK_ON)
		return 0;
	snprintf(line, sizeof(line), "%s: again from %s", why, words[from]);
	o->note(line);
	if (from == RECHECK_SIGN) {
		/* What cannot be aborted now is undone later. */
		abort_signed(o);
		forget(o, of_sign);
		return 0;
	}
	if (undo(o, f) == -1)
		return -1;
	forget(o, of_sandbox);
	if (from == RECHECK_PREPARE)
		forget(o, of_prepare);
	return 0;
}

int
recheck_folder(const char *work, const struct settings *settings,
    bool verbose, void (*note)(const char *), struct fail *f)
{
	struct folder_at o = { .path = work, .settings = settings,
	    .verbose = verbose, .note = note, .prepared = PREPARED_INIT,
	    .prepared_text = BUF_INIT(BUF_DOC_MAX) };
	enum recheck_from from;
	const char *why;
	int r = 0;

	o.fd = open(work, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (o.fd == -1)
		return fail_sys(f, EX_NOINPUT, "%.300s", work);
	look_prepared(&o);
	look_others(&o);
	o.c.plan_same = same(&o, "plan.json", "plan.new");
	o.c.context_same = !there(&o, "context.new") ||
	    !there(&o, "context.digest") ||
	    same(&o, "context.digest", "context.new");
	o.c.begun = there(&o, "builder.begun");
	/* Asked only where it counts. */
	from = recheck_rule(&o.c, &why);
	if ((from == RECHECK_ON || from == RECHECK_SIGN) &&
	    o.c.metadata != RECHECK_GOOD && o.sandbox_id != NULL) {
		if ((r = look_sandbox(&o, f)) == 0)
			from = recheck_rule(&o.c, &why);
	}
	if (r == 0)
		r = act(&o, from, why, f);
	if (r == 0 && there(&o, "plan.new") && renameat(o.fd, "plan.new",
	    o.fd, "plan.json") == -1)
		r = fail_sys(f, EX_CANTCREAT, "%.300s/plan.json", work);
	if (r == 0)
		unlinkat(o.fd, "context.new", 0);
	free(o.sandbox_id);
	prepared_free(&o.prepared);
	buf_free(&o.prepared_text);
	close(o.fd);
	return r;
}
