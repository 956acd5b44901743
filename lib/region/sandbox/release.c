#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "core/clock.h"
#include "region/sandbox/blob.h"
#include "region/sandbox/folder.h"
#include "region/sandbox/host.h"
#include "region/sandbox/release.h"
#include "region/sandbox/uploads.h"
#include "region/serve/id.h"

#define HOLD_MS		3000
#define AGAIN_MIN_MS	200
#define AGAIN_MAX_MS	(5 * 60 * 1000)
#define GIVE_UP_S	(7 * 24 * 3600)

struct entry {
	struct entry	*next;
	char		 id[ID_MAX + 1];
	char		*keys[UPLOADS_MAX];
	unsigned	 n;
	unsigned	 signing;	/* requests under way */
	bool		 ended;
	bool		 tried;		/* and failed; to be tried again */
};

struct releases {
	const struct host	*host;
	pthread_t		 thread;
	pthread_mutex_t		 lock;
	pthread_cond_t		 changed;
	/* Under the lock. */
	struct entry		*list;	/* what failed last is last */
	const char		*asking; /* the key whose uploads now go */
	int64_t			 again_ms; /* when to try what failed */
	int64_t			 wait_ms;
	bool			 closing;
};

static struct entry *
find(struct releases *s, const char *id)
{
	struct entry *e;

	for (e = s->list; e != NULL && strcmp(e->id, id) != 0; e = e->next)
		;
	return e;
}

/* At the end: what failed waits behind the others. */
static void
append(struct releases *s, struct entry *e)
{
	struct entry **at;

	for (at = &s->list; *at != NULL; at = &(*at)->next)
		;
	e->next = NULL;
	*at = e;
}

static void
unlink_entry(struct releases *s, struct entry *e)
{
	struct entry **at;

	for (at = &s->list; *at != e; at = &(*at)->next)
		;
	*at = e->next;
}

static struct entry *
entry_new(const char *id, struct fail *f)
{
	struct entry *e = calloc(1, sizeof(*e));

	if (e == NULL)
		fail_set(f, EX_OSERR, "out of memory");
	else
		snprintf(e->id, sizeof(e->id), "%s", id);
	return e;
}

static void
entry_free(struct entry *e)
{
	if (e == NULL)
		return;
	while (e->n > 0)
		free(e->keys[--e->n]);
	free(e);
}

static bool
has(const struct entry *e, const char *key)
{
	unsigned i;

	for (i = 0; i < e->n; i++)
		if (strcmp(e->keys[i], key) == 0)
			return true;
	return false;
}

static void
folder_of(const struct releases *s, const char *id, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/%s", s->host->options.state, id);
}

/* Whether one that has not ended may be building what lies at this key. */
static bool
wanted(const struct releases *s, const char *key)
{
	const struct entry *e;

	/* Projects need no look: a key starts with its project's prefix. */
	for (e = s->list; e != NULL; e = e->next)
		if (!e->ended && has(e, key))
			return true;
	return false;
}

/* Under the lock, which is let go while asking. */
static int
release_all(struct releases *s, struct entry *e, struct fail *f)
{
	struct fail one;
	unsigned i = 0;
	uint64_t n;
	int rc = 0, got;

	while (i < e->n && !s->closing) {
		if (wanted(s, e->keys[i])) {
			got = 0;
			n = 0;
		} else {
			/* No other request for it goes on meanwhile. */
			s->asking = e->keys[i];
			pthread_mutex_unlock(&s->lock);
			got = blob_release(s->host->options.dataplane,
			    e->id, e->keys[i], &n, &one);
			pthread_mutex_lock(&s->lock);
			s->asking = NULL;
			pthread_cond_broadcast(&s->changed);
		}
		if (got == -1) {
			*f = one;
			rc = -1;
			i++;
			/* One that is not there now is not for the next. */
			if (f->status == EX_TEMPFAIL)
				break;
			continue;
		}
		if (n > 0)
			host_log(s->host,
			    "%s: released %ju uploads of %s", e->id,
			    (uintmax_t)n, e->keys[i]);
		free(e->keys[i]);
		e->keys[i] = e->keys[--e->n];
	}
	return rc;
}

/* Whether it has waited longer than anything that was signed can be used. */
static bool
too_old(const struct releases *s, const struct entry *e)
{
	char folder[PATH_MAX];

	folder_of(s, e->id, folder);
	return uploads_age_s(folder) > GIVE_UP_S;
}

static void
gone(struct releases *s, struct entry *e)
{
	char folder[PATH_MAX];

	unlink_entry(s, e);
	folder_of(s, e->id, folder);
	folder_remove(folder);
	entry_free(e);
}

/* Under the lock. */
static void
work(struct releases *s, struct entry *e)
{
	struct fail f;
	int rc = release_all(s, e, &f);
	unsigned i;

	if (rc == 0 && e->n == 0) {
		gone(s, e);
		/* The others may do now as well. */
		s->wait_ms = AGAIN_MIN_MS;
		s->again_ms = clock_ms();
	} else if (rc == -1 && too_old(s, e)) {
		for (i = 0; i < e->n; i++)
			host_log(s->host, "%s: given up, uploads "
			    "may be left open: %s: %s", e->id, e->keys[i],
			    f.msg);
		gone(s, e);
	} else if (rc == -1) {
		host_log(s->host, "%s: uploads are still to be "
		    "released, of %s%s: %s", e->id, e->keys[0],
		    e->n > 1 ? " and others" : "", f.msg);
		e->tried = true;
		unlink_entry(s, e);
		append(s, e);
		s->again_ms = clock_ms() + s->wait_ms;
		s->wait_ms = s->wait_ms > AGAIN_MAX_MS / 2 ? AGAIN_MAX_MS :
		    2 * s->wait_ms;
	}
	pthread_cond_broadcast(&s->changed);
}

