#include <string.h>

#include "client/sandbox/process_body.h"

/* "NAME=VALUE" each. */
static int
environment(struct jout *j, const char *const *s, struct fail *f)
{
	struct buf name = BUF_INIT(BUF_SMALL_MAX);
	const char *eq;
	int r = 0;

	jout_key(j, "env");
	jout_object(j);
	for (; r == 0 && *s != NULL; s++) {
		if ((eq = strchr(*s, '=')) == NULL)
			continue;
		buf_clear(&name);
		r = buf_add(&name, *s, (size_t)(eq - *s), f);
		if (r == 0) {
			jout_key(j, name.data);
			jout_string(j, eq + 1);
		}
	}
	jout_close(j);
	buf_free(&name);
	return r;
}

int
process_body(struct jout *j, const struct process *p, struct fail *f)
{
	const char *const *s;

	jout_key(j, "command");
	jout_string(j, p->command);
	jout_key(j, "args");
	jout_array(j);
	for (s = p->args; s != NULL && *s != NULL; s++)
		jout_string(j, *s);
	jout_close(j);
	if (p->env != NULL && p->env[0] != NULL &&
	    environment(j, p->env, f) == -1)
		return -1;
	jout_member(j, "working_dir", p->cwd);
	jout_member(j, "user", p->user);
	return 0;
}
