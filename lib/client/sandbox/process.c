#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "client/sandbox/process.h"
#include "core/json.h"

/* A member that may be absent or null, and is a number otherwise. */
static int
number(const struct span *obj, const char *name, bool *has, int64_t *out,
    struct fail *f)
{
	int r = json_i64(obj, name, JSON_MAY, out, f);

	if (r != -1)
		*has = r == 1;
	return r == -1 ? -1 : 0;
}

static int
flag(const struct span *obj, const char *name, bool *out, struct fail *f)
{
	return json_bool(obj, name, JSON_MAY, out, f) == -1 ? -1 : 0;
}

static int
ended(const struct span *s, struct process_end *end, bool *vague,
    struct fail *f)
{
	struct span managed, last;
	bool has_code, has_signal, oom = false, last_oom = false;
	int64_t code = 0, sig = 0;
	char *status = NULL;
	int r = -1;

	if (json_i64(s, "pid", JSON_NEED, &end->pid, f) == -1 ||
	    json_string(s, "status", JSON_NEED, &status, f) == -1 ||
	    number(s, "exit_code", &has_code, &code, f) == -1 ||
	    number(s, "signal", &has_signal, &sig, f) == -1 ||
	    flag(s, "oom_killed", &oom, f) == -1)
		goto out;
	r = json_sub(s, "managed", JSON_MAY, '{', &managed, f);
	if (r == 1)
		r = json_sub(&managed, "last_exit", JSON_MAY, '{', &last, f);
	if (r == 1)
		r = flag(&last, "oom_killed", &last_oom, f);
	if (r == -1)
		goto out;
	/*
	 * The order of tl-wire(7), "End of a process"; a code is a code,
	 * whatever the status.
	 */
	r = 1;
	end->oom = oom || last_oom || strcmp(status, "oom_killed") == 0;
	if (end->oom)
		end->code = has_signal ? -sig : has_code ? code : -9;
	else if (has_code)
		end->code = code;
	else if (has_signal)
		end->code = -sig;
	else if (strcmp(status, "running") != 0) {
		end->code = 0;
		*vague = true;
	} else
		r = 0;
out:
	free(status);
	return r;
}

int
process_ended(const struct span *s, struct process_end *end, bool *vague,
    struct fail *f)
{
	int r;

	*vague = false;
	*end = (struct process_end){ 0, 0, false };
	if (!span_is_object(s))
		return fail_set(f, EX_PROTOCOL, "process: not an object");
	if ((r = ended(s, end, vague, f)) == -1) {
		fail_in(f, "process");
		f->status = EX_PROTOCOL;
	}
	return r;
}

int
process_status(const struct process_end *end)
{
	if (end->code < 0)
		return end->code < -127 ? 255 : (int)(128 - end->code);
	/* OOM and yet 0: what ran has not done what it was to do. */
	if (end->code == 0)
		return end->oom ? 128 + SIGKILL : 0;
	return end->code > 255 ? 255 : (int)end->code;
}

/*
 * Finding it again.
 */

static bool
same_command(const struct span *s, const struct process *p)
{
	struct span value, arg;
	const char *pos = NULL;
	struct fail f;
	size_t i = 0;

	if (span_get(s, "command", &value, &f) != 1 ||
	    !span_is_string(&value) || !span_equals(&value, p->command))
		return false;
	if (span_get(s, "args", &value, &f) != 1 || !span_is_array(&value))
		return p->args == NULL || p->args[0] == NULL;
	while (span_next(&value, &pos, NULL, &arg) == 1) {
		if (p->args == NULL || p->args[i] == NULL ||
		    !span_is_string(&arg) || !span_equals(&arg, p->args[i]))
			return false;
		i++;
	}
	return p->args == NULL || p->args[i] == NULL;
}

bool
process_listed(const struct span *all, int64_t pid)
{
	const char *pos = NULL;
	struct span one;
	struct fail f;
	int64_t n;

	while (span_next(all, &pos, NULL, &one) == 1)
		if (json_i64(&one, "pid", JSON_MAY, &n, &f) == 1 && n == pid)
			return true;
	return false;
}

int
process_find(const struct span *list, const struct span *before,
    const struct process *p, int64_t *pid, struct fail *f)
{
	struct span all, old = { NULL, 0 }, one;
	const char *pos = NULL;
	bool found = false;
	int64_t n;

	if (json_sub(list, "processes", JSON_NEED, '[', &all, f) == -1 ||
	    (before != NULL && json_sub(before, "processes", JSON_NEED, '[',
	    &old, f) == -1)) {
		fail_in(f, "process list");
		f->status = EX_PROTOCOL;
		return -1;
	}
	while (span_next(&all, &pos, NULL, &one) == 1) {
		if (!same_command(&one, p) ||
		    json_i64(&one, "pid", JSON_MAY, &n, f) != 1 ||
		    (before != NULL && process_listed(&old, n)))
			continue;
		if (found)
			return fail_set(f, EX_TEMPFAIL,
			    "more than one process could be ours");
		*pid = n;
		found = true;
	}
	return found;
}
