#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/clock.h"
#include "region/runtime/loop.h"
#include "region/runtime/root.h"
#include "region/sandbox/sandboxes.h"

/* How long an ended sandbox is remembered, and how many of them. */
#define REMEMBER_MS	(10LL * 60 * 1000)
#define ENDED_MAX	256U
/* Living ones; a machine for development is full long before. */
#define LIVING_MAX	256U

struct sandboxes {
	struct sandboxes_options	 options;
	struct cgroup_host	 cgroups;
	struct releases		*releases;
	_Atomic(const struct serve *) serve;	/* or NULL: no log yet */
	int			 lock_fd;
	pthread_mutex_t		 lock;
	struct sandbox		*list;	/* newest first; holds references */
	bool			 used[ROOT_SLOTS];
	bool			 closing;
};

const struct sandboxes_options *
sandboxes_options(const struct sandboxes *s)
{
	return &s->options;
}

const struct cgroup_host *
sandboxes_cgroups(const struct sandboxes *s)
{
	return &s->cgroups;
}

struct releases *
sandboxes_releases(const struct sandboxes *s)
{
	return s->releases;
}

void
sandboxes_log(const struct sandboxes *s, const char *fmt, ...)
{
	const struct serve *serve = atomic_load(&s->serve);
	char line[768];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (serve != NULL)
		serve_log(serve, "%s", line);
	else
		fprintf(stderr, "tl-sandboxd: %s\n", line);
}

void
sandboxes_serve(struct sandboxes *s, const struct serve *serve)
{
	atomic_store(&s->serve, serve);
	if (serve == NULL)
		return;
	if (s->cgroups.memory[0] == '\0')
		sandboxes_log(s, "no memory cgroup on this machine: memory_mb "
		    "is not enforced");
	if (s->cgroups.cpu[0] == '\0')
		sandboxes_log(s, "no cpu cgroup on this machine: cpus is not "
		    "enforced");
	if (s->cgroups.pids[0] == '\0')
		sandboxes_log(s, "no pids cgroup on this machine: how many "
		    "processes there are is not limited");
	if (s->cgroups.why[0] != '\0')
		sandboxes_log(s, "cgroup %s", s->cgroups.why);
}

static void
empty(const char *folder, bool all)
{
	struct dirent *e;
	DIR *d = opendir(folder);

	if (d == NULL)
		return;
	while ((e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (!all && (strcmp(e->d_name, "ended.json") == 0 ||
		    strcmp(e->d_name, "uploads") == 0))
			continue;
		if (unlinkat(dirfd(d), e->d_name, 0) == -1)
			unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR);
	}
	closedir(d);
}

void
sandboxes_remove(const char *folder)
{
	empty(folder, true);
	rmdir(folder);
}

void
sandboxes_strip(const char *folder)
{
	empty(folder, false);
}

void
sandboxes_owner_ended(const char *folder)
{
	char owner[PATH_MAX], ended[PATH_MAX];

	snprintf(owner, sizeof(owner), "%s/owner.json", folder);
	snprintf(ended, sizeof(ended), "%s/ended.json", folder);
	/* Nothing is signed for it any more, whatever else goes wrong. */
	if (rename(owner, ended) == -1)
		unlink(owner);
}

static bool
is_id(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return strncmp(s, "sbx-", 4) == 0 && s[n] == '\0' &&
	    n <= SANDBOX_ID_MAX;
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
	DIR *d = opendir(s->options.state);

	if (d == NULL)
		return;
	while ((e = readdir(d)) != NULL) {
		if (!is_id(e->d_name))
			continue;
		cgroup_name(&g, &s->cgroups, e->d_name);
		cgroup_kill(&g);
		if (cgroup_remove(&g, 5000) == -1)
			sandboxes_log(s, "%s: its cgroup cannot be removed",
			    e->d_name);
		snprintf(path, sizeof(path), "%s/%.100s", s->options.state,
		    e->d_name);
		loop_clear_below(path);
		sandboxes_owner_ended(path);
		sandboxes_strip(path);
		if (release_load(s->releases, e->d_name)) {
			sandboxes_log(s, "%s: its uploads are to be given "
			    "back",
			    e->d_name);
			continue;
		}
		sandboxes_remove(path);
		sandboxes_log(s, "%s: removed what a crashed daemon left",
		    e->d_name);
	}
	closedir(d);
}

static void
sandboxes_free(struct sandboxes *s)
{
	releases_close(s->releases);
	cgroup_leave(&s->cgroups);
	if (s->lock_fd != -1)
		close(s->lock_fd);
	pthread_mutex_destroy(&s->lock);
	free((void *)(uintptr_t)s->options.state);
	free((void *)(uintptr_t)s->options.tools);
	free((void *)(uintptr_t)s->options.runtime);
	free(s);
}

