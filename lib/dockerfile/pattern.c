#include <string.h>
#include <sysexits.h>

#include "dockerfile/pattern.h"

/* A reference has 255 bytes at most; the search is of the third power. */
#define PATTERN_MAX	512

struct pattern {
	size_t		 n;
	struct token {
		enum { ANY, ONE, BYTE } kind;
		char	 byte;
	} token[PATTERN_MAX];
};

static int
pattern_read(struct pattern *p, const char *s, size_t len, const char *value,
    struct fail *f)
{
	const char *end = s + len;

	p->n = 0;
	if (len > PATTERN_MAX || strlen(value) > PATTERN_MAX)
		return fail_set(f, EX_DATAERR, "${...}: pattern or value are "
		    "longer than %d bytes", PATTERN_MAX);
	for (; s < end; s++) {
		struct token *t = &p->token[p->n];

		t->kind = *s == '*' ? ANY : *s == '?' ? ONE : BYTE;
		if (*s == '\\') {
			if (s + 1 < end && (s[1] == '}' || s[1] == '/'))
				continue;
			if (++s == end || strchr("*?\\", *s) == NULL)
				return fail_set(f, EX_DATAERR, "${...}: a "
				    "backslash in a pattern stands before "
				    "* ? \\ / or }");
		}
		t->byte = *s;
		p->n++;
	}
	return 0;
}

static bool
begins(char c)
{
	return ((unsigned char)c & 0xc0) != 0x80;
}

/*
 * Where a match of the whole pattern at the start of s may end: reach[i] says
 * that of the first i bytes.
 */
static void
reaches(const struct pattern *p, const char *s, size_t len, bool *reach)
{
	size_t i, k, next;

	memset(reach, 0, len + 1);
	reach[0] = true;
	for (k = 0; k < p->n; k++) {
		const struct token *t = &p->token[k];

		if (t->kind == ANY) {
			for (i = 0; i < len; i++)
				if (reach[i])
					reach[i + 1] = true;
			continue;
		}
		/* From behind, as each comes from one before it. */
		for (i = len + 1; i-- > 0;) {
			bool here = reach[i];

			reach[i] = false;
			if (!here || i == len ||
			    (t->kind == BYTE && s[i] != t->byte))
				continue;
			for (next = i + 1; t->kind == ONE && next < len &&
			    !begins(s[next]); next++)
				;
			reach[next] = true;
		}
	}
}

/* The least or the most bytes at the start of s that match, or -1. */
static ssize_t
match(const struct pattern *p, const char *s, bool most)
{
	bool reach[PATTERN_MAX + 1];
	size_t len = strlen(s), i;
	ssize_t found = -1;

	reaches(p, s, len, reach);
	for (i = 0; i <= len; i++)
		if (reach[i] && begins(s[i])) {
			found = (ssize_t)i;
			if (!most)
				break;
		}
	return found;
}

int
pattern_trim(const struct buf *pattern, const char *value, char kind,
    struct buf *out, struct fail *f)
{
	bool most = pattern->len > 0 && pattern->data[0] == kind;
	bool reach[PATTERN_MAX + 1];
	size_t len = strlen(value), i, cut = len;
	struct pattern p;
	ssize_t n;

	if (pattern_read(&p, pattern->data + most, pattern->len - most, value,
	    f) == -1)
		return -1;
	if (kind == '#') {
		n = match(&p, value, most);
		return buf_adds(out, value + (n == -1 ? 0 : n), f);
	}
	for (i = len + 1; i-- > 0;) {
		if (!begins(value[i]))
			continue;
		reaches(&p, value + i, len - i, reach);
		if (reach[len - i]) {
			cut = i;
			if (!most)
				break;
		}
	}
	return buf_add(out, value, cut, f);
}

int
pattern_replace(const struct buf *pattern, const char *value,
    const struct buf *with, bool all, struct buf *out, struct fail *f)
{
	bool done = false, matched = false;
	struct pattern p;
	const char *s;
	ssize_t n;

	if (pattern_read(&p, pattern->data, pattern->len, value, f) == -1)
		return -1;
	for (s = value;;) {
		n = done || !begins(*s) ? -1 : match(&p, s, true);
		/* One of nothing just behind another is none. */
		if (n == 0 && matched)
			n = -1;
		matched = n > 0;
		if (n != -1) {
			if (buf_add(out, with->data, with->len, f) == -1)
				return -1;
			done = !all;
			s += n;
		}
		if (n > 0)
			continue;
		if (*s == '\0')
			return 0;
		if (buf_add(out, s++, 1, f) == -1)
			return -1;
	}
}
