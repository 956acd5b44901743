#include <string.h>
#include <sysexits.h>

#include "core/json.h"

int
json_member(const struct span *obj, const char *name, enum json_want want,
    struct span *value, struct fail *f)
{
	int r = span_get(obj, name, value, f);

	if (r == -1)
		return -1;
	if (r == 1 && !span_is_null(value))
		return 1;
	if (want == JSON_MAY)
		return 0;
	return fail_set(f, EX_DATAERR, "%s: %s", name,
	    r == 0 ? "missing" : "null");
}

int
json_string(const struct span *obj, const char *name, enum json_want want,
    char **out, struct fail *f)
{
	struct buf text = BUF_INIT(BUF_DOC_MAX);
	struct span value;
	int r;

	if ((r = json_member(obj, name, want, &value, f)) != 1)
		return r;
	if (!span_is_string(&value))
		return fail_set(f, EX_DATAERR, "%s: not a string", name);
	if (span_string(&value, &text, f) == -1 ||
	    buf_add(&text, "", 0, f) == -1) {
		buf_free(&text);
		return fail_in(f, name);
	}
	if (memchr(text.data, '\0', text.len) != NULL) {
		buf_free(&text);
		return fail_set(f, EX_DATAERR, "%s: holds a NUL", name);
	}
	*out = text.data;
	return 1;
}

int
json_digits(const struct span *s, uint64_t *out)
{
	uint64_t n = 0;
	size_t i;

	if (s->len == 0 || s->len > 20)
		return -1;
	for (i = 0; i < s->len; i++) {
		unsigned d = (unsigned char)s->at[i] - (unsigned)'0';

		if (d > 9 || n > (UINT64_MAX - d) / 10)
			return -1;
		n = n * 10 + d;
	}
	*out = n;
	return 0;
}

int
json_u64(const struct span *obj, const char *name, enum json_want want,
    uint64_t *out, struct fail *f)
{
	struct span value;
	int r;

	if ((r = json_member(obj, name, want, &value, f)) != 1)
		return r;
	if (json_digits(&value, out) == -1)
		return fail_set(f, EX_DATAERR,
		    "%s: not a whole number from 0 to 2^64-1", name);
	return 1;
}

int
json_i64(const struct span *obj, const char *name, enum json_want want,
    int64_t *out, struct fail *f)
{
	struct span value, digits;
	uint64_t n;
	int r, minus;

	if ((r = json_member(obj, name, want, &value, f)) != 1)
		return r;
	minus = span_first(&value) == '-';
	digits.at = value.at + minus;
	digits.len = value.len - (size_t)minus;
	if (json_digits(&digits, &n) == -1 ||
	    n > (uint64_t)INT64_MAX + (uint64_t)minus)
		return fail_set(f, EX_DATAERR,
		    "%s: not a whole number of 64 bits", name);
	*out = minus ? (n == 0 ? 0 : -(int64_t)(n - 1) - 1) : (int64_t)n;
	return 1;
}

int
json_bool(const struct span *obj, const char *name, enum json_want want,
    bool *out, struct fail *f)
{
	struct span value;
	int r;

	if ((r = json_member(obj, name, want, &value, f)) != 1)
		return r;
	if (span_first(&value) != 't' && span_first(&value) != 'f')
		return fail_set(f, EX_DATAERR, "%s: not true or false", name);
	*out = span_first(&value) == 't';
	return 1;
}

int
json_sub(const struct span *obj, const char *name, enum json_want want,
    char kind, struct span *out, struct fail *f)
{
	struct span value;
	int r;

	if ((r = json_member(obj, name, want, &value, f)) != 1)
		return r;
	if (span_first(&value) != kind)
		return fail_set(f, EX_DATAERR, "%s: not %s", name,
		    kind == '{' ? "an object" : "an array");
	*out = value;
	return 1;
}
