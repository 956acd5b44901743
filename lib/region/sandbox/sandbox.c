#include <sys/eventfd.h>
#include <sys/random.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/clock.h"
#include "region/sandbox/sandbox.h"

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

struct sandbox *
sandbox_new(const struct host *host, struct releases *releases,
    struct sandbox_spec *spec, struct fail *f)
{
	struct sandbox *sb = calloc(1, sizeof(*sb));

	if (sb == NULL) {
		fail_set(f, EX_OSERR, "out of memory");
		return NULL;
	}
	pthread_mutex_init(&sb->lock, NULL);
	clock_cond_init(&sb->changed);
	sb->host = host;
	sb->releases = releases;
	sb->refs = 1;
	sb->runtime = sb->init = -1;
	sb->sock = -1;
	sb->cache = (struct cache)CACHE_INIT;
	sb->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	sb->owner = spec->owner;
	sb->root = (struct image_root)IMAGE_ROOT_INIT;
	sb->cpus = spec->cpus;
	sb->memory_mb = spec->memory_mb;
	sb->disk_mb = spec->disk_mb;
	sb->timeout_s = spec->timeout_s;
	sb->no_internet = spec->no_internet;
	sb->created_ms = clock_date_ms();
	sb->lease_ms = clock_ms();
	sb->ns = strdup(spec->ns);
	sb->image = strdup(spec->image);
	if (spec->idempotency != NULL)
		sb->idempotency = strdup(spec->idempotency);
	if (sb->wake == -1 || sb->ns == NULL || sb->image == NULL ||
	    (spec->idempotency != NULL && sb->idempotency == NULL) ||
	    new_id(sb->id, f) == -1 ||
	    asprintf(&sb->folder, "%s/%s", host->options.state,
	    sb->id) == -1) {
		fail_set(f, EX_OSERR, "no memory or descriptors for a "
		    "sandbox");
		sandbox_put(sb);
		return NULL;
	}
	sb->root = spec->root;
	spec->root = (struct image_root)IMAGE_ROOT_INIT;
	return sb;
}

void
sandbox_ref(struct sandbox *sb)
{
	pthread_mutex_lock(&sb->lock);
	sb->refs++;
	pthread_mutex_unlock(&sb->lock);
}

void
sandbox_put(struct sandbox *sb)
{
	bool last;

	pthread_mutex_lock(&sb->lock);
	last = --sb->refs == 0;
	pthread_mutex_unlock(&sb->lock);
	if (!last)
		return;
	if (sb->threaded)
		pthread_join(sb->thread, NULL);
	if (sb->wake != -1)
		close(sb->wake);
	pthread_cond_destroy(&sb->changed);
	pthread_mutex_destroy(&sb->lock);
	free(sb->ns);
	free(sb->image);
	free(sb->idempotency);
	free(sb->folder);
	image_root_free(&sb->root);
	free(sb);
}

void
sandbox_wake(struct sandbox *sb)
{
	uint64_t one = 1;

	/* One that is full wakes it as well. */
	if (sb->wake != -1 && write(sb->wake, &one, sizeof(one)) == -1)
		pthread_cond_broadcast(&sb->changed);
}

void
sandbox_end_locked(struct sandbox *sb, const char *outcome)
{
	if (sb->ending)
		return;
	sb->ending = true;
	sb->outcome = outcome;
	sandbox_wake(sb);
	pthread_cond_broadcast(&sb->changed);
}

void
sandbox_end(struct sandbox *sb, const char *outcome)
{
	pthread_mutex_lock(&sb->lock);
	sandbox_end_locked(sb, outcome);
	pthread_mutex_unlock(&sb->lock);
}

enum sandbox_status
sandbox_renew(struct sandbox *sb)
{
	enum sandbox_status status;

	pthread_mutex_lock(&sb->lock);
	status = sb->ending ? SANDBOX_ENDED : sb->status;
	if (status == SANDBOX_RUNNING)
		sb->lease_ms = clock_ms();
	pthread_mutex_unlock(&sb->lock);
	return status;
}

enum sandbox_status
sandbox_await(struct sandbox *sb, enum sandbox_status from, int wait_ms)
{
	int64_t end = clock_ms() + wait_ms;
	enum sandbox_status status;

	pthread_mutex_lock(&sb->lock);
	while (sb->status == from &&
	    clock_cond_wait(&sb->changed, &sb->lock, end))
		;
	status = sb->status;
	pthread_mutex_unlock(&sb->lock);
	return status;
}

void
sandbox_wait_end(struct sandbox *sb)
{
	pthread_mutex_lock(&sb->lock);
	while (sb->status != SANDBOX_ENDED)
		pthread_cond_wait(&sb->changed, &sb->lock);
	pthread_mutex_unlock(&sb->lock);
}

bool
sandbox_enter(struct sandbox *sb)
{
	bool in;

	pthread_mutex_lock(&sb->lock);
	in = sb->status == SANDBOX_RUNNING && !sb->ending;
	if (in)
		sb->busy++;
	pthread_mutex_unlock(&sb->lock);
	return in;
}

void
sandbox_leave(struct sandbox *sb)
{
	pthread_mutex_lock(&sb->lock);
	if (--sb->busy == 0)
		pthread_cond_broadcast(&sb->changed);
	pthread_mutex_unlock(&sb->lock);
}
