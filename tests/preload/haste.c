/*
 * Preloaded, lets a program's monotonic clock run HASTE times as fast, so that
 * a test need not wait for what a program does every two minutes.  Sleeps and
 * polls last as long as ever: a loop that looks at the clock sees them as long
 * ones.
 */

#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#define SECOND	1000000000

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	static int (*real)(clockid_t, struct timespec *);
	static int64_t begun;
	static long haste;
	const char *s;
	int64_t now;
	void *at;

	if (real == NULL) {
		at = dlsym(RTLD_NEXT, "clock_gettime");
		*(void **)&real = at;
		s = getenv("HASTE");
		haste = s != NULL ? atol(s) : 1;
	}
	if (real(id, ts) == -1)
		return -1;
	if (id != CLOCK_MONOTONIC || haste < 2)
		return 0;
	now = (int64_t)ts->tv_sec * SECOND + ts->tv_nsec;
	if (begun == 0)
		begun = now;
	now = begun + (now - begun) * haste;
	ts->tv_sec = now / SECOND;
	ts->tv_nsec = now % SECOND;
	return 0;
}
