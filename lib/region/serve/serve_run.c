#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include <microhttpd.h>

#include "core/clock.h"
#include "region/serve/serve_impl.h"

#define STOP_MS		2000

int
serve_faults(struct serve_options *o, const char *file, struct fail *f)
{
	const char *spec = getenv("TL_FAULT");

	if (spec != NULL && *spec == '\0')
		spec = NULL;
	if (spec == NULL && file == NULL)
		return 0;
	o->faults = faults_open(spec, file, f);
	return o->faults == NULL ? -1 : 0;
}

struct serve *
serve_start(const struct serve_options *o, struct fail *f)
{
	struct serve *s = calloc(1, sizeof(*s));

	if (s == NULL || (s->name = strdup(o->name)) == NULL) {
		free(s);
		fail_set(f, EX_OSERR, "out of memory");
		return NULL;
	}
	s->ops = o->ops;
	s->arg = o->arg;
	s->faults = o->faults;
	s->xml = o->xml;
	s->verbose = o->verbose;
	pthread_mutex_init(&s->door_lock, NULL);
	atomic_init(&s->stopping, false);
	atomic_init(&s->busy, 0);
	pthread_mutex_init(&s->guest_lock, NULL);
	s->fd = serve_listen(s, o, f);
	if (s->fd != -1) {
		s->daemon = serve_daemon(s);
		if (s->daemon != NULL)
			return s;
		fail_set(f, EX_OSERR, "%.200s: libmicrohttpd cannot start",
		    o->listen);
	}
	serve_stop(s);
	return NULL;
}

const char *
serve_url(const struct serve *s)
{
	return s->url;
}

bool
serve_stopping(const struct serve *s)
{
	return atomic_load(&s->stopping);
}

static void
stop_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
}

void
serve_block_signals(void)
{
	sigset_t set;

	stop_signals(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	/* A client that goes away is an EPIPE. */
	signal(SIGPIPE, SIG_IGN);
}

int
serve_run(struct serve *s, const char *ready, struct fail *f)
{
	struct buf line = BUF_INIT(4096);
	sigset_t set;
	int r = 0, sig;

	if (ready != NULL) {
		r = buf_addf(&line, f, "%s\n", s->url);
		if (r == 0)
			r = buf_save(&line, ready, f);
		buf_free(&line);
		if (r == -1)
			return -1;
	}
	stop_signals(&set);
	while ((r = sigwait(&set, &sig)) == EINTR)
		;
	if (ready != NULL)
		unlink(ready);
	if (r != 0)
		return fail_set(f, EX_OSERR, "sigwait: %s", strerror(r));
	return 0;
}

void
serve_stop(struct serve *s)
{
	const struct timespec moment = { .tv_nsec = 5000000 };
	int64_t end = clock_ms() + STOP_MS;

	if (s == NULL)
		return;
	atomic_store(&s->stopping, true);
	if (s->daemon != NULL) {
		MHD_quiesce_daemon(s->daemon);
		serve_unlink(s);
		while (atomic_load(&s->busy) > 0 && clock_ms() < end)
			nanosleep(&moment, NULL);
		MHD_stop_daemon(s->daemon);
	}
	if (s->fd != -1)
		close(s->fd);
	faults_free(s->faults);
	pthread_mutex_destroy(&s->door_lock);
	pthread_mutex_destroy(&s->guest_lock);
	free(s->unix_path);
	free(s->url);
	free(s->name);
	free(s);
}
