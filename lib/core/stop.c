#include <sys/time.h>

#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/stop.h"

volatile sig_atomic_t stop_signal;
static volatile sig_atomic_t catching, passed;
static char line[120];		/* "NAME: the reason\n" */
static char reason[60];

static void
on_signal(int sig)
{
	stop_signal = sig;
}

void
stop_catch(void)
{
	static const int all[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction sa, old;
	size_t i;

	catching = 1;
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		sa.sa_handler = on_signal;
		sigemptyset(&sa.sa_mask);
		/* Without SA_RESTART: what blocks is to notice. */
		sa.sa_flags = (int)SA_RESETHAND;
		if (sigaction(all[i], NULL, &old) == 0 &&
		    old.sa_handler != SIG_IGN)
			sigaction(all[i], &sa, NULL);
	}
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
