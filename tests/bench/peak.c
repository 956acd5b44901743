/* peak COMMAND...: run it and say its peak memory in kB, alone, on stderr. */
#include <sys/resource.h>
#include <sys/wait.h>

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * A process starts with the memory of the one that forked it, and that counts
 * in its peak; this one is small where a shell or Python is not.
 */
int
main(int argc, char *argv[])
{
	struct rusage used;
	int status;
	pid_t pid;

	if (argc < 2)
		errx(64, "usage: peak command ...");
	if ((pid = fork()) == -1)
		err(71, "fork");
	if (pid == 0) {
		execvp(argv[1], argv + 1);
		err(127, "%s", argv[1]);
	}
	if (wait4(pid, &status, 0, &used) == -1)
		err(71, "wait4");
	fprintf(stderr, "%ld\n", used.ru_maxrss);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
