#include <sys/time.h>

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/stop.h"

volatile sig_atomic_t stop_signal;
static volatile sig_atomic_t catching, passed;
static char line[120];		/* "NAME: the reason\n" */
static char reason[60];
static int64_t first_ms;	/* when the first signal came; 0: not yet */
static void (*put_in_order)(void);

void
stop_last(void (*last)(void))
{
	put_in_order = last;
}

static void
on_signal(int sig)
{
	int saved = errno;
	int64_t now = clock_ms();

	if (first_ms == 0) {
		first_ms = now;
		stop_signal = sig;
	} else if (now - first_ms >= STOP_SECOND_MS) {
		if (put_in_order != NULL)
			put_in_order();
		/* It comes when this handler returns. */
		signal(sig, SIG_DFL);
		raise(sig);
	}
	errno = saved;
}

void
stop_catch(void)
{
	static const int all[] = { SIGINT, SIGTERM, SIGHUP };
	/* Without SA_RESTART: what blocks is to notice. */
	struct sigaction sa = { .sa_handler = on_signal }, old;
	size_t i;

	catching = 1;
	first_ms = 0;
	sigemptyset(&sa.sa_mask);
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		sigaddset(&sa.sa_mask, all[i]);
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (sigaction(all[i], NULL, &old) == 0 &&
		    old.sa_handler != SIG_IGN)
			sigaction(all[i], &sa, NULL);
}

static void
on_deadline(int sig)
{
	ssize_t n;

	if (catching && !passed) {
		passed = 1;
		/* What another signal began goes on. */
		if (stop_signal == 0)
			stop_signal = sig;
		return;
	}
	if (put_in_order != NULL)
		put_in_order();
	n = write(STDERR_FILENO, line, strlen(line));
	(void)n;
	_exit(EX_TEMPFAIL);
}

void
stop_after(const char *name, unsigned seconds)
{
	const struct itimerval timer = {
		.it_value = { .tv_sec = (time_t)seconds },
		.it_interval = { .tv_sec = STOP_GRACE_S }
	};
	struct sigaction sa = { .sa_handler = on_deadline };

	snprintf(reason, sizeof(reason), "the deadline of %u s has passed",
	    seconds);
	snprintf(line, sizeof(line), "%.40s: %s\n", name, reason);
	sigemptyset(&sa.sa_mask);
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

const char *
stop_reason(void)
{
	return stop_signal == SIGALRM ? reason : "stopped by a signal";
}

int
stop_status(void)
{
	return stop_signal == 0 ? 0 : stop_signal == SIGALRM ? EX_TEMPFAIL :
	    128 + stop_signal;
}
