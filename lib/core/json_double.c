#include <setjmp.h>
#include <stdatomic.h>
#include <sysexits.h>

#include <jv.h>

#include "core/json.h"

/*
 * Out of memory, libjq ends the program unless it is jumped out of.  It takes
 * a handler from one thread only, the first to come here.
 */
static _Thread_local jmp_buf *escape;

static void
no_memory(void *arg)
{
	(void)arg;
	if (escape != NULL)
		longjmp(*escape, 1);
}

/* 1 and the number, 0 if it is none, -1 out of memory. */
static int
number(const struct span *value, double *out)
{
	static atomic_flag taken = ATOMIC_FLAG_INIT;
	jmp_buf here;
	jv v;
	int r;

	if (setjmp(here) != 0) {
		escape = NULL;
		return -1;
	}
	escape = &here;
	if (!atomic_flag_test_and_set(&taken))
		jv_nomem_handler(no_memory, NULL);
	v = jv_parse_sized(value->at, (int)value->len);
	escape = NULL;
	if ((r = jv_get_kind(v) == JV_KIND_NUMBER))
		*out = jv_number_value(v);
	jv_free(v);
	return r;
}

/*
 * Digits and maybe a point: up to 15 of them are a whole number that a double
 * holds, over a power of ten that it holds too, so one division rounds it
 * right.  libjq is for all other spellings: 1.7 of it ends the program where
 * it has no memory for its first number, and 1.6 and 1.7 differ on long ones.
 */
static bool
plain(const struct span *value, double *out)
{
	bool minus = value->at[0] == '-', point = false;
	double n = 0, scale = 1;
	size_t i, digits = 0;

	for (i = minus; i < value->len; i++) {
		if (value->at[i] == '.') {
			point = true;
			continue;
		}
		if (value->at[i] < '0' || value->at[i] > '9' || ++digits > 15)
			return false;
		n = n * 10 + (value->at[i] - '0');
		scale *= point ? 10 : 1;
	}
	*out = (minus ? -n : n) / scale;
	return true;
}

int
json_double(const struct span *obj, const char *name, enum json_want want,
    double *out, struct fail *f)
{
	struct span value;
	char first;
	int r;

	if ((r = json_member(obj, name, want, &value, f)) != 1)
		return r;
	/* jv_parse takes "nan"; the span has passed a stricter reader. */
	first = span_first(&value);
	if (first != '-' && (first < '0' || first > '9'))
		return fail_set(f, EX_DATAERR, "%s: not a number", name);
	if (plain(&value, out))
		return 1;
	if ((r = number(&value, out)) == -1)
		return fail_set(f, EX_OSERR, "%s: out of memory", name);
	if (r == 0)
		return fail_set(f, EX_DATAERR, "%s: not a number", name);
	return 1;
}
