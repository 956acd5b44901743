#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "client/display/show.h"
#include "core/clock.h"

#define TICK_MS		100
#define EVENTS_HELD	(4UL << 20)	/* even events end somewhere */

int
show_mode(const char *word, int fd)
{
	const char *term = getenv("TERM");

	if (strcmp(word, "plain") == 0)
		return PROGRESS_PLAIN;
	if (strcmp(word, "json") == 0)
		return PROGRESS_JSON;
	if (strcmp(word, "none") == 0)
		return PROGRESS_NONE;
	if (strcmp(word, "auto") != 0)
		return -1;
	/* A line that moves wants a terminal that can clear it. */
	return isatty(fd) == 1 && term != NULL && *term != '\0' &&
	    strcmp(term, "dumb") != 0 ? PROGRESS_LIVE : PROGRESS_PLAIN;
}

unsigned
show_columns(int fd)
{
	struct winsize w;

	return ioctl(fd, TIOCGWINSZ, &w) == 0 && w.ws_col > 0 ? w.ws_col : 80;
}

/* As others may have made it, it would lose what cannot be written at once; an
 * opening of our own waits.  A file's would begin at its start. */
static int
waiting(int fd)
{
	char path[40];
	struct stat st;
	int own;

	if ((fcntl(fd, F_GETFL) & O_NONBLOCK) == 0 || fstat(fd, &st) == -1 ||
	    S_ISREG(st.st_mode))
		return fd;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	own = open(path, O_WRONLY | O_NOCTTY | O_CLOEXEC);
	return own != -1 ? own : fd;
}

/* The process: it ends with its stream, or with who started it. */
static _Noreturn void
show(int in, const struct progress_options *opt, int to)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT,
	    SIGTSTP, SIGTTOU, SIGPIPE };
	static char piece[64 << 10];
	struct pollfd p = { .fd = in, .events = POLLIN };
	struct progress *progress;
	struct fail f;
	ssize_t n;
	FILE *out;
	size_t i;

	for (i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	to = waiting(to);
	if ((out = fdopen(to, "w")) == NULL ||
	    (progress = progress_new(opt, out, NULL, &f)) == NULL)
		_exit(EX_OSERR);
	setvbuf(out, NULL, _IOFBF, 64 << 10);
	for (;;) {
		n = poll(&p, 1, opt->mode == PROGRESS_LIVE ? TICK_MS : -1);
		if (n == -1 && errno != EINTR)
			break;
		if (n > 0) {
			n = read(in, piece, sizeof(piece));
			if (n == 0 || (n == -1 && errno != EINTR))
				break;
			if (n > 0 && progress_feed(progress, piece, (size_t)n,
			    &f) == -1)
				break;
		}
		/* Behind what was read: or it would be gone for a tick. */
		if (opt->mode == PROGRESS_LIVE)
			progress_columns(progress, show_columns(to));
		progress_tick(progress);
	}
	progress_end(progress, &f);
	_exit(0);
}

int
show_start(struct show *s, const struct progress_options *opt, int to,
    struct fail *f)
{
	pid_t us = getpid();
	int fd[2];

	*s = (struct show){ .fd = -1, .held = BUF_INIT(2 * EVENTS_HELD),
	    .mark = opt->mark };
	if (pipe2(fd, O_CLOEXEC) == -1)
		return fail_sys(f, EX_OSERR, "pipe");
	if ((s->pid = fork()) == -1) {
		s->pid = 0;
		close(fd[0]);
		close(fd[1]);
		return fail_sys(f, EX_OSERR, "fork");
	}
	if (s->pid == 0) {
		close(fd[1]);
		/* It may be stuck in a write when who started it is killed. */
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1 || getppid() != us)
			_exit(0);
		show(fd[0], opt, to);
	}
	close(fd[0]);
	s->fd = fd[1];
	fcntl(s->fd, F_SETFL, O_NONBLOCK);
	return 0;
}

bool
show_push(struct show *s)
{
	ssize_t n;

	while (s->fd != -1 && s->at < s->held.len) {
		n = write(s->fd, s->held.data + s->at, s->held.len - s->at);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno == EAGAIN)
			break;
		if (n == -1) {
			/* Nobody shows it any more. */
			close(s->fd);
			s->fd = -1;
			break;
		}
		s->at += (size_t)n;
	}
	if (s->fd == -1 || s->at == s->held.len) {
		s->at = 0;
		buf_clear(&s->held);
	} else if (s->at > SHOW_HELD / 2) {
		memmove(s->held.data, s->held.data + s->at,
		    s->held.len - s->at);
		s->held.len -= s->at;
		s->at = 0;
	}
	return s->held.len > 0;
}

void
show_line(struct show *s, const char *line, size_t n, bool event)
{
	struct fail f;

	if (s->fd == -1)
		return;
	show_push(s);
	if (s->held.len - s->at + n > (event ? EVENTS_HELD : SHOW_HELD)) {
		s->left_out++;
		return;
	}
	if (s->left_out > 0 && buf_addf(&s->held, &f, "%s say %zu lines were "
	    "not shown, as nothing read them; the log has them\n", s->mark,
	    s->left_out) == 0)
		s->left_out = 0;
	if (buf_add(&s->held, line, n, &f) == -1)
		s->left_out++;
	show_push(s);
}

/* Whether it has ended within so many milliseconds. */
static bool
ended(struct show *s, int64_t until)
{
	for (;;) {
		if (waitpid(s->pid, NULL, WNOHANG) != 0)
			return true;
		if (clock_ms() >= until)
			return false;
		poll(NULL, 0, 2);
	}
}

void
show_pause(const struct show *s, bool pause)
{
	if (s->pid != 0)
		kill(s->pid, pause ? SIGSTOP : SIGCONT);
}

void
show_end(struct show *s, int ms)
{
	int64_t until = clock_ms() + ms;

	while (show_push(s) && clock_ms() < until) {
		struct pollfd p = { .fd = s->fd, .events = POLLOUT };

		poll(&p, 1, 50);
	}
	if (s->fd != -1)
		close(s->fd);
	s->fd = -1;
	if (s->pid != 0 && !ended(s, until))
		show_kill(s);
	s->pid = 0;
	buf_free(&s->held);
}

void
show_kill(struct show *s)
{
	if (s->fd != -1)
		close(s->fd);
	s->fd = -1;
	if (s->pid == 0)
		return;
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	s->pid = 0;
}
