#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "client/terminal/line.h"
#include "client/terminal/shell.h"
#include "client/terminal/terminal.h"
#include "client/terminal/tty.h"

/* What a terminal here is, as programs there want to know. */
static const char *const passed[] = { "TERM", "COLORTERM" };

#define PASSED	(sizeof(passed) / sizeof(passed[0]))

static bool
has(const char *const *env, const char *name)
{
	size_t n = strlen(name);

	for (; env != NULL && *env != NULL; env++)
		if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
			return true;
	return false;
}

/* The environment with what is passed on; made[] is to be freed, too. */
static const char **
environment(const char *const *env, char *made[PASSED])
{
	size_t n = 0, i;
	const char **all, *value;

	while (env != NULL && env[n] != NULL)
		n++;
	if ((all = calloc(n + PASSED + 1, sizeof(*all))) == NULL)
		return NULL;
	for (i = 0; i < n; i++)
		all[i] = env[i];
	for (i = 0; i < PASSED; i++) {
		value = getenv(passed[i]);
		if (value == NULL || *value == '\0' || has(env, passed[i]))
			continue;
		if (asprintf(&made[i], "%s=%s", passed[i], value) == -1) {
			made[i] = NULL;
			free(all);
			return NULL;
		}
		all[n++] = made[i];
	}
	return all;
}

static int
attend(struct reach *reach, const struct process *p, int *status,
    struct fail *f)
{
	struct terminal t = TERMINAL_INIT;
	struct http_stream *stream = NULL;
	struct fail second;
	int r = -1;

	if (terminal_open(reach, p, tty_size(), &t, f) == 0) {
		if (terminal_connect(reach, &t, &stream, f) == 0)
			r = line_run(reach, stream, status, f);
		/* Nobody is at it any more. */
		if (r == -1 && terminal_end(reach, &t, &second) == -1 &&
		    reach->told == REACH_GONE)
			*f = second;
	}
	http_stream_close(stream);
	terminal_free(&t);
	return r;
}

int
shell_run(struct reach *reach, const struct process *p, int *status,
    struct fail *f)
{
	static const char *const login[] = { "-c",
	    "[ ! -x /bin/bash ] || exec /bin/bash -l; exec /bin/sh -l", NULL };
	char *made[PASSED] = { NULL };
	struct process all = *p;
	const char **env;
	int r = -1;
	size_t i;

	if (all.command == NULL) {
		all.command = "/bin/sh";
		all.args = login;
	}
	if ((env = environment(p->env, made)) == NULL)
		fail_set(f, EX_OSERR, "out of memory");
	else {
		all.env = env;
		r = attend(reach, &all, status, f);
	}
	/* A signal's, and which one the server does not say. */
	if (r == 0 && *status < 0)
		*status = 128;
	for (i = 0; i < PASSED; i++)
		free(made[i]);
	free(env);
	return r;
}
