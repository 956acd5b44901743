#include <stdint.h>
#include <string.h>
#include <sysexits.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "core/hex.h"
#include "core/span.h"
#include "core/utf8.h"

/* Characters that the wide scan leaves to it: most strings are short. */
#define SCALAR_START	16

#define TWICE	": there twice, and readers may disagree on which one counts"

struct reader {
	const char	*text;
	const char	*end;
	struct fail	*f;
	size_t		 depth;
	char		 open[SPAN_DEPTH];	/* '{' or '[', outermost first */
	struct span_pick *pick;
	size_t		 picks;
	size_t		 levels;	/* of the longest path among them */
};

static const char *
cut(struct reader *r)
{
	fail_set(r->f, EX_DATAERR, "not JSON: ends early, at byte %zu",
	    (size_t)(r->end - r->text));
	return NULL;
}

/* Where and what; never the text itself, which may be a key to something. */
static const char *
bad(struct reader *r, const char *p, const char *what)
{
	if (p >= r->end)
		return cut(r);
	fail_set(r->f, EX_DATAERR, "not JSON at byte %zu: %s",
	    (size_t)(p - r->text), what);
	return NULL;
}

static inline const char *
blanks(const char *p, const char *end)
{
	while (p < end &&
	    (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
		p++;
	return p;
}

static inline bool
special(char c, bool checked)
{
	return c == '"' || c == '\\' || (!checked && (signed char)c < 0x20);
}

#ifdef __SSE2__
/* The same for 16 bytes at once. */
static inline __m128i
special16(const char *p, bool checked)
{
	__m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
	__m128i slash = _mm_cmpeq_epi8(x, _mm_set1_epi8('\\'));

	if (checked)
		return _mm_or_si128(slash,
		    _mm_cmpeq_epi8(x, _mm_set1_epi8('"')));
	/*
	 * A signed comparison finds control bytes and bytes past 0x7f at once.
	 * Flipping bit 1 moves the quote (0x22) to 0x20, just behind the
	 * control bytes, and none of them out: one comparison finds it too.
	 */
	x = _mm_xor_si128(x, _mm_set1_epi8(0x02));
	return _mm_or_si128(slash, _mm_cmplt_epi8(x, _mm_set1_epi8(0x21)));
}
#endif

/*
 * The first byte inside a string that is not a plain character; in text that
 * was checked only quotes and backslashes matter.
 */
static inline const char *
scan(const char *p, const char *end, bool checked)
{
	const char *near = end - p > SCALAR_START ? p + SCALAR_START : end;

	for (; p < near; p++)
		if (special(*p, checked))
			return p;
#ifdef __SSE2__
	for (; end - p >= 64; p += 64) {
		__m128i a = special16(p, checked);
		__m128i b = special16(p + 16, checked);
		__m128i c = special16(p + 32, checked);
		__m128i d = special16(p + 48, checked);

		if (_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(a, b),
		    _mm_or_si128(c, d))) != 0)
			break;
	}
	for (; end - p >= 16; p += 16) {
		int m = _mm_movemask_epi8(special16(p, checked));

		if (m != 0)
			return p + __builtin_ctz((unsigned)m);
	}
#endif
	while (p < end && !special(*p, checked))
		p++;
	return p;
}

/* Four hex digits at p, or -1. */
static int
hex4(const char *p, const char *end)
{
	int i, n, v = 0;

	if (end - p < 4)
		return -1;
	for (i = 0; i < 4; i++) {
		if ((n = hex_digit(p[i])) == -1)
			return -1;
		v = v << 4 | n;
	}
	return v;
}

/* Behind an escape that starts at p. */
static const char *
escape(struct reader *r, const char *p)
{
	const char *end = r->end;
	int u, v;

	if (end - p < 2)
		return cut(r);
	switch (p[1]) {
	case '"': case '\\': case '/': case 'b': case 'f': case 'n': case 'r':
	case 't':
		return p + 2;
	case 'u':
		break;
	default:
		return bad(r, p, "no such escape");
	}
	if ((u = hex4(p + 2, end)) == -1)
		return bad(r, p, "\\u needs four hexadecimal digits");
	if (u < 0xd800 || u > 0xdfff)
		return p + 6;
	/* RFC 8259 section 8.2: half a pair has no meaning. */
	if (u >= 0xdc00 || end - p < 12 || p[6] != '\\' || p[7] != 'u' ||
	    (v = hex4(p + 8, end)) < 0xdc00 || v > 0xdfff)
		return bad(r, p, "half a surrogate pair");
	return p + 12;
}

