#include <sys/signalfd.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/guard/guard_impl.h"
#include "core/clock.h"
#include "core/stop.h"

/*
 * Waiting: all that may come meanwhile is taken in.
 */

static _Noreturn void
at_once(struct run *r)
{
	char line[1024];

	command_signal(&r->command, SIGKILL);
	undo_kill(&r->undo);
	run_tell(r, "error", "ended at once; to undo what is left, run: %s",
	    run_reap_line(r, "", line));
	show_end(&r->show, KILLED_MS);
	_exit(128 + r->sig);
}

static void
suspend(struct run *r)
{
	show_pause(&r->show, true);
	command_stop(&r->command);
	show_pause(&r->show, false);
}

static void
take_signal(struct run *r)
{
	struct signalfd_siginfo s;

	while (read(r->signals, &s, sizeof(s)) == (ssize_t)sizeof(s)) {
		switch (s.ssi_signo) {
		case SIGCHLD:
			break;
		case SIGTSTP:
			suspend(r);
			break;
		default:
			if (r->sig == 0) {
				r->sig = (int)s.ssi_signo;
				r->sig_ms = clock_ms();
				if (r->undo.pid != 0)
					run_tell(r, "say", "undoing what was "
					    "made; a second signal ends at "
					    "once");
			} else if (clock_ms() - r->sig_ms >=
			    STOP_SECOND_MS)
				at_once(r);
		}
	}
}

static void
look(struct run *r)
{
	const struct ledger_entry *e;

	command_look(&r->command);
	if (r->command.stopped)
		suspend(r);
	if (held_look(&r->held)) {
		e = held_find(&r->held, LEDGER_BUILD, LEDGER_MADE);
		if (e != NULL && strcmp(e->id, r->build) != 0) {
			snprintf(r->build, sizeof(r->build), "%s", e->id);
			run_tell(r, "id", "build %s", r->build);
		}
		e = held_find(&r->held, LEDGER_SANDBOX, LEDGER_MADE);
		if (e != NULL && strcmp(e->id, r->sandbox) != 0) {
			snprintf(r->sandbox, sizeof(r->sandbox), "%s", e->id);
			run_tell(r, "id", "sandbox %s", r->sandbox);
		}
	}
}

/* Something comes, or so many milliseconds pass. */
void
run_await(struct run *r, int64_t ms)
{
	struct pollfd p[] = {
		{ .fd = r->signals, .events = POLLIN },
		{ .fd = r->command.err, .events = POLLIN },
		{ .fd = show_push(&r->show) ? r->show.fd : -1,
		  .events = POLLOUT },
		{ .fd = r->undo.fd, .events = POLLIN },
		{ .fd = r->held.news, .events = POLLIN },
	};

	if (ms > TICK_MS)
		ms = TICK_MS;
	if (poll(p, sizeof(p) / sizeof(p[0]), ms < 0 ? 0 : (int)ms) > 0) {
		if (p[0].revents != 0)
			take_signal(r);
		if (p[1].revents != 0)
			run_listen(r);
	}
	look(r);
}