/* The kernel shows a loop device's file by its absolute name. */
static char *
absolute(const char *path, struct fail *f)
{
	char *s = realpath(path, NULL);

	if (s == NULL)
		fail_sys(f, EX_NOINPUT, "%.200s", path);
	return s;
}

struct sandboxes *
sandboxes_open(const struct sandboxes_options *o, struct fail *f)
{
	struct sandboxes *s = calloc(1, sizeof(*s));
	char path[PATH_MAX], name[48];
	struct stat st;

	if (s == NULL) {
		fail_set(f, EX_OSERR, "out of memory");
		return NULL;
	}
	s->lock_fd = -1;
	pthread_mutex_init(&s->lock, NULL);
	if (mkdir(o->state, 0700) == -1 && errno != EEXIST) {
		fail_sys(f, EX_CANTCREAT, "%.200s", o->state);
		goto fail;
	}
	s->options.state = absolute(o->state, f);
	s->options.runtime = absolute(o->runtime, f);
	if (s->options.state == NULL || s->options.runtime == NULL)
		goto fail;
	s->options.dataplane = o->dataplane;
	if (o->tools != NULL) {
		s->options.tools = absolute(o->tools, f);
		if (s->options.tools == NULL)
			goto fail;
	}
	snprintf(path, sizeof(path), "%s/lock", s->options.state);
	s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (s->lock_fd == -1) {
		fail_sys(f, EX_CANTCREAT, "%.200s", path);
		goto fail;
	}
	if (flock(s->lock_fd, LOCK_EX | LOCK_NB) == -1) {
		fail_set(f, EX_UNAVAILABLE, "%.200s: another tl-sandboxd uses "
		    "it", s->options.state);
		goto fail;
	}
	/* A name that the next daemon of this folder finds, and no other. */
	if (stat(s->options.state, &st) == -1) {
		fail_sys(f, EX_NOINPUT, "%.200s", s->options.state);
		goto fail;
	}
	snprintf(name, sizeof(name), "%jx-%jx", (uintmax_t)st.st_dev,
	    (uintmax_t)st.st_ino);
	if (cgroup_detect(&s->cgroups, name, f) == -1 ||
	    (s->releases = releases_open(s, f)) == NULL)
		goto fail;
	clean(s);
	return s;
fail:
	sandboxes_free(s);
	return NULL;
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
	sandboxes_free(s);
}

static int
new_id(char *id, struct fail *f)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
	unsigned char r[24];
	size_t i;

	if (getrandom(r, sizeof(r), 0) != (ssize_t)sizeof(r))
		return fail_sys(f, EX_OSERR, "getrandom");
	/* 120 bits, in letters that a host name takes. */
	memcpy(id, "sbx-", 4);
	for (i = 0; i < sizeof(r); i++)
		id[4 + i] = letters[r[i] % 32];
	id[4 + i] = '\0';
	return 0;
}

static struct sandbox *
sandbox_new(struct sandboxes *s, const struct sandbox_spec *spec,
    struct fail *f)
{
	struct sandbox *b = calloc(1, sizeof(*b));

	if (b == NULL) {
		fail_set(f, EX_OSERR, "out of memory");
		return NULL;
	}
	pthread_mutex_init(&b->lock, NULL);
	clock_cond_init(&b->changed);
	b->set = s;
	b->refs = 1;
	b->runtime = b->init = -1;
	b->rootfd = b->sock = b->loop = -1;
	b->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	b->owner = spec->owner;
	b->cpus = spec->cpus;
	b->memory_mb = spec->memory_mb;
	b->disk_mb = spec->disk_mb;
	b->timeout_s = spec->timeout_s;
	b->created_ms = clock_date_ms();
	b->renewed_ms = clock_ms();
	b->ns = strdup(spec->ns);
	b->image = strdup(spec->image);
	if (spec->idempotency != NULL)
		b->idempotency = strdup(spec->idempotency);
	if (b->wake == -1 || b->ns == NULL || b->image == NULL ||
	    (spec->idempotency != NULL && b->idempotency == NULL) ||
	    new_id(b->id, f) == -1 ||
	    asprintf(&b->folder, "%s/%s", s->options.state, b->id) == -1) {
		fail_set(f, EX_OSERR, "no memory or descriptors for a "
		    "sandbox");
		sandbox_put(b);
		return NULL;
	}
	return b;
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
	b = sandbox_new(s, spec, f);
	if (b == NULL)
		return -1;
	while (s->used[b->slot])
		b->slot++;
	error = pthread_create(&b->thread, NULL, sandbox_live, b);
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