/* Behind the string whose opening quote is at p. */
static const char *
string(struct reader *r, const char *p)
{
	uint32_t rune;
	size_t n;

	for (p++;;) {
		p = scan(p, r->end, false);
		if (p == r->end)
			return cut(r);
		if (*p == '"')
			return p + 1;
		if (*p == '\\')
			p = escape(r, p);
		else if ((unsigned char)*p < 0x20)
			return bad(r, p, "a control character in a string");
		else if ((n = utf8_rune(p, (size_t)(r->end - p), &rune)) > 0)
			p += n;
		else
			return bad(r, p, "not UTF-8");
		if (p == NULL)
			return NULL;
	}
}

static inline const char *
digits(struct reader *r, const char *p)
{
	if (p == r->end || *p < '0' || *p > '9')
		return bad(r, p, "a number needs a digit here");
	while (p < r->end && *p >= '0' && *p <= '9')
		p++;
	return p;
}

static const char *
number(struct reader *r, const char *p)
{
	if (*p == '-')
		p++;
	if (p < r->end && *p == '0')
		p++;
	else if ((p = digits(r, p)) == NULL)
		return NULL;
	if (p < r->end && *p == '.' && (p = digits(r, p + 1)) == NULL)
		return NULL;
	if (p < r->end && (*p == 'e' || *p == 'E')) {
		p++;
		if (p < r->end && (*p == '+' || *p == '-'))
			p++;
		return digits(r, p);
	}
	return p;
}

static const char *
word(struct reader *r, const char *p, const char *w, size_t n)
{
	size_t i;

	for (i = 1; i < n; i++) {
		if (p + i == r->end)
			return cut(r);
		if (p[i] != w[i])
			return bad(r, p, "no such word");
	}
	return p + n;
}

/* A member of the innermost object is at hand: is it on a path? */
static void
named(struct reader *r, const struct span *name)
{
	size_t i, d = r->depth;

	for (i = 0; i < r->picks; i++) {
		struct span_pick *pick = &r->pick[i];

		if (pick->matched == d - 1 && pick->path[d - 1] != NULL &&
		    span_equals(name, pick->path[d - 1]))
			pick->matched = d;
	}
}

static void
started(struct reader *r, const char *p)
{
	size_t i, d = r->depth;

	for (i = 0; i < r->picks; i++) {
		struct span_pick *pick = &r->pick[i];

		if (pick->matched == d && pick->path[d] == NULL) {
			pick->value.at = p;
			pick->count++;
		}
	}
}

static void
ended(struct reader *r, const char *p)
{
	size_t i, d = r->depth;

	for (i = 0; i < r->picks; i++) {
		struct span_pick *pick = &r->pick[i];

		if (pick->matched != d)
			continue;
		if (pick->path[d] == NULL)
			pick->value.len = (size_t)(p - pick->value.at);
		pick->matched = d - 1;
	}
}

/* A member's name and its colon. */
static const char *
member(struct reader *r, const char *p)
{
	struct span name;

	p = blanks(p, r->end);
	if (p == r->end || *p != '"')
		return bad(r, p, "expected a member's name");
	name.at = p;
	if ((p = string(r, p)) == NULL)
		return NULL;
	name.len = (size_t)(p - name.at);
	if (r->depth <= r->levels)
		named(r, &name);
	p = blanks(p, r->end);
	if (p == r->end || *p != ':')
		return bad(r, p, "expected a colon");
	return p + 1;
}

