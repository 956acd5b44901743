#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "core/buf.h"
#include "core/utf8.h"
#include "dockerfile/ignore.h"

/*
 * A pattern is a row of tokens, and matching is the row's automaton run over
 * the characters of a path: a bit per token that could come next, so nothing
 * backtracks, whatever the pattern.  After "folder/" a pattern without a bit
 * left can match nothing below that folder, which is how a walk knows what to
 * leave unwalked.
 */
enum token_kind {
	TOKEN_RUNE,	/* this character */
	TOKEN_ANY,	/* ? */
	TOKEN_CLASS,	/* [...] */
	TOKEN_STAR,	/* * */
	TOKEN_ALL,	/* ** that takes the rest, slashes and all */
	TOKEN_FOLDERS,	/* ** with more behind it: no folder, or ... */
	TOKEN_INSIDE	/* ... some, up to and with a slash */
};

struct range {
	uint32_t lo, hi;
};

struct token {
	enum token_kind	 kind;
	uint32_t	 rune;
	bool		 negated;	/* of a class */
	size_t		 range, ranges;	/* where its ranges stand, how many */
};

struct pattern {
	size_t	token, tokens;	/* where they stand, how many */
	size_t	word, words;	/* where its bits stand in a position */
	size_t	line;
	bool	exception;
};

struct ignore {
	struct pattern	*pattern;
	size_t		 patterns;
	struct token	*token;
	size_t		 tokens;
	struct range	*range;
	size_t		 ranges;
	size_t		 words;
};

/*
 * Docker's client asks twice: on its walk, where a pattern that would change
 * nothing for a folder is not asked, and so says nothing of what is below it;
 * and when it opens a file, where each pattern may match a folder above.  What
 * either keeps out is not sent.
 */
struct ignore_pos {
	size_t	 deciding;	/* one before it cannot bring back */
	bool	*matched;	/* by pattern: the path or a folder above it */
	bool	*told;		/* the same, as on the walk */
	uint64_t bits[];
};

#define WORD_BITS	64

/* A byte that is no UTF-8 is a character of its own that only it matches. */
#define RUNE_BYTE(c)	(0x110000U + (unsigned char)(c))

static size_t
rune_at(const char *s, size_t n, uint32_t *r)
{
	size_t len = utf8_rune(s, n, r);

	if (len > 0)
		return len;
	*r = RUNE_BYTE(*s);
	return 1;
}

