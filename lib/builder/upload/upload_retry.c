#include <stdlib.h>
#include <sysexits.h>
#include <time.h>

#include "builder/upload/upload_impl.h"
#include "core/clock.h"

#define WAIT_FIRST_MS	250
#define WAIT_MAX_MS	30000
#define RETRY_AFTER_S	60		/* the longest Retry-After obeyed */

int
upload_stopped(const struct upload *u, struct fail *f)
{
	if (u->opt->stop == NULL || *u->opt->stop == 0)
		return 0;
	return fail_set(f, EX_TEMPFAIL, "%s: stopped by a signal", u->name);
}

int64_t
upload_pause_ms(const struct http_reply *r, unsigned tries)
{
	int64_t ms = WAIT_MAX_MS;

	if (tries < 8)
		ms = (int64_t)WAIT_FIRST_MS << (tries - 1);
	if (ms > WAIT_MAX_MS)
		ms = WAIT_MAX_MS;
	ms += random() % (ms / 4 + 1);
	if (r->retry_after_s >= 0 && r->retry_after_s <= RETRY_AFTER_S &&
	    r->retry_after_s * 1000 > ms)
		ms = r->retry_after_s * 1000;
	return ms;
}

int
upload_sleep_ms(struct upload *u, int64_t ms, struct fail *f)
{
	int64_t end = clock_ms() + ms;

	while ((ms = end - clock_ms()) > 0) {
		if (upload_stopped(u, f) == -1)
			return -1;
		if (ms > UPLOAD_TICK_MS)
			ms = UPLOAD_TICK_MS;
		nanosleep(&(struct timespec){ .tv_nsec = (long)ms * 1000000L },
		    NULL);
	}
	return 0;
}
