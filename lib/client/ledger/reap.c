#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "client/cloud/exchange.h"
#include "client/ledger/abort.h"
#include "client/ledger/expiry.h"
#include "client/ledger/reap.h"
#include "client/sandbox/lifecycle.h"
#include "core/clock.h"
#include "core/private.h"

/* A ledger is made a moment before it is locked. */
#define YOUNG_S		10
#define DELETE_S	6U
#define ABORT_S		6U

/* One ledger being worked on. */
struct work {
	struct reap	*r;
	const char	*path;
	struct ledger	 ledger;	/* for what is added */
	const struct ledger_list	*list;
	int64_t		 end_ms;
	bool		 left;		/* something is still open */
	unsigned	 strays;
	struct fail	 worst;
};

static const char *const words[] = {
	[REAP_OPEN] = "open",
	[REAP_DONE] = "undone",
	[REAP_EXPIRED] = "unknown",
	[REAP_KEPT] = "kept",
	[REAP_FOREIGN] = "left",
	[REAP_FAILED] = "failed",
};

const char *
reap_word(enum reap_result how)
{
	return words[how];
}

char *
reap_state(struct fail *f)
{
	const char *base = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	char *path;
	int n;

	if (base != NULL && *base == '/')
		n = asprintf(&path, "%s/tl", base);
	else if (home != NULL && *home == '/')
		n = asprintf(&path, "%s/.local/state/tl", home);
	else {
		fail_set(f, EX_CONFIG, "HOME and XDG_STATE_HOME: not set; "
		    "where is the state folder?");
		return NULL;
	}
	if (n == -1) {
		fail_set(f, EX_OSERR, "out of memory");
		return NULL;
	}
	return path;
}

static void
tell(struct work *w, const struct ledger_entry *e, enum reap_result result,
    const char *note)
{
	if (result != REAP_DONE && result != REAP_EXPIRED)
		w->left = true;
	w->r->tell(w->r->arg, w->path, e, result, note);
}

/* It stays in the ledger. */
static void
failed(struct work *w, const struct ledger_entry *e, const struct fail *f)
{
	if (w->worst.status == 0)
		w->worst = *f;
	tell(w, e, REAP_FAILED, f->msg);
}

static void
over(struct work *w, const struct ledger_entry *e, enum reap_result result,
    const char *note)
{
	char both[700];
	struct fail f;
	int r;

	r = e->state == LEDGER_ASKED ?
	    ledger_none(&w->ledger, e->kind, e->key, &f) :
	    ledger_gone(&w->ledger, e->kind, e->id, &f);
	if (r == -1) {
		w->left = true;
		snprintf(both, sizeof(both), "%s%s%s", note, *note != '\0' ?
		    "; " : "", f.msg);
		note = both;
	}
	tell(w, e, result, note);
}

/* Something is left for what comes after it, if share is 2 or more. */
static unsigned
seconds(const struct work *w, unsigned most, unsigned share)
{
	int64_t left = (w->end_ms - clock_ms()) / (1000 * share);

	return left < 1 ? 1 : left < most ? (unsigned)left : most;
}

/* Whether it was made with another credential than the one at hand. */
static bool
another(const struct work *w, const struct ledger_entry *e)
{
	char as[LEDGER_AS];

	ledger_as(as, w->r->cloud);
	return strcmp(e->as, as) != 0;
}

/* Whether the credential at hand can speak for it: 1, else told why not. */
static int
ours(struct work *w, const struct ledger_entry *e)
{
	const struct reap *r = w->r;
	char note[300];

	if (r->cloud == NULL && r->dry)
		return 1;
	if (r->cloud == NULL) {
		failed(w, e, r->why);
		return 0;
	}
	if (strcmp(e->api, r->cloud->api) != 0)
		snprintf(note, sizeof(note), "made at %.200s, not at the "
		    "configured address", e->api);
	else if (strcmp(e->ns, r->cloud->ns) != 0)
		snprintf(note, sizeof(note), "made in the namespace %.100s",
		    e->ns);
	else if (another(w, e) && e->state == LEDGER_ASKED)
		snprintf(note, sizeof(note), "asked for with another "
		    "credential, which alone can name it");
	else if (another(w, e) && !r->all)
		snprintf(note, sizeof(note), "made with another credential; "
		    "--all tries this one");
	else
		return 1;
	tell(w, e, REAP_FOREIGN, note);
	return 0;
}

/*
 * Asked for and not known: asking again under the same key names it, where the
 * server knows such keys, and then it can be deleted.  One that nobody pings
 * has ended by itself after a while, and then asking would make one.
 */
static int
name_it(struct work *w, struct ledger_entry *e, struct exchange *x,
    struct fail *f)
{
	struct lifecycle life = LIFECYCLE_INIT;
	int r;