/* Behind the value that starts at or after p; not recursive. */
static const char *
value(struct reader *r, const char *p)
{
	const char *end = r->end;
	char top;

	for (;;) {
		/* A value starts here. */
		p = blanks(p, end);
		if (p == end)
			return cut(r);
		if (r->depth <= r->levels && r->depth > 0)
			started(r, p);
		switch (*p) {
		case '{':
		case '[':
			if (r->depth == SPAN_DEPTH)
				return bad(r, p, "nested too deep");
			top = r->open[r->depth++] = *p;
			p = blanks(p + 1, end);
			if (p < end && *p == (top == '{' ? '}' : ']')) {
				r->depth--;
				p++;
				break;
			}
			if (top == '{' && (p = member(r, p)) == NULL)
				return NULL;
			continue;
		case '"':
			p = string(r, p);
			break;
		case 't':
			p = word(r, p, "true", 4);
			break;
		case 'f':
			p = word(r, p, "false", 5);
			break;
		case 'n':
			p = word(r, p, "null", 4);
			break;
		case '-': case '0': case '1': case '2': case '3': case '4':
		case '5': case '6': case '7': case '8': case '9':
			p = number(r, p);
			break;
		default:
			return bad(r, p, "expected a value");
		}
		if (p == NULL)
			return NULL;

		/* A value ended here, and maybe what it is in. */
		for (;;) {
			if (r->depth == 0)
				return p;
			if (r->depth <= r->levels)
				ended(r, p);
			top = r->open[r->depth - 1];
			p = blanks(p, end);
			if (p == end)
				return cut(r);
			if (*p == ',')
				break;
			if (*p != (top == '{' ? '}' : ']'))
				return bad(r, p, top == '{' ?
				    "expected a comma or }" :
				    "expected a comma or ]");
			r->depth--;
			p++;
		}
		p++;
		if (top == '{' && (p = member(r, p)) == NULL)
			return NULL;
	}
}

int
span_pick(struct span *s, const char *text, size_t len,
    struct span_pick *pick, size_t picks, struct fail *f)
{
	struct reader r = { .text = text, .f = f };
	const char *p, *start;
	size_t i;

	if (len == 0)
		return fail_set(f, EX_DATAERR, "empty, expected JSON");
	r.end = text + len;
	r.pick = pick;
	r.picks = picks;
	for (i = 0; i < picks; i++) {
		size_t n = 0;

		while (pick[i].path[n] != NULL)
			n++;
		if (n > r.levels)
			r.levels = n;
		pick[i].value.at = NULL;
		pick[i].value.len = 0;
		pick[i].count = pick[i].matched = 0;
	}
	start = blanks(text, r.end);
	if ((p = value(&r, start)) == NULL)
		return -1;
	s->at = start;
	s->len = (size_t)(p - start);
	p = blanks(p, r.end);
	if (p != r.end) {
		bad(&r, p, "text after the value");
		return -1;
	}
	return 0;
}

int
span_parse(struct span *s, const char *text, size_t len, struct fail *f)
{
	return span_pick(s, text, len, NULL, 0, f);
}

int
span_picked(const struct span_pick *pick, struct fail *f)
{
	if (pick->count <= 1)
		return pick->count == 1;
	return fail_set(f, EX_DATAERR, "%s%s%s" TWICE, pick->path[0],
	    pick->path[1] != NULL ? "." : "",
	    pick->path[1] != NULL ? pick->path[1] : "");
}

/*
 * From here on the text is known to be good, so ends are only looked for where
 * a wide load could pass them.
 */

static const char *
skip_string(const char *p, const char *end)
{
	for (p++; (p = scan(p, end, true)) < end && *p != '"';)
		p += 2;
	return p + 1;
}

static const char *
skip(const char *p, const char *end)
{
	size_t depth = 0;

	do {
		switch (*p) {
		case '"':
			p = skip_string(p, end);
			break;
		case '{':
		case '[':
			depth++;
			p++;
			break;
		case '}':
		case ']':
			depth--;
			p++;
			break;
		case ' ': case '\n': case '\r': case '\t': case ',': case ':':
			p++;
			break;
		default:
			/* A number or a word: up to what cannot be in one. */
			while (p < end && *p != ',' && *p != ']' &&
			    *p != '}' && *p != ' ' && *p != '\n' &&
			    *p != '\r' && *p != '\t')
				p++;
		}
	} while (depth > 0 && p < end);
	return p;
}

