#include <sys/ioctl.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sysexits.h>
#include <termios.h>
#include <unistd.h>

#include "client/terminal/tty.h"
#include "core/stop.h"

static struct termios before;
static volatile sig_atomic_t raw, resized;

int
tty_there(struct fail *f)
{
	int fd;

	for (fd = STDIN_FILENO; fd <= STDOUT_FILENO; fd++)
		if (isatty(fd) != 1)
			return fail_set(f, EX_USAGE, "-t: standard %s is no "
			    "terminal; without -t a command needs none",
			    fd == STDIN_FILENO ? "input" : "output");
	return 0;
}

void
tty_restore(void)
{
	int saved = errno;

	if (raw)
		tcsetattr(STDIN_FILENO, TCSANOW, &before);
	raw = 0;
	errno = saved;
}

/* What would end us at once, by its own doing or another's. */
static void
on_end(int sig)
{
	tty_restore();
	raise(sig);
}

static void
on_resize(int sig)
{
	(void)sig;
	resized = 1;
}

static void
catch_ends(void)
{
	static const int ends[] = { SIGQUIT, SIGABRT, SIGSEGV, SIGBUS, SIGFPE,
	    SIGILL, SIGTERM, SIGINT, SIGHUP };
	struct sigaction sa, old;
	size_t i;

	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		sa = (struct sigaction){ .sa_handler = on_end,
		    .sa_flags = (int)(SA_RESETHAND | SA_NODEFER) };
		sigemptyset(&sa.sa_mask);
		/* What core/stop.h catches is put in order first. */
		if (sigaction(ends[i], NULL, &old) == 0 &&
		    old.sa_handler == SIG_DFL)
			sigaction(ends[i], &sa, NULL);
	}
	sa = (struct sigaction){ .sa_handler = on_resize };
	sigemptyset(&sa.sa_mask);
	sigaction(SIGWINCH, &sa, NULL);
}

int
tty_raw(struct fail *f)
{
	static bool registered;
	struct termios t;

	if (tcgetattr(STDIN_FILENO, &before) == -1)
		return fail_sys(f, EX_OSERR, "terminal");
	if (!registered && atexit(tty_restore) != 0)
		return fail_set(f, EX_OSERR, "out of memory");
	registered = true;
	stop_last(tty_restore);
	catch_ends();
	t = before;
	cfmakeraw(&t);
	raw = 1;
	if (tcsetattr(STDIN_FILENO, TCSANOW, &t) == 0)
		return 0;
	fail_sys(f, EX_OSERR, "terminal");
	tty_restore();
	return -1;
}

struct terminal_size
tty_size(void)
{
	struct terminal_size size = { 24, 80 };
	struct winsize ws;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_row > 0 &&
	    ws.ws_col > 0) {
		size.rows = ws.ws_row;
		size.cols = ws.ws_col;
	}
	return size;
}

bool
tty_resized(void)
{
	bool was = resized;

	resized = 0;
	return was;
}