	if (e->detail == NULL || lifecycle_unbody(&life, e->detail, f) == -1) {
		lifecycle_free(&life);
		return fail_set(f, EX_DATAERR, "%s: the request for sandbox "
		    "%.40s is not legible", w->path, e->key);
	}
	r = lifecycle_create(x, &life, e->key, f);
	if (life.id != NULL) {
		/* Without its line, too: it is there now. */
		if (ledger_made(&w->ledger, LEDGER_SANDBOX, e->key, life.id,
		    f) == 0)
			e->state = LEDGER_MADE;
		free(e->id);
		e->id = life.id;
		life.id = NULL;
		r = 0;
	}
	lifecycle_free(&life);
	return r;
}

static int64_t
age_s(const struct work *w, const struct ledger_entry *e)
{
	int64_t age = time(NULL) - e->at;

	return w->r->recent_s > 0 && age > w->r->recent_s &&
	    (size_t)(e - w->list->list) >= w->r->recent_from ?
	    w->r->recent_s : age;
}

static void
sandbox(struct work *w, struct ledger_entry *e)
{
	struct exchange x;
	struct fail f;
	char note[120];
	int r = 0;

	if (e->keep && !w->r->all) {
		tell(w, e, REAP_KEPT, "kept on purpose; --all deletes it");
		return;
	}
	if (e->state == LEDGER_ASKED && age_s(w, e) > LIFECYCLE_LEASE_S) {
		snprintf(note, sizeof(note), "no answer came; if one was "
		    "made, it has ended by itself after %d s",
		    LIFECYCLE_LEASE_S);
		if (w->r->dry)
			tell(w, e, REAP_OPEN, note);
		else
			over(w, e, REAP_EXPIRED, note);
		return;
	}
	if (!ours(w, e))
		return;
	if (w->r->dry) {
		tell(w, e, REAP_OPEN, e->state == LEDGER_ASKED ?
		    "no answer came" : "");
		return;
	}
	http_deadline(w->r->http, w->end_ms);
	exchange_init(&x, w->r->http, w->r->cloud);
	if (e->state == LEDGER_ASKED)
		r = name_it(w, e, &x, &f);
	if (r == 0)
		r = lifecycle_delete(&x, e->id, seconds(w, DELETE_S, 1), &f);
	if (r == -1)
		failed(w, e, &f);
	else if (r == 1 && another(w, e))
		tell(w, e, REAP_FOREIGN, "not known to this credential, and "
		    "made with another; of another project that says nothing");
	else
		over(w, e, REAP_DONE, "");
	exchange_free(&x);
	http_deadline(w->r->http, 0);
}

/*
 * DELETE on the URL in the file beside the ledger.  1 if that is no longer
 * valid: it will never be.
 */
static int
abort_it(struct work *w, const char *path, const char *id, struct fail *f)
{
	struct buf text = BUF_INIT(BUF_SMALL_MAX);
	const struct buf *kept = NULL;
	struct span doc, block;
	bool others;
	time_t end;
	int r = -1;

	if (private_load_own(&text, path, &others, f) == 0)
		kept = &text;
	else if (id != NULL && w->r->beside != NULL)
		kept = w->r->beside(w->r->beside_arg, id);
	if (kept != NULL && span_parse(&doc, kept->data != NULL ? kept->data :
	    "", kept->len, f) == 0 && abort_find(&doc, &block, f) == 1) {
		struct fail second;

		r = abort_upload(w->r->http, &block, seconds(w, ABORT_S, 2),
		    NULL, f);
		if (r == -1 && f->status == EX_NOPERM &&
		    expiry_find(&doc, &end, &second) == 1 && end < time(NULL))
			r = 1;
	}
	buf_free(&text);
	return r;
}

/* Whatever is legible, aborted: 404 says that it was before. */
static void
stray(void *arg, const char *path)
{
	struct work *w = arg;
	struct fail f;

	if (abort_it(w, path, NULL, &f) == 0)
		w->strays++;
}

static void
upload(struct work *w, struct ledger_entry *e, bool again)
{
	struct fail f;
	char *path;
	int r = -1;

	if (e->state == LEDGER_ASKED) {
		const char *note = "no answer came; if one was opened, the "
		    "store's own expiry ends it";

		if (again)
			return;
		if (w->r->dry) {
			tell(w, e, REAP_OPEN, note);
			return;
		}
		/* Its answer had come, and was not yet in the ledger. */
		w->strays = 0;
		if (ledger_beside(w->path, stray, w, &f) == -1)
			failed(w, e, &f);
		else if (w->strays > 0)
			over(w, e, REAP_DONE, "");
		else
			over(w, e, REAP_EXPIRED, note);
		return;
	}
	if (w->r->dry) {
		tell(w, e, REAP_OPEN, "");
		return;
	}
	if ((path = ledger_upload_path(w->path, e->id)) == NULL)
		fail_set(&f, EX_OSERR, "out of memory");
	else
		r = abort_it(w, path, e->id, &f);
	free(path);
	if (again)
		return;
	if (r == -1)
		failed(w, e, &f);
	else if (r == 1)
		over(w, e, REAP_EXPIRED, "the URL that aborts it has "
		    "expired; the store's own expiry ends it");
	else
		over(w, e, REAP_DONE, "");
}

static void
forget(void *arg, const char *path)
{
	(void)arg;
	unlink(path);
}

