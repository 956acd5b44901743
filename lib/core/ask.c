#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/ask.h"
#include "core/clock.h"

extern char **environ;

static int
begin(const char *path, const char *const argv[], int out, pid_t *pid)
{
	posix_spawn_file_actions_t fa;
	int e;

	if ((e = posix_spawn_file_actions_init(&fa)) != 0)
		return e;
	if ((e = posix_spawn_file_actions_addopen(&fa, STDIN_FILENO,
	    "/dev/null", O_RDONLY, 0)) == 0 &&
	    (e = posix_spawn_file_actions_adddup2(&fa, out, STDOUT_FILENO))
	    == 0 && (e = posix_spawn_file_actions_addopen(&fa, STDERR_FILENO,
	    "/dev/null", O_WRONLY, 0)) == 0)
		e = posix_spawnp(pid, path, &fa, NULL,
		    (char *const *)(uintptr_t)argv, environ);
	posix_spawn_file_actions_destroy(&fa);
	return e;
}

/* All that it says, up to its end or the time's. */
static int
hear(int fd, int64_t end_ms, struct buf *b, struct fail *f)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int64_t left;
	ssize_t n;
	int r;

	for (;;) {
		if ((left = end_ms - clock_ms()) <= 0)
			return fail_set(f, EX_UNAVAILABLE, "took too long");
		if ((r = poll(&p, 1, (int)left)) == -1 && errno != EINTR)
			return fail_sys(f, EX_OSERR, "poll");
		if (r <= 0)
			continue;
		if (buf_room(b, 1 << 16, f) == -1)
			return -1;
		if ((n = read(fd, b->data + b->len, 1 << 16)) > 0)
			b->len += (size_t)n;
		else if (n == -1 && errno != EINTR)
			return fail_sys(f, EX_OSERR, "read");
		b->data[b->len] = '\0';
		if (n == 0)
			return 0;
	}
}

/* Nothing more comes of it, but it may not end by itself. */
static int
reap(pid_t pid, int64_t end_ms, int *status, struct fail *f)
{
	pid_t ended;

	while ((ended = waitpid(pid, status, WNOHANG)) == 0) {
		if (clock_ms() >= end_ms)
			kill(pid, SIGKILL);
		poll(NULL, 0, 1);
	}
	return ended != -1 ? 0 : fail_sys(f, EX_OSERR, "waitpid");
}

int
ask(const char *path, const char *const argv[], int timeout_ms,
    struct buf *b, struct fail *f)
{
	int64_t end_ms = clock_ms() + timeout_ms;
	int fd[2], e, r, status = 0;
	struct fail late;
	pid_t pid;

	if (pipe2(fd, O_CLOEXEC) == -1)
		return fail_sys(f, EX_OSERR, "pipe");
	e = begin(path, argv, fd[1], &pid);
	close(fd[1]);
	if (e != 0) {
		close(fd[0]);
		errno = e;
		return fail_sys(f, EX_UNAVAILABLE, "%.300s", path);
	}
	if ((r = hear(fd[0], end_ms, b, f)) == -1) {
		kill(pid, SIGKILL);
		fail_in(f, path);
	}
	close(fd[0]);
	if (reap(pid, end_ms, &status, r == -1 ? &late : f) == -1 || r == -1)
		return -1;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return fail_set(f, EX_UNAVAILABLE, "%.300s: failed", path);
	return 0;
}
