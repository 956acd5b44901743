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
    const struct sandbox_spec *spec, struct fail *f)
{
	struct sandbox *b = calloc(1, sizeof(*b));

	if (b == NULL) {
		fail_set(f, EX_OSERR, "out of memory");
		return NULL;
	}
	pthread_mutex_init(&b->lock, NULL);
	clock_cond_init(&b->changed);
	b->host = host;
	b->releases = releases;
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
	b->lease_ms = clock_ms();
	b->ns = strdup(spec->ns);
	b->image = strdup(spec->image);
	if (spec->idempotency != NULL)
		b->idempotency = strdup(spec->idempotency);
	if (b->wake == -1 || b->ns == NULL || b->image == NULL ||
	    (spec->idempotency != NULL && b->idempotency == NULL) ||
	    new_id(b->id, f) == -1 ||
	    asprintf(&b->folder, "%s/%s", host->options.state, b->id) == -1) {
		fail_set(f, EX_OSERR, "no memory or descriptors for a "
		    "sandbox");
		sandbox_put(b);
		return NULL;
	}
	return b;
}

void
sandbox_ref(struct sandbox *b)
{
	pthread_mutex_lock(&b->lock);
	b->refs++;
	pthread_mutex_unlock(&b->lock);
}

void
sandbox_put(struct sandbox *b)
{
	bool last;

	pthread_mutex_lock(&b->lock);
	last = --b->refs == 0;
	pthread_mutex_unlock(&b->lock);
	if (!last)
		return;
	if (b->threaded)
		pthread_join(b->thread, NULL);
	if (b->wake != -1)
		close(b->wake);
	pthread_cond_destroy(&b->changed);
	pthread_mutex_destroy(&b->lock);
	free(b->ns);
	free(b->image);
	free(b->idempotency);
	free(b->folder);
	free(b);
}

void
sandbox_end_locked(struct sandbox *b, const char *outcome)
{
	uint64_t one = 1;

	if (b->ending)
		return;
	b->ending = true;
	b->outcome = outcome;
	if (write(b->wake, &one, sizeof(one)) == -1)
		pthread_cond_broadcast(&b->changed);
	pthread_cond_broadcast(&b->changed);
}

void
sandbox_end(struct sandbox *b, const char *outcome)
{
	pthread_mutex_lock(&b->lock);
	sandbox_end_locked(b, outcome);
	pthread_mutex_unlock(&b->lock);
}

enum sandbox_status
sandbox_renew(struct sandbox *b)
{
	enum sandbox_status status;

	pthread_mutex_lock(&b->lock);
	status = b->ending ? SANDBOX_ENDED : b->status;
	if (status == SANDBOX_RUNNING)
		b->lease_ms = clock_ms();
	pthread_mutex_unlock(&b->lock);
	return status;
}

enum sandbox_status
sandbox_await(struct sandbox *b, enum sandbox_status from, int wait_ms)
{
	int64_t end = clock_ms() + wait_ms;
	enum sandbox_status status;

	pthread_mutex_lock(&b->lock);
	while (b->status == from &&
	    clock_cond_wait(&b->changed, &b->lock, end))
		;
	status = b->status;
	pthread_mutex_unlock(&b->lock);
	return status;
}

void
sandbox_wait_end(struct sandbox *b)
{
	pthread_mutex_lock(&b->lock);
	while (b->status != SANDBOX_ENDED)
		pthread_cond_wait(&b->changed, &b->lock);
	pthread_mutex_unlock(&b->lock);
}

bool
sandbox_enter(struct sandbox *b)
{
	bool in;

	pthread_mutex_lock(&b->lock);
	in = b->status == SANDBOX_RUNNING && !b->ending;
	if (in)
		b->busy++;
	pthread_mutex_unlock(&b->lock);
	return in;
}

void
sandbox_leave(struct sandbox *b)
{
	pthread_mutex_lock(&b->lock);
	if (--b->busy == 0)
		pthread_cond_broadcast(&b->changed);
	pthread_mutex_unlock(&b->lock);
}

void
sandbox_file_add(struct sandbox *b, struct sandbox_file *file, int fd)
{
	pthread_mutex_lock(&b->lock);
	b->refs++;
	file->sandbox = b;
	file->fd = fd;
	file->next = b->files;
	b->files = file;
	pthread_mutex_unlock(&b->lock);
}

void
sandbox_file_done(struct sandbox_file *file)
{
	struct sandbox *b = file->sandbox;
	struct sandbox_file **at;

	pthread_mutex_lock(&b->lock);
	for (at = &b->files; *at != NULL; at = &(*at)->next)
		if (*at == file) {
			*at = file->next;
			break;
		}
	if (file->fd != -1)
		close(file->fd);
	file->fd = -1;
	pthread_mutex_unlock(&b->lock);
	sandbox_put(b);
}
