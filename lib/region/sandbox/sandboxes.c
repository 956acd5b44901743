#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "core/clock.h"
#include "region/runtime/loop.h"
#include "region/runtime/root.h"
#include "region/sandbox/folder.h"
#include "region/sandbox/sandbox_thread.h"
#include "region/sandbox/sandboxes.h"

/* How long an ended sandbox is remembered, and how many of them. */
#define REMEMBER_MS	(10LL * 60 * 1000)
#define ENDED_MAX	256U
/* Living ones; a machine for development is full long before. */
#define LIVING_MAX	256U

struct sandboxes {
	struct host		 host;
	struct releases		*releases;
	pthread_mutex_t		 lock;
	struct sandbox		*list;	/* newest first; holds references */
	bool			 used[ROOT_SLOTS];
	bool			 closing;
};

void
sandboxes_serve(struct sandboxes *s, const struct serve *serve)
{
	host_serve(&s->host, serve);
}

static bool
is_id(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return strncmp(s, "sbx-", 4) == 0 && s[n] == '\0' &&
	    n <= ID_MAX;
}

/*
 * A daemon that was killed took its sandboxes' processes and mounts with it;
 * folders and cgroups stay, and what did not end at once is made to.
 */
static void
clean(struct sandboxes *s)
{
	char path[PATH_MAX];
	struct cgroup g;
	struct dirent *e;
	DIR *d = opendir(s->host.options.state);

	if (d == NULL)
		return;
	while ((e = readdir(d)) != NULL) {
		if (!is_id(e->d_name))
			continue;
		cgroup_name(&g, &s->host.cgroups, e->d_name);
		cgroup_kill(&g);
		if (cgroup_remove(&g, 5000) == -1)
			host_log(&s->host, "%s: its cgroup cannot be removed",
			    e->d_name);
		snprintf(path, sizeof(path), "%s/%.100s",
		    s->host.options.state, e->d_name);
		loop_clear_below(path);
		folder_ended(path);
		folder_strip(path);
		if (release_load(s->releases, e->d_name)) {
			host_log(&s->host, "%s: its uploads are to be "
			    "released", e->d_name);
			continue;
		}
		folder_remove(path);
		host_log(&s->host, "%s: removed what a crashed daemon left",
		    e->d_name);
	}
	closedir(d);
}

struct sandboxes *
sandboxes_open(const struct host_options *o, struct fail *f)
{
	struct sandboxes *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		fail_set(f, EX_OSERR, "out of memory");
		return NULL;
	}
	if (host_open(&s->host, o, f) == -1) {
		free(s);
		return NULL;
	}
	s->releases = releases_open(&s->host, f);
	if (s->releases == NULL) {
		host_close(&s->host);
		free(s);
		return NULL;
	}
	pthread_mutex_init(&s->lock, NULL);
	clean(s);
	return s;
}

void
sandboxes_end(struct sandboxes *s)
{
	struct sandbox *b;

	pthread_mutex_lock(&s->lock);
	s->closing = true;
	/* All at once, then wait for each. */
	for (b = s->list; b != NULL; b = b->next)
		sandbox_end(b, "shutdown");
	for (b = s->list; b != NULL; b = b->next)
		sandbox_wait_end(b);
	pthread_mutex_unlock(&s->lock);
}

