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
	bool			 used[SPACE_SLOTS];
	bool			 closing;
};

enum network_kind
sandboxes_network(const struct sandboxes *s)
{
	return s->host.options.network.kind;
}

const struct host *
sandboxes_host(const struct sandboxes *s)
{
	return &s->host;
}

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
	s->host.caches = caches_new();
	if (s->host.caches == NULL)
		fail_set(f, EX_OSERR, "out of memory");
	else
		s->releases = releases_open(&s->host, f);
	if (s->releases == NULL) {
		caches_free(s->host.caches);
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
	struct sandbox *sb;

	pthread_mutex_lock(&s->lock);
	s->closing = true;
	/* All at once, then wait for each. */
	for (sb = s->list; sb != NULL; sb = sb->next)
		sandbox_end(sb, "shutdown");
	for (sb = s->list; sb != NULL; sb = sb->next)
		sandbox_wait_end(sb);
	pthread_mutex_unlock(&s->lock);
}

void
sandboxes_close(struct sandboxes *s)
{
	struct sandbox *sb;

	if (s == NULL)
		return;
	while ((sb = s->list) != NULL) {
		s->list = sb->next;
		sandbox_put(sb);
	}
	releases_close(s->releases);
	caches_free(s->host.caches);
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
same_spec(const struct sandbox *sb, const struct sandbox_spec *spec)
{
	return strcmp(sb->ns, spec->ns) == 0 &&
	    strcmp(sb->image, spec->image) == 0 && !(sb->cpus < spec->cpus) &&
	    !(sb->cpus > spec->cpus) && sb->memory_mb == spec->memory_mb &&
	    sb->disk_mb == spec->disk_mb &&
	    sb->timeout_s == spec->timeout_s &&
	    sb->no_internet == spec->no_internet;
}

/*
 * Forget what ended long ago; count the living, free the ids of the ended.
 * Under the set's lock.
 */
static unsigned
sweep(struct sandboxes *s)
{
	struct sandbox **at, *sb;
	unsigned living = 0, ended = 0;
	bool over;

	memset(s->used, 0, sizeof(s->used));
	for (at = &s->list; (sb = *at) != NULL;) {
		pthread_mutex_lock(&sb->lock);
		over = sb->status == SANDBOX_ENDED;
		if (!over) {
			living++;
			s->used[sb->slot] = true;
		} else if (clock_ms() - sb->ended_ms < REMEMBER_MS &&
		    ++ended <= ENDED_MAX)
			over = false;
		pthread_mutex_unlock(&sb->lock);
		if (over) {
			*at = sb->next;
			sandbox_put(sb);
		} else
			at = &sb->next;
	}
	return living;
}

/* May a project have one more?  Under the set's lock. */
static int
within_quota(const struct sandboxes *s, const struct sandbox_spec *spec,
    struct fail *f)
{
	const struct host_options *o = &s->host.options;
	uint64_t disk_mb = spec->disk_mb;
	struct sandbox *sb;
	unsigned n = 0;

	for (sb = s->list; sb != NULL; sb = sb->next) {
		pthread_mutex_lock(&sb->lock);
		if (sb->status != SANDBOX_ENDED &&
		    same_owner(&sb->owner, &spec->owner)) {
			n++;
			disk_mb += sb->disk_mb;
		}
		pthread_mutex_unlock(&sb->lock);
	}
	if (o->project_sandboxes != 0 && n >= o->project_sandboxes)
		return fail_set(f, EX_TEMPFAIL, "the project has %u sandboxes "
		    "already, which is its quota; delete some", n);
	if (o->project_disk_mb != 0 && disk_mb > o->project_disk_mb)
		return fail_set(f, EX_TEMPFAIL, "the disks of the project "
		    "would be %ju MiB, its quota is %ju; ask for a smaller "
		    "one, or delete some", (uintmax_t)disk_mb,
		    (uintmax_t)o->project_disk_mb);
	return 0;
}

/* Under the set's lock. */
static int
add(struct sandboxes *s, struct sandbox_spec *spec, struct sandbox **out,
    struct fail *f)
{
	struct sandbox *sb;
	int error;

	if (s->closing)
		return fail_set(f, EX_TEMPFAIL, "the daemon is ending");
	if (sweep(s) >= LIVING_MAX)
		return fail_set(f, EX_TEMPFAIL, "%u sandboxes are there "
		    "already; delete some", LIVING_MAX);
	if (within_quota(s, spec, f) == -1)
		return -1;
	sb = sandbox_new(&s->host, s->releases, spec, f);
	if (sb == NULL)
		return -1;
	while (s->used[sb->slot])
		sb->slot++;
	error = pthread_create(&sb->thread, NULL, sandbox_thread, sb);
	if (error != 0) {
		sandbox_put(sb);
		errno = error;
		return fail_sys(f, EX_OSERR, "thread");
	}
	sb->threaded = true;
	sb->next = s->list;
	s->list = sb;
	sandbox_ref(sb);
	*out = sb;
	return 1;
}

int
sandboxes_create(struct sandboxes *s, struct sandbox_spec *spec,
    struct sandbox **out, struct fail *f)
{
	struct sandbox *sb;
	int status;

	pthread_mutex_lock(&s->lock);
	for (sb = spec->idempotency == NULL ? NULL : s->list; sb != NULL;
	    sb = sb->next)
		if (sb->idempotency != NULL &&
		    strcmp(sb->idempotency, spec->idempotency) == 0 &&
		    same_owner(&sb->owner, &spec->owner))
			break;
	if (sb == NULL)
		status = add(s, spec, out, f);
	else if (!same_spec(sb, spec))
		status = fail_set(f, EX_DATAERR, "this Idempotency-Key was "
		    "used for another request");
	else {
		sandbox_ref(sb);
		*out = sb;
		status = 0;
	}
	pthread_mutex_unlock(&s->lock);
	return status;
}

struct sandbox *
sandboxes_find(struct sandboxes *s, const char *id, const struct key *owner)
{
	struct sandbox *sb;

	pthread_mutex_lock(&s->lock);
	for (sb = s->list; sb != NULL; sb = sb->next)
		if (strcmp(sb->id, id) == 0 && same_owner(&sb->owner, owner)) {
			sandbox_ref(sb);
			break;
		}
	pthread_mutex_unlock(&s->lock);
	return sb;
}

void
sandboxes_each(struct sandboxes *s, const struct key *owner,
    void (*each)(void *, struct sandbox *), void *arg)
{
	struct sandbox *sb;

	pthread_mutex_lock(&s->lock);
	sweep(s);
	for (sb = s->list; sb != NULL; sb = sb->next)
		if (same_owner(&sb->owner, owner))
			each(arg, sb);
	pthread_mutex_unlock(&s->lock);
}