static int
grow(void **array, size_t n, size_t size, struct fail *f)
{
	void *p;

	/* Room doubles whenever the count reaches a power of two. */
	if ((n & (n - 1)) != 0)
		return 0;
	if ((p = reallocarray(*array, n == 0 ? 1 : 2 * n, size)) == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	*array = p;
	return 0;
}

static int
add_token(struct ignore *ig, enum token_kind kind, uint32_t rune,
    struct fail *f)
{
	if (grow((void **)&ig->token, ig->tokens, sizeof(*ig->token), f) == -1)
		return -1;
	ig->token[ig->tokens++] = (struct token){ .kind = kind, .rune = rune };
	return 0;
}

/* One end of a range in a class; NULL if there is none. */
static const char *
class_rune(const char *p, const char *end, uint32_t *r)
{
	size_t n;

	if (p == end || *p == '-' || *p == ']')
		return NULL;
	if (*p == '\\' && ++p == end)
		return NULL;
	n = utf8_rune(p, (size_t)(end - p), r);
	return n == 0 ? NULL : p + n;
}

/*
 * The class after '['.  Returns what follows its ']', or NULL with *why
 * (NULL: out of memory).
 */
static const char *
add_class(struct ignore *ig, const char *p, const char *end, const char **why,
    struct fail *f)
{
	struct range r;
	struct token t = { .kind = TOKEN_CLASS, .range = ig->ranges };

	*why = "'[' without a class and its ']'";
	if (p < end && *p == '^') {
		t.negated = true;
		p++;
	}
	for (;;) {
		if (p < end && *p == ']' && t.ranges > 0)
			break;
		if ((p = class_rune(p, end, &r.lo)) == NULL)
			return NULL;
		r.hi = r.lo;
		if (p < end && *p == '-' &&
		    (p = class_rune(p + 1, end, &r.hi)) == NULL)
			return NULL;
		if (r.lo > r.hi) {
			*why = "a range that runs backwards";
			return NULL;
		}
		if (grow((void **)&ig->range, ig->ranges, sizeof(r),
		    f) == -1) {
			*why = NULL;
			return NULL;
		}
		ig->range[ig->ranges++] = r;
		t.ranges++;
	}
	if (add_token(ig, TOKEN_CLASS, 0, f) == -1) {
		*why = NULL;
		return NULL;
	}
	ig->token[ig->tokens - 1] = t;
	return p + 1;
}

/* Whether nothing in a pattern but its first two stars is special. */
static bool
is_suffix(const char *p, const char *end)
{
	for (; p < end; p++)
		if (memchr("*?[]\\", *p, 5) != NULL)
			return false;
	return true;
}

static int
compile(struct ignore *ig, const char *p, size_t len, const char *name,
    size_t line, struct fail *f)
{
	const char *start = p, *end = p + len, *why;
	enum token_kind kind;
	uint32_t r;

	while (p < end) {
		if (end - p >= 2 && p[0] == '*' && p[1] == '*') {
			bool first = p == start;

			p += 2;
			/*
			 * A ** at the start before plain text is a suffix:
			 * **.o is any path that ends in .o, as **x is.
			 */
			if (p == end || (first && *p != '/' &&
			    is_suffix(p, end)))
				kind = TOKEN_ALL;
			else
				kind = TOKEN_FOLDERS;
			if (p < end && *p == '/')
				p++;
			if (add_token(ig, kind, 0, f) == -1 ||
			    (kind == TOKEN_FOLDERS &&
			    add_token(ig, TOKEN_INSIDE, 0, f) == -1))
				return -1;
			continue;
		}
		switch (*p) {
		case '*':
			p++;
			if (add_token(ig, TOKEN_STAR, 0, f) == -1)
				return -1;
			continue;
		case '?':
			p++;
			if (add_token(ig, TOKEN_ANY, 0, f) == -1)
				return -1;
			continue;
		case '[':
			p = add_class(ig, p + 1, end, &why, f);
			if (p != NULL)
				continue;
			if (why == NULL)
				return -1;
			return fail_set(f, EX_DATAERR, "%s:%zu: %s", name,
			    line, why);
		case '\\':
			if (++p == end)
				return fail_set(f, EX_DATAERR,
				    "%s:%zu: '\\' with nothing behind it",
				    name, line);
			break;
		}
		p += rune_at(p, (size_t)(end - p), &r);
		if (add_token(ig, TOKEN_RUNE, r, f) == -1)
			return -1;
	}
	return 0;
}

/*
 * Make a path as short as it can be without changing what it names, in
 * place, and drop a leading slash: the meaning of filepath.Clean.  "" and "."
 * become ".", "/" stays.
 */
static size_t
clean(char *s, size_t len)
{
	bool rooted = len > 0 && s[0] == '/';
	size_t in = 0, out = 0, floor = 0, n;

	while (in < len) {
		for (n = 0; in + n < len && s[in + n] != '/'; n++)
			;
		if (n == 0 || (n == 1 && s[in] == '.')) {
			/* nothing */
		} else if (n == 2 && s[in] == '.' && s[in + 1] == '.' &&
		    out > floor) {
			while (out > floor && s[out - 1] != '/')
				out--;
			if (out > floor)
				out--;
		} else if (n == 2 && s[in] == '.' && s[in + 1] == '.' &&
		    rooted) {
			/* Nothing is above the root. */
		} else {
			bool up = n == 2 && s[in] == '.' && s[in + 1] == '.';

			if (out > 0)
				s[out++] = '/';
			memmove(s + out, s + in, n);
			out += n;
			if (up)
				floor = out;
		}
		in += n + 1;
	}
	if (out == 0)
		s[out++] = rooted ? '/' : '.';
	return out;
}

/* The length of a blank at s, as Unicode has it; 0 if there is none. */
static size_t
blank(const char *s, size_t n)
{
	uint32_t r;
	size_t len = utf8_rune(s, n, &r);

	if (len > 0 && ((r >= 0x09 && r <= 0x0d) || r == ' ' || r == 0x85 ||
	    r == 0xa0 || r == 0x1680 || (r >= 0x2000 && r <= 0x200a) ||
	    r == 0x2028 || r == 0x2029 || r == 0x202f || r == 0x205f ||
	    r == 0x3000))
		return len;
	return 0;
}

static void
trim(char **s, size_t *n)
{
	size_t len, back;

	while ((len = blank(*s, *n)) > 0) {
		*s += len;
		*n -= len;
	}
	for (back = 1; back <= 3 && back <= *n; back++)
		if (blank(*s + *n - back, back) == back) {
			*n -= back;
			back = 0;
		}
}

static int
add_line(struct ignore *ig, char *s, size_t n, const char *name, size_t line,
    struct fail *f)
{
	struct pattern p = { .line = line, .token = ig->tokens };

	if (n > 0 && s[0] == '#')
		return 0;
	trim(&s, &n);
	if (n == 0)
		return 0;
	if (memchr(s, '\0', n) != NULL)
		return fail_set(f, EX_DATAERR,
		    "%s:%zu: a NUL byte, which no name has", name, line);
	if (s[0] == '!') {
		p.exception = true;
		s++;
		n--;
		trim(&s, &n);
		if (n == 0 || (n == 1 && s[0] == '/'))
			return fail_set(f, EX_DATAERR,
			    "%s:%zu: '!' without a pattern", name, line);
	}
	n = clean(s, n);
	if (compile(ig, s, n, name, line, f) == -1)
		return -1;
	p.tokens = ig->tokens - p.token;
	p.word = ig->words;
	p.words = p.tokens / WORD_BITS + 1;
	ig->words += p.words;
	if (grow((void **)&ig->pattern, ig->patterns, sizeof(p), f) == -1)
		return -1;
	ig->pattern[ig->patterns++] = p;
	return 0;
}

int
ignore_parse(struct ignore **out, const char *text, size_t len,
    const char *name, struct fail *f)
{
	struct ignore *ig;
	char *copy, *s, *end, *nl;
	size_t line;

	ig = calloc(1, sizeof(*ig));
	copy = malloc(len + 1);
	if (ig == NULL || copy == NULL) {
		fail_set(f, EX_OSERR, "out of memory");
		goto bad;
	}
	if (len > 0)
		memcpy(copy, text, len);
	s = copy;
	end = copy + len;
	if (len >= 3 && memcmp(s, "\xef\xbb\xbf", 3) == 0)
		s += 3;
	for (line = 1; s < end; line++, s = nl + 1) {
		if ((nl = memchr(s, '\n', (size_t)(end - s))) == NULL)
			nl = end;
		if (add_line(ig, s, (size_t)(nl - s), name, line, f) == -1)
			goto bad;
	}
	free(copy);
	*out = ig;
	return 0;
bad:
	free(copy);
	ignore_free(ig);
	return -1;
}

void
ignore_free(struct ignore *ig)
{
	if (ig == NULL)
		return;
	free(ig->pattern);
	free(ig->token);
	free(ig->range);
	free(ig);
}

/* Token i may come next, and so may what follows it if it can be empty. */
static void
add_bit(const struct token *token, size_t tokens, uint64_t *bits, size_t i)
{
	for (;;) {
		bits[i / WORD_BITS] |= UINT64_C(1) << i % WORD_BITS;
		if (i == tokens)
			return;
		switch (token[i].kind) {
		case TOKEN_STAR:
		case TOKEN_ALL:
			i++;
			break;
		case TOKEN_FOLDERS:
			/* Its TOKEN_INSIDE, which cannot be empty. */
			bits[(i + 1) / WORD_BITS] |=
			    UINT64_C(1) << (i + 1) % WORD_BITS;
			i += 2;
			break;
		default:
			return;
		}
	}
}

static bool
in_class(const struct ignore *ig, const struct token *t, uint32_t c)
{
	const struct range *r = ig->range + t->range;
	size_t i;

	for (i = 0; i < t->ranges; i++)
		if (c >= r[i].lo && c <= r[i].hi)
			return !t->negated;
	return t->negated;
}

/* Take one character; false if no bit is left. */
static bool
take(const struct ignore *ig, const struct pattern *p, uint64_t *bits,
    uint64_t *next, uint32_t c)
{
	const struct token *token = ig->token + p->token;
	uint64_t any = 0;
	size_t w;

	memset(next, 0, p->words * sizeof(*next));
	for (w = 0; w < p->words; w++) {
		uint64_t left = bits[w];

		for (; left != 0; left &= left - 1) {
			size_t i = w * WORD_BITS +
			    (size_t)__builtin_ctzll(left);
			const struct token *t = token + i;
			bool ahead = false, stay = false;

			if (i == p->tokens)
				break;
			switch (t->kind) {
			case TOKEN_RUNE:
				ahead = c == t->rune;
				break;
			case TOKEN_ANY:
				ahead = c != '/';
				break;
			case TOKEN_CLASS:
				ahead = in_class(ig, t, c);
				break;
			case TOKEN_STAR:
				stay = c != '/';
				break;
			case TOKEN_ALL:
				stay = true;
				break;
			case TOKEN_FOLDERS:
				break;
			case TOKEN_INSIDE:
				stay = true;
				ahead = c == '/';
				break;
			}
			if (stay)
				add_bit(token, p->tokens, next, i);
			if (ahead)
				add_bit(token, p->tokens, next, i + 1);
		}
	}
	for (w = 0; w < p->words; w++)
		any |= bits[w] = next[w];
	return any != 0;
}

static bool
alive(const struct pattern *p, const uint64_t *bits)
{
	uint64_t any = 0;
	size_t w;

	for (w = 0; w < p->words; w++)
		any |= bits[w];
	return any != 0;
}

struct ignore_pos *
ignore_root(const struct ignore *ig)
{
	struct ignore_pos *pos;
	size_t i, bits;

	/* Twice the words: the second half is take()'s to work in. */
	bits = 2 * ig->words * sizeof(uint64_t);
	pos = calloc(1, sizeof(*pos) + bits +
	    2 * ig->patterns * sizeof(bool));
	if (pos == NULL)
		return NULL;
	pos->matched = (bool *)(void *)((char *)pos->bits + bits);
	pos->told = pos->matched + ig->patterns;
	for (i = 0; i < ig->patterns; i++) {
		const struct pattern *p = ig->pattern + i;

		add_bit(ig->token + p->token, p->tokens, pos->bits + p->word,
		    0);
	}
	return pos;
}

bool
ignore_step(const struct ignore *ig, const struct ignore_pos *folder,
    const char *name, size_t len, struct ignore_pos *next, size_t *line)
{
	size_t i, at, n, opened = 0, walked = 0;
	uint32_t c;

	for (i = 0; i < ig->patterns; i++) {
		const struct pattern *p = ig->pattern + i;
		uint64_t *bits = next->bits + p->word;
		bool live, own;

		memcpy(bits, folder->bits + p->word,
		    p->words * sizeof(*bits));
		live = alive(p, bits);
		for (at = 0; live && at < len; at += n) {
			n = rune_at(name + at, len - at, &c);
			live = take(ig, p, bits, bits + ig->words, c);
		}
		own = live && (bits[p->tokens / WORD_BITS] >>
		    p->tokens % WORD_BITS & 1) != 0;
		next->matched[i] = own || folder->matched[i];
		if (next->matched[i])
			opened = i + 1;
		next->told[i] = folder->told[i] || (own && p->exception ==
		    (walked > 0 && !ig->pattern[walked - 1].exception));
		if (next->told[i])
			walked = i + 1;
	}
	next->deciding = opened > 0 &&
	    !ig->pattern[opened - 1].exception ? opened : 0;
	if (walked > 0 && !ig->pattern[walked - 1].exception) {
		if (next->deciding < walked)
			next->deciding = walked;
		opened = walked;
	}
	*line = opened == 0 ? 0 : ig->pattern[opened - 1].line;
	return opened > 0 && !ig->pattern[opened - 1].exception;
}

bool
ignore_enter(const struct ignore *ig, struct ignore_pos *pos)
{
	bool returns = false;
	size_t i;

	for (i = 0; i < ig->patterns; i++) {
		const struct pattern *p = ig->pattern + i;
		uint64_t *bits = pos->bits + p->word;

		/* An exception before the deciding pattern is overruled. */
		if (take(ig, p, bits, bits + ig->words, '/') &&
		    p->exception && i >= pos->deciding)
			returns = true;
	}
	return returns;
}