/* Nothing is open: the ledger and what lies beside it. */
static int
clear(const char *path, struct fail *f)
{
	if (ledger_beside(path, forget, NULL, f) == -1)
		return -1;
	if (unlink(path) == -1 && errno != ENOENT)
		return fail_sys(f, EX_CANTCREAT, "%s", path);
	return 0;
}

/*
 * Uploads first, then sandboxes, as a build does it.  The builder of a dead
 * build may still be sending: a part that comes in after the abort could
 * outlive it, so it is aborted once more when the sandbox is gone.
 */
static void
undo(struct work *w, struct ledger_list *l)
{
	bool builder = false;
	size_t i;

	for (i = 0; i < l->n; i++)
		if (l->list[i].kind == LEDGER_UPLOAD &&
		    l->list[i].state != LEDGER_OVER)
			upload(w, &l->list[i], false);
	for (i = 0; i < l->n; i++)
		if (l->list[i].kind == LEDGER_SANDBOX &&
		    l->list[i].state != LEDGER_OVER) {
			sandbox(w, &l->list[i]);
			builder |= l->list[i].id != NULL &&
			    (!l->list[i].keep || w->r->all);
		}
	for (i = 0; builder && !w->r->dry && i < l->n; i++)
		if (l->list[i].kind == LEDGER_UPLOAD &&
		    l->list[i].state == LEDGER_MADE)
			upload(w, &l->list[i], true);
	for (i = 0; i < l->n; i++)
		if (l->list[i].kind == LEDGER_TEMPLATE &&
		    l->list[i].state == LEDGER_ASKED) {
			const char *note = "completion was asked for and no "
			    "answer came: the image may be registered";

			if (w->r->dry)
				tell(w, &l->list[i], REAP_OPEN, note);
			else
				over(w, &l->list[i], REAP_EXPIRED, note);
		}
}

/* 1 if the ledger is not to be touched, 0 if it is ours now, -1. */
static int
take(const struct reap *r, const char *path, int fd, struct fail *f)
{
	struct stat here, there;
	int64_t age;
	int rc;

	if (fstat(fd, &here) == 0 && !S_ISREG(here.st_mode))
		return fail_set(f, EX_NOINPUT, "%s: not a file", path);
	if ((rc = ledger_lock(fd, path, f)) != 1)
		return rc == 0 ? 1 : -1;
	if (fstat(fd, &here) == -1)
		return fail_sys(f, EX_IOERR, "%s", path);
	/* Removed meanwhile, and perhaps made anew by another. */
	if (stat(path, &there) == -1 || here.st_ino != there.st_ino ||
	    here.st_dev != there.st_dev)
		return 1;
	/* A time to come says that a clock was set, not that it is young. */
	age = time(NULL) - here.st_mtime;
	return age >= 0 && (age < r->min_age_s || (here.st_size == 0 &&
	    age < YOUNG_S));
}

/* All in the open ledger; *left: not all is over. */
static int
work(struct reap *r, int fd, const char *path, bool *left, struct fail *f)
{
	struct work w = { .r = r, .path = path,
	    .ledger = { (char *)(uintptr_t)path, fd },
	    .end_ms = clock_ms() + (int64_t)r->seconds * 1000 };
	struct ledger_list l;

	if (ledger_read(&l, fd, path, f) == -1)
		return -1;
	w.list = &l;
	undo(&w, &l);
	ledger_list_free(&l);
	*left = w.left;
	if (w.worst.status == 0)
		return 0;
	*f = w.worst;
	return -1;
}

int
reap_held(struct reap *r, int fd, const char *path, struct fail *f)
{
	bool left;

	return work(r, fd, path, &left, f);
}

int
reap_ledger(struct reap *r, const char *path, struct fail *f)
{
	bool left;
	int fd, rc;

	fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
	if (fd == -1)
		return errno == ENOENT ? 0 :
		    fail_sys(f, EX_NOINPUT, "%s", path);
	if ((rc = take(r, path, fd, f)) == 0 &&
	    (rc = work(r, fd, path, &left, f)) == 0 && !left && !r->dry)
		rc = clear(path, f);
	/* Only now: the lock goes with it. */
	close(fd);
	return rc;
}

static int
is_ledger(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return n > 7 && strcmp(d->d_name + n - 7, ".ledger") == 0;
}

int
reap_folder(struct reap *r, const char *folder, unsigned *busy,
    struct fail *f)
{
	struct dirent **list;
	struct fail one;
	int i, n, rc = 0, k;
	char *path;

	*busy = 0;
	if ((n = scandir(folder, &list, is_ledger, alphasort)) == -1)
		return errno == ENOENT ? 0 :
		    fail_sys(f, EX_NOINPUT, "%s", folder);
	for (i = 0; i < n; i++) {
		if (asprintf(&path, "%s/%s", folder, list[i]->d_name) == -1) {
			rc = fail_set(f, EX_OSERR, "out of memory");
			continue;
		}
		if ((k = reap_ledger(r, path, &one)) == -1 && rc == 0) {
			*f = one;
			rc = -1;
		} else if (k == 1)
			++*busy;
		free(path);
		free(list[i]);
	}
	free(list);
	return rc;
}
