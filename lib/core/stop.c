#include <stddef.h>

#include "core/stop.h"

volatile sig_atomic_t stop_signal;

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

int
stop_status(void)
{
	return stop_signal == 0 ? 0 : 128 + stop_signal;
}