void
sandboxes_close(struct sandboxes *s)
{
	struct sandbox *b;

	if (s == NULL)
		return;
	while ((b = s->list) != NULL) {
		s->list = b->next;
		sandbox_put(b);
	}
	releases_close(s->releases);
	host_close(&s->host);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static bool
same_owner(const struct key *a, const struct key *b)
{
	return strcmp(a->org, b->org) == 0 &&
	    strcmp(a->project, b->project) == 0;
}

static bool
same_spec(const struct sandbox *b, const struct sandbox_spec *spec)
{
	return strcmp(b->ns, spec->ns) == 0 &&
	    strcmp(b->image, spec->image) == 0 && !(b->cpus < spec->cpus) &&
	    !(b->cpus > spec->cpus) && b->memory_mb == spec->memory_mb &&
	    b->disk_mb == spec->disk_mb && b->timeout_s == spec->timeout_s;
}

/*
 * Forget what ended long ago; count the living, free the ids of the ended.
 * Under the set's lock.
 */
static unsigned
sweep(struct sandboxes *s)
{
	struct sandbox **at, *b;
	unsigned living = 0, ended = 0;
	bool over;

	memset(s->used, 0, sizeof(s->used));
	for (at = &s->list; (b = *at) != NULL;) {
		pthread_mutex_lock(&b->lock);
		over = b->status == SANDBOX_ENDED;
		if (!over) {
			living++;
			s->used[b->slot] = true;
		} else if (clock_ms() - b->ended_ms < REMEMBER_MS &&
		    ++ended <= ENDED_MAX)
			over = false;
		pthread_mutex_unlock(&b->lock);
		if (over) {
			*at = b->next;
			sandbox_put(b);
		} else
			at = &b->next;
	}
	return living;
}

/* Under the set's lock. */
static int
add(struct sandboxes *s, const struct sandbox_spec *spec, struct sandbox **out,
    struct fail *f)
{
	struct sandbox *b;
	int error;

	if (s->closing)
		return fail_set(f, EX_TEMPFAIL, "the daemon is ending");
	if (sweep(s) >= LIVING_MAX)
		return fail_set(f, EX_TEMPFAIL, "%u sandboxes are there "
		    "already; delete some", LIVING_MAX);
	b = sandbox_new(&s->host, s->releases, spec, f);
	if (b == NULL)
		return -1;
	while (s->used[b->slot])
		b->slot++;
	error = pthread_create(&b->thread, NULL, sandbox_thread, b);
	if (error != 0) {
		sandbox_put(b);
		errno = error;
		return fail_sys(f, EX_OSERR, "thread");
	}
	b->threaded = true;
	b->next = s->list;
	s->list = b;
	sandbox_ref(b);
	*out = b;
	return 1;
}

int
sandboxes_create(struct sandboxes *s, const struct sandbox_spec *spec,
    struct sandbox **out, struct fail *f)
{
	struct sandbox *b;
	int status;

	pthread_mutex_lock(&s->lock);
	for (b = spec->idempotency == NULL ? NULL : s->list; b != NULL;
	    b = b->next)
		if (b->idempotency != NULL &&
		    strcmp(b->idempotency, spec->idempotency) == 0 &&
		    same_owner(&b->owner, &spec->owner))
			break;
	if (b == NULL)
		status = add(s, spec, out, f);
	else if (!same_spec(b, spec))
		status = fail_set(f, EX_DATAERR, "this Idempotency-Key was "
		    "used for another request");
	else {
		sandbox_ref(b);
		*out = b;
		status = 0;
	}
	pthread_mutex_unlock(&s->lock);
	return status;
}

struct sandbox *
sandboxes_find(struct sandboxes *s, const char *id, const struct key *owner)
{
	struct sandbox *b;

	pthread_mutex_lock(&s->lock);
	for (b = s->list; b != NULL; b = b->next)
		if (strcmp(b->id, id) == 0 && same_owner(&b->owner, owner)) {
			sandbox_ref(b);
			break;
		}
	pthread_mutex_unlock(&s->lock);
	return b;
}

void
sandboxes_each(struct sandboxes *s, const struct key *owner,
    void (*each)(void *, struct sandbox *), void *arg)
{
	struct sandbox *b;

	pthread_mutex_lock(&s->lock);
	sweep(s);
	for (b = s->list; b != NULL; b = b->next)
		if (same_owner(&b->owner, owner))
			each(arg, b);
	pthread_mutex_unlock(&s->lock);
}
