#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "client/fetch/program.h"
#include "core/opt.h"
#include "core/stop.h"

extern char **environ;

pid_t
program_begin(const char *const argv[], int in, int out, struct fail *f)
{
	char *path = opt_beside(argv[0]);
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t how;
	sigset_t pipe;
	pid_t pid;
	int e;

	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	posix_spawnattr_init(&how);
	posix_spawn_file_actions_init(&fa);
	if ((e = posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGDEF)) == 0 &&
	    (e = posix_spawnattr_setsigdefault(&how, &pipe)) == 0 &&
	    (e = posix_spawn_file_actions_adddup2(&fa, in, STDIN_FILENO)) ==
	    0 && (e = posix_spawn_file_actions_adddup2(&fa, out,
	    STDOUT_FILENO)) == 0)
		/* It wants them writable, and does not write them. */
		e = posix_spawn(&pid, path, &fa, &how, (char *const *)argv,
		    environ);
	posix_spawn_file_actions_destroy(&fa);
	posix_spawnattr_destroy(&how);
	if (e != 0) {
		errno = e;
		pid = fail_sys(f, EX_UNAVAILABLE, "%s", path);
	}
	free(path);
	return pid;
}

int
program_end(const char *name, pid_t pid, struct fail *f)
{
	bool told = false;
	int status;

	while (waitpid(pid, &status, 0) == -1) {
		if (errno != EINTR)
			return fail_sys(f, EX_OSERR, "waitpid");
		if (stop_signal != 0 && !told) {
			kill(pid, SIGTERM);
			told = true;
		}
	}
	if (stop_signal != 0)
		return fail_set(f, EX_TEMPFAIL, "%s", stop_reason());
	if (!WIFSIGNALED(status))
		return WEXITSTATUS(status);
	if (WTERMSIG(status) == SIGPIPE)
		return 128 + SIGPIPE;
	return fail_set(f, EX_SOFTWARE, "%s: killed", name);
}