/* What to do now, or NULL and when to look again (-1: when it changes). */
static struct entry *
next(const struct releases *s, int64_t *when)
{
	struct entry *e, *again = NULL;

	*when = -1;
	for (e = s->list; e != NULL; e = e->next) {
		if (!e->ended || e->signing > 0)
			continue;
		if (!e->tried)
			return e;
		if (again == NULL)
			again = e;
	}
	if (again != NULL && clock_ms() < s->again_ms) {
		*when = s->again_ms;
		again = NULL;
	}
	return again;
}

static void *
live(void *arg)
{
	struct releases *s = arg;
	struct entry *e;
	int64_t when;

	pthread_mutex_lock(&s->lock);
	while (!s->closing)
		if ((e = next(s, &when)) != NULL)
			work(s, e);
		else if (when == -1)
			pthread_cond_wait(&s->changed, &s->lock);
		else
			clock_cond_wait(&s->changed, &s->lock, when);
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

struct releases *
releases_open(const struct host *host, struct fail *f)
{
	struct releases *s = calloc(1, sizeof(*s));
	int error;

	if (s == NULL) {
		fail_set(f, EX_OSERR, "out of memory");
		return NULL;
	}
	s->host = host;
	s->wait_ms = AGAIN_MIN_MS;
	pthread_mutex_init(&s->lock, NULL);
	clock_cond_init(&s->changed);
	error = pthread_create(&s->thread, NULL, live, s);
	if (error == 0)
		return s;
	errno = error;
	fail_sys(f, EX_OSERR, "thread");
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s);
	return NULL;
}

void
releases_close(struct releases *s)
{
	struct entry *e;

	if (s == NULL)
		return;
	pthread_mutex_lock(&s->lock);
	s->closing = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	while ((e = s->list) != NULL) {
		s->list = e->next;
		entry_free(e);
	}
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* Under the lock. */
static int
hold(struct releases *s, const char *id, const char *key, struct fail *f)
{
	struct entry *e = find(s, id), *made = NULL;
	char folder[PATH_MAX], *copy;
	int rc;

	if (e != NULL && has(e, key)) {
		e->signing++;
		return 0;
	}
	if (e != NULL && e->n == UPLOADS_MAX)
		return fail_set(f, EX_DATAERR, "uploads of %u paths were "
		    "asked for already", UPLOADS_MAX);
	if (e == NULL && (e = made = entry_new(id, f)) == NULL)
		return -1;
	folder_of(s, id, folder);
	copy = strdup(key);
	rc = copy == NULL ? fail_set(f, EX_OSERR, "out of memory") :
	    uploads_add(folder, key, f);
	if (rc == -1) {
		free(copy);
		entry_free(made);
		return -1;
	}
	e->keys[e->n++] = copy;
	e->signing++;
	if (made != NULL) {
		e->next = s->list;
		s->list = e;
	}
	return 0;
}

int
release_hold(struct releases *s, const char *id, const char *key,
    struct fail *f)
{
	int64_t end = clock_ms() + HOLD_MS;
	bool wait = true;
	int rc;

	pthread_mutex_lock(&s->lock);
	while (wait && s->asking != NULL && strcmp(s->asking, key) == 0)
		wait = clock_cond_wait(&s->changed, &s->lock, end);
	rc = wait ? hold(s, id, key, f) : fail_set(f, EX_TEMPFAIL,
	    "uploads of this path are being released");
	pthread_mutex_unlock(&s->lock);
	return rc;
}

void
release_signed(struct releases *s, const char *id)
{
	struct entry *e;

	pthread_mutex_lock(&s->lock);
	e = find(s, id);
	if (e != NULL && --e->signing == 0)
		pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

bool
release_due(struct releases *s, const char *id)
{
	struct entry *e;

	pthread_mutex_lock(&s->lock);
	e = find(s, id);
	if (e != NULL)
		e->ended = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	return e != NULL;
}

bool
release_load(struct releases *s, const char *id)
{
	char folder[PATH_MAX];
	struct fail f = { 0, "" };
	struct entry *e = entry_new(id, &f);

	folder_of(s, id, folder);
	if (e == NULL || uploads_read(folder, e->keys, &e->n, &f) == -1)
		host_log(s->host, "%s: uploads may be left open: %s", id,
		    f.msg);
	if (e == NULL || f.status != 0 || e->n == 0) {
		entry_free(e);
		return false;
	}
	e->ended = true;
	pthread_mutex_lock(&s->lock);
	append(s, e);
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	return true;
}

bool
release_await(struct releases *s, const char *id, int wait_ms)
{
	int64_t end = clock_ms() + wait_ms;
	struct entry *e;
	bool wait = true;

	pthread_mutex_lock(&s->lock);
	while ((e = find(s, id)) != NULL && !e->tried && wait)
		wait = clock_cond_wait(&s->changed, &s->lock, end);
	pthread_mutex_unlock(&s->lock);
	return e == NULL;
}
