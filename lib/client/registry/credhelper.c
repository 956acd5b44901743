#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "client/registry/credhelper.h"
#include "core/clock.h"
#include "core/json.h"

/* A token of a cloud's registry has some kilobytes. */
#define ANSWER_MAX	(1UL << 20)

/* How often it is looked whether a helper has ended. */
#define REAP_MS		5

extern char **environ;

/* The environment without what opens Tensorlake's door; free() ends it. */
static char **
clean_environment(void)
{
	static const char *const ours[] = { "TENSORLAKE_", "TL_" };
	size_t n = 0, i, j;
	char **env;

	while (environ[n] != NULL)
		n++;
	if ((env = calloc(n + 1, sizeof(*env))) == NULL)
		return NULL;
	for (n = i = 0; environ[i] != NULL; i++) {
		for (j = 0; j < sizeof(ours) / sizeof(ours[0]); j++)
			if (strncmp(environ[i], ours[j],
			    strlen(ours[j])) == 0)
				break;
		if (j == sizeof(ours) / sizeof(ours[0]))
			env[n++] = environ[i];
	}
	return env;
}

/* Start it, in a process group of its own; what fails is errno's business. */
static int
start(const char *program, int in, int out, pid_t *pid)
{
	char *argv[] = { NULL, NULL, NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t how;
	sigset_t none, all;
	char **env;
	int e;

	if ((env = clean_environment()) == NULL)
		return ENOMEM;
	if ((e = posix_spawn_file_actions_init(&files)) != 0) {
		free(env);
		return e;
	}
	if ((e = posix_spawnattr_init(&how)) != 0) {
		posix_spawn_file_actions_destroy(&files);
		free(env);
		return e;
	}
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_setflags(&how, POSIX_SPAWN_SETPGROUP |
	    POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setpgroup(&how, 0);
	posix_spawnattr_setsigmask(&how, &none);
	posix_spawnattr_setsigdefault(&how, &all);
	/* posix_spawn() wants them writable, and does not write them. */
	if ((argv[0] = strdup(program)) == NULL ||
	    (argv[1] = strdup("get")) == NULL)
		e = ENOMEM;
	if (e == 0)
		e = posix_spawn_file_actions_adddup2(&files, in, 0);
	if (e == 0)
		e = posix_spawn_file_actions_adddup2(&files, out, 1);
	/* What a helper complains of may hold what nobody should see. */
	if (e == 0)
		e = posix_spawn_file_actions_addopen(&files, 2, "/dev/null",
		    O_WRONLY, 0);
	if (e == 0)
		e = posix_spawnp(pid, program, &files, &how, argv, env);
	posix_spawnattr_destroy(&how);
	posix_spawn_file_actions_destroy(&files);
	free(argv[0]);
	free(argv[1]);
	free(env);
	return e;
}

/* Whether it has ended; it stays there until reap(). */
static bool
has_ended(pid_t pid)
{
	siginfo_t info = { 0 };

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG |
	    WNOWAIT) == 0 && info.si_pid == pid;
}

/*
 * What it says until it ends: a child of it that holds its stdout open for
 * longer is not waited for.  1, or 0 and why; -1: our own failure.
 */
static int
read_answer(int fd, pid_t pid, int64_t deadline, struct buf *answer,
    const char **why, struct fail *f)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	bool eof = false, ended;
	int64_t left;
	ssize_t n;

	for (;;) {
		/* Asked first: what it wrote is there by then. */
		ended = has_ended(pid);
		while (!eof) {
			if (answer->len >= ANSWER_MAX) {
				*why = "says too much";
				return 0;
			}
			if (buf_room(answer, 4096, f) == -1)
				return -1;
			n = read(fd, answer->data + answer->len, 4096);
			if (n > 0)
				answer->len += (size_t)n;
			else if (n == 0)
				eof = true;
			else if (errno != EINTR)
				break;
		}
		if (ended)
			return 1;
		left = deadline - clock_ms();
		if (left <= 0) {
			*why = "too slow";
			return 0;
		}
		if (left > REAP_MS)
			left = REAP_MS;
		poll(&p, eof ? 0 : 1, (int)left);
	}
}

/* End its group, whoever is left of it, and see to it.  0 if it was good. */
static int
reap(pid_t pid)
{
	int status = -1;
	pid_t got;

	kill(-pid, SIGKILL);
	while ((got = waitpid(pid, &status, 0)) == -1 && errno == EINTR)
		;
	return got == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0 ?
	    0 : -1;
}

static int
read_credentials(struct buf *answer, struct buf *out, struct fail *f)
{
	char *user = NULL, *secret = NULL;
	struct span doc;
	int r = 0;

	if (span_parse(&doc, answer->data, answer->len, f) == -1 ||
	    !span_is_object(&doc) ||
	    json_string(&doc, "Username", JSON_NEED, &user, f) == -1 ||
	    json_string(&doc, "Secret", JSON_NEED, &secret, f) == -1)
		r = 0;
	else if (buf_add(out, user, strlen(user) + 1, f) == -1 ||
	    buf_add(out, secret, strlen(secret) + 1, f) == -1)
		r = -1;
	else
		r = 1;
	if (secret != NULL)
		explicit_bzero(secret, strlen(secret));
	free(user);
	free(secret);
	return r;
}

int
credhelper_get(const char *name, const char *registry, int timeout_ms,
    struct buf *out, struct fail *why, struct fail *f)
{
	struct buf answer = BUF_INIT(ANSWER_MAX + 8192);
	int64_t deadline = clock_ms() + timeout_ms;
	int in[2] = { -1, -1 }, from[2] = { -1, -1 }, e, r = -1;
	size_t len = strlen(registry);
	const char *reason = "";
	char program[300];
	pid_t pid;

	if ((size_t)snprintf(program, sizeof(program), "docker-credential-%s",
	    name) >= sizeof(program) || len > PIPE_BUF) {
		fail_set(why, EX_DATAERR, "a name that is too long");
		return 0;
	}
	if (pipe2(in, O_CLOEXEC) == -1 || pipe2(from, O_CLOEXEC) == -1 ||
	    fcntl(from[0], F_SETFL, O_NONBLOCK) == -1) {
		fail_sys(f, EX_OSERR, "pipe");
		goto out;
	}
	/*
	 * Into the pipe before there is anyone at its other end: so short a
	 * text fits, and a helper that does not read it kills nobody.
	 */
	if (write(in[1], registry, len) != (ssize_t)len) {
		fail_sys(f, EX_OSERR, "pipe");
		goto out;
	}
	close(in[1]);
	in[1] = -1;
	if ((e = start(program, in[0], from[1], &pid)) != 0) {
		errno = e;
		fail_sys(why, EX_UNAVAILABLE, "%.100s", program);
		r = 0;
		goto out;
	}
	close(from[1]);
	from[1] = -1;
	r = read_answer(from[0], pid, deadline, &answer, &reason, f);
	if (reap(pid) == -1 && r == 1) {
		reason = "has none, or failed";
		r = 0;
	}
	if (r == 0)
		fail_set(why, EX_UNAVAILABLE, "%.100s: %s", program, reason);
	if (r == 1 && (r = read_credentials(&answer, out, f)) == 0)
		fail_set(why, EX_PROTOCOL, "%.100s: its answer is not valid",
		    program);
out:
	for (e = 0; e < 2; e++) {
		if (in[e] != -1)
			close(in[e]);
		if (from[e] != -1)
			close(from[e]);
	}
	buf_free(&answer);
	return r;
}
