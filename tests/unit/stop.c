/* Being told to end, and a deadline: lib/core/stop.h. */

#include <sys/time.h>
#include <sys/wait.h>

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "core/stop.h"
#include "unit.h"

/* What a child says before it ends with a status, or 0 if it does not. */
static void
ends(const char *what, void (*child)(void), int status, const char *line)
{
	char said[200] = "";
	int fd[2], end = -1;
	ssize_t n;
	pid_t pid;

	fflush(stdout);
	if (pipe(fd) == -1 || (pid = fork()) == -1)
		abort();
	if (pid == 0) {
		dup2(fd[1], STDERR_FILENO);
		close(fd[0]);
		child();
		_exit(0);
	}
	close(fd[1]);
	n = read(fd[0], said, sizeof(said) - 1);
	close(fd[0]);
	waitpid(pid, &end, 0);
	UNIT_CHECK(n >= 0 && WIFEXITED(end) && WEXITSTATUS(end) == status &&
	    strcmp(said, line) == 0, "%s: %d %.60s", what, WEXITSTATUS(end),
	    said);
}

static void
at_once(void)
{
	stop_after("tl-x", 1000);
	raise(SIGALRM);
}

static void
first(void)
{
	stop_catch();
	stop_after("tl-x", 1000);
	raise(SIGALRM);
	if (stop_signal != SIGALRM || stop_status() != EX_TEMPFAIL ||
	    strcmp(stop_reason(), "the deadline of 1000 s has passed") != 0)
		_exit(1);
}

static void
second(void)
{
	first();
	raise(SIGALRM);
}

/* What a signal has begun, a deadline does not end at once. */
static void
after_signal(void)
{
	stop_catch();
	stop_after("tl-x", 1000);
	raise(SIGTERM);
	raise(SIGALRM);
	if (stop_signal != SIGTERM || stop_status() != 143 ||
	    strcmp(stop_reason(), "stopped by a signal") != 0)
		_exit(1);
}

/* What timeout(1) does, and what a terminal and make do: one wish. */
static void
twice(void)
{
	stop_catch();
	raise(SIGTERM);
	raise(SIGTERM);
	raise(SIGINT);
	if (stop_signal != SIGTERM || stop_status() != 143)
		_exit(1);
}

static void
put_in_order(void)
{
	ssize_t n = write(STDERR_FILENO, "in order\n", 9);

	(void)n;
}

/* The second one's usual effect would hide what was said. */
static void
later(void)
{
	const struct timespec pause = {
		.tv_nsec = (STOP_SECOND_MS + 1) * 1000000L
	};
	pid_t pid = fork();
	int end = -1;

	if (pid == 0) {
		stop_catch();
		stop_last(put_in_order);
		raise(SIGTERM);
		nanosleep(&pause, NULL);
		raise(SIGHUP);
		_exit(0);
	}
	waitpid(pid, &end, 0);
	_exit(WIFSIGNALED(end) ? WTERMSIG(end) : 100);
}

int
main(void)
{
	static const char line[] =
	    "tl-x: the deadline of 1000 s has passed\n";
	struct itimerval timer;

	UNIT_CHECK(stop_status() == 0, "nothing came");
	ends("nothing to undo", at_once, EX_TEMPFAIL, line);
	ends("something to undo", first, 0, "");
	ends("which takes too long", second, EX_TEMPFAIL, line);
	ends("a signal first", after_signal, 0, "");
	ends("signals of one wish", twice, 0, "");
	ends("a second signal", later, SIGHUP, "in order\n");
	stop_after("tl-x", 1000);
	getitimer(ITIMER_REAL, &timer);
	UNIT_CHECK(timer.it_value.tv_sec >= 990 &&
	    timer.it_value.tv_sec <= 1000 &&
	    timer.it_interval.tv_sec == STOP_GRACE_S, "the clock runs");
	return unit_end();
}