int
span_next(const struct span *c, const char **pos, struct span *name,
    struct span *v)
{
	const char *end = c->at + c->len, *p = *pos;

	if (!span_is_object(c) && !span_is_array(c))
		return 0;
	p = blanks(p == NULL ? c->at + 1 : p, end);
	if (*p == ',')
		p = blanks(p + 1, end);
	if (*p == '}' || *p == ']')
		return 0;
	if (name != NULL)
		name->len = 0;
	if (span_is_object(c)) {
		const char *n = p;

		p = skip_string(p, end);
		if (name != NULL) {
			name->at = n;
			name->len = (size_t)(p - n);
		}
		p = blanks(p, end);
		p = blanks(p + 1, end);
	}
	v->at = p;
	*pos = skip(p, end);
	v->len = (size_t)(*pos - p);
	return 1;
}

/* One character, escapes undone, as 1 to 4 bytes; how many bytes it took. */
static size_t
character(const char *p, char out[4], size_t *n)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	unsigned u;
	size_t took = 6;

	*n = 1;
	if (*p != '\\') {
		out[0] = *p;
		return 1;
	}
	if (p[1] != 'u') {
		out[0] = to[strchr(from, p[1]) - from];
		return 2;
	}
	u = (unsigned)hex4(p + 2, p + 6);
	if (u >= 0xd800 && u <= 0xdbff) {
		u = 0x10000 + ((u - 0xd800) << 10) +
		    ((unsigned)hex4(p + 8, p + 12) - 0xdc00);
		took = 12;
	}
	*n = utf8_put(out, u);
	return took;
}

int
span_string(const struct span *s, struct buf *b, struct fail *f)
{
	const char *p, *end;
	size_t n;

	if (!span_is_string(s))
		return fail_set(f, EX_DATAERR, "not a string");
	/* No escape is shorter than what it stands for. */
	if (buf_room(b, s->len - 2, f) == -1)
		return -1;
	for (p = s->at + 1, end = s->at + s->len - 1; p < end;) {
		const char *stop = scan(p, end, true);

		memcpy(b->data + b->len, p, (size_t)(stop - p));
		b->len += (size_t)(stop - p);
		p = stop;
		if (p < end) {
			char c[4];

			p += character(p, c, &n);
			memcpy(b->data + b->len, c, n);
			b->len += n;
		}
	}
	b->data[b->len] = '\0';
	return 0;
}

bool
span_equals(const struct span *s, const char *text)
{
	size_t len = strlen(text), n;
	const char *p, *end;
	char c[4];

	if (!span_is_string(s) || s->len - 2 < len)
		return false;
	if (s->len - 2 == len)
		/* The same length: equal bytes, or an escape makes it less. */
		return memcmp(s->at + 1, text, len) == 0 &&
		    memchr(text, '\\', len) == NULL;
	for (p = s->at + 1, end = s->at + s->len - 1; p < end;) {
		p += character(p, c, &n);
		if (len < n || memcmp(text, c, n) != 0)
			return false;
		text += n;
		len -= n;
	}
	return len == 0;
}

int
span_get(const struct span *obj, const char *name, struct span *v,
    struct fail *f)
{
	struct span n, member_value;
	const char *pos = NULL;
	int found = 0;

	if (!span_is_object(obj))
		return 0;
	while (span_next(obj, &pos, &n, &member_value)) {
		if (!span_equals(&n, name))
			continue;
		if (found++)
			return fail_set(f, EX_DATAERR, "%s" TWICE, name);
		*v = member_value;
	}
	return found;
}

size_t
span_depth(const struct span *s)
{
	const char *p = s->at, *end = p + s->len;
	size_t depth = 0, deepest = 0;

	while (p < end)
		switch (*p) {
		case '"':
			p = skip_string(p, end);
			break;
		case '{':
		case '[':
			if (++depth > deepest)
				deepest = depth;
			p++;
			break;
		case '}':
		case ']':
			depth--;
			p++;
			break;
		default:
			p++;
		}
	return deepest;
}
