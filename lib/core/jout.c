#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "core/json.h"

/* The writing half of json.h: programs that only write need no libjq. */

static void
put(struct jout *j, const char *p, size_t n)
{
	if (!j->failed && buf_add(j->b, p, n, &j->f) == -1)
		j->failed = true;
}

/* Before a value or a key: the comma that the one before it left due. */
static void
lead(struct jout *j)
{
	if (j->comma)
		put(j, ",", 1);
	j->comma = false;
}

static void
quote(struct jout *j, const char *s, size_t n)
{
	size_t i, from = 0;
	char esc[8];

	put(j, "\"", 1);
	for (i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		put(j, s + from, i - from);
		from = i + 1;
		if (c == '"' || c == '\\')
			snprintf(esc, sizeof(esc), "\\%c", c);
		else if (c == '\n')
			snprintf(esc, sizeof(esc), "\\n");
		else if (c == '\t')
			snprintf(esc, sizeof(esc), "\\t");
		else if (c == '\r')
			snprintf(esc, sizeof(esc), "\\r");
		else
			snprintf(esc, sizeof(esc), "\\u%04x", c);
		put(j, esc, strlen(esc));
	}
	put(j, s + from, n - from);
	put(j, "\"", 1);
}

static void
opening(struct jout *j, char open, char close)
{
	lead(j);
	if (j->depth == JOUT_DEPTH) {
		if (!j->failed)
			fail_set(&j->f, EX_SOFTWARE, "JSON nested too deep");
		j->failed = true;
		return;
	}
	put(j, &open, 1);
	j->close[j->depth++] = close;
}

void
jout_object(struct jout *j)
{
	opening(j, '{', '}');
}

void
jout_array(struct jout *j)
{
	opening(j, '[', ']');
}

void
jout_close(struct jout *j)
{
	if (j->depth == 0) {
		if (!j->failed)
			fail_set(&j->f, EX_SOFTWARE, "JSON closed too often");
		j->failed = true;
		return;
	}
	put(j, &j->close[--j->depth], 1);
	j->comma = true;
}

void
jout_key(struct jout *j, const char *name)
{
	lead(j);
	quote(j, name, strlen(name));
	put(j, ":", 1);
}

void
jout_stringn(struct jout *j, const char *s, size_t n)
{
	lead(j);
	quote(j, s, n);
	j->comma = true;
}

void
jout_string(struct jout *j, const char *s)
{
	jout_stringn(j, s, strlen(s));
}

static void
plain(struct jout *j, const char *s, size_t n)
{
	lead(j);
	put(j, s, n);
	j->comma = true;
}

void
jout_u64(struct jout *j, uint64_t n)
{
	char s[24];
	int len = snprintf(s, sizeof(s), "%ju", (uintmax_t)n);

	plain(j, s, (size_t)len);
}

void
jout_i64(struct jout *j, int64_t n)
{
	char s[24];
	int len = snprintf(s, sizeof(s), "%jd", (intmax_t)n);

	plain(j, s, (size_t)len);
}

void
jout_double(struct jout *j, double d)
{
	char s[40];
	int digits;

	if (!isfinite(d)) {
		if (!j->failed)
			fail_set(&j->f, EX_SOFTWARE, "not a JSON number");
		j->failed = true;
		return;
	}
	for (digits = 1; digits <= 17; digits++) {
		snprintf(s, sizeof(s), "%.*g", digits, d);
		if (strtod(s, NULL) == d)
			break;
	}
	if (strpbrk(s, ".e") == NULL)
		strcat(s, ".0");
	plain(j, s, strlen(s));
}

void
jout_bool(struct jout *j, bool b)
{
	plain(j, b ? "true" : "false", b ? 4 : 5);
}

void
jout_null(struct jout *j)
{
	plain(j, "null", 4);
}

void
jout_span(struct jout *j, const struct span *s)
{
	plain(j, s->at, s->len);
}

void
jout_member(struct jout *j, const char *key, const char *string)
{
	if (string == NULL)
		return;
	jout_key(j, key);
	jout_string(j, string);
}

int
jout_end(struct jout *j, struct fail *f)
{
	if (!j->failed && j->depth != 0)
		return fail_set(f, EX_SOFTWARE, "JSON left open");
	if (!j->failed)
		return 0;
	*f = j->f;
	return -1;
}
