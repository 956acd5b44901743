#include <ctype.h>
#include <string.h>
#include <sysexits.h>

#include "core/utf8.h"
#include "dockerfile/pattern.h"
#include "dockerfile/shlex.h"

/* ${a:-${b:-...}} deeper than anyone writes. */
#define NESTED_MAX	64

struct words {
	struct buf	*list;
	size_t		 start;		/* of the word that is being read */
	bool		 in;
};

struct lexer {
	struct shlex	*s;
	const char	*p, *end;
	bool		 keep_escapes;
	unsigned	 nested;
	struct fail	*f;
};

static int dollar(struct lexer *, struct buf *);

size_t
shlex_blank(const char *p, size_t n)
{
	uint32_t rune;
	size_t len = utf8_rune(p, n, &rune);

	if (len == 0)
		return 0;
	return rune == ' ' || (rune >= '\t' && rune <= '\r') ||
	    rune == 0x85 || rune == 0xa0 || rune == 0x1680 ||
	    (rune >= 0x2000 && rune <= 0x200a) || rune == 0x2028 ||
	    rune == 0x2029 || rune == 0x202f || rune == 0x205f ||
	    rune == 0x3000 ? len : 0;
}

static int
wrong(struct lexer *x, const char *what)
{
	return fail_set(x->f, EX_DATAERR, "%s", what);
}

/* The length of the character at p: 1 where it is none. */
static size_t
rune_len(const char *p, const char *end)
{
	uint32_t rune;
	size_t n = utf8_rune(p, (size_t)(end - p), &rune);

	return n == 0 ? 1 : n;
}

static int
words_raw(struct words *w, const char *p, size_t n, struct fail *f)
{
	if (w == NULL)
		return 0;
	w->in = true;
	return buf_add(w->list, p, n, f);
}

static int
words_end(struct words *w, struct fail *f)
{
	if (w->list->len == w->start)
		return 0;
	if (buf_add(w->list, "", 1, f) == -1)
		return -1;
	w->start = w->list->len;
	w->in = false;
	return 0;
}

/* Text in which blanks end a word. */
static int
words_add(struct words *w, const char *p, size_t n, struct fail *f)
{
	const char *end = p + n;
	size_t len;

	for (; w != NULL && p < end; p += len) {
		len = rune_len(p, end);
		if (shlex_blank(p, (size_t)(end - p)) == 0) {
			if (words_raw(w, p, len, f) == -1)
				return -1;
		} else if (w->in && words_end(w, f) == -1)
			return -1;
	}
	return 0;
}

static int
single_quote(struct lexer *x, struct buf *out)
{
	const char *start = x->p++;
	const char *close = memchr(x->p, '\'', (size_t)(x->end - x->p));

	if (close == NULL)
		return wrong(x, "a quote is not closed");
	if (!x->s->keep_quotes)
		start++;
	x->p = close + 1;
	return buf_add(out, start, (size_t)(close - start) +
	    (x->s->keep_quotes ? 1 : 0), x->f);
}

static int
double_quote(struct lexer *x, struct buf *out)
{
	char escape = x->s->escape;

	if (x->s->keep_quotes && buf_add(out, "\"", 1, x->f) == -1)
		return -1;
	for (x->p++; x->p < x->end;) {
		if (*x->p == '"') {
			x->p++;
			return x->s->keep_quotes ?
			    buf_add(out, "\"", 1, x->f) : 0;
		}
		if (*x->p == '$') {
			if (dollar(x, out) == -1)
				return -1;
			continue;
		}
		if (*x->p == escape) {
			if (x->keep_escapes &&
			    buf_add(out, &escape, 1, x->f) == -1)
				return -1;
			if (++x->p == x->end)
				break;
			/* What else is escaped keeps its escape. */
			if (*x->p != '"' && *x->p != '$' && *x->p != escape) {
				if (buf_add(out, &escape, 1, x->f) == -1)
					return -1;
				continue;
			}
		}
		if (buf_add(out, x->p++, 1, x->f) == -1)
			return -1;
	}
	return wrong(x, "a quote is not closed");
}

/* Onto out, up to stop, which is eaten; '\0' is the end of the text. */
static int
read_to(struct lexer *x, char stop, bool keep_escapes, struct buf *out,
    struct words *w)
{
	bool before = x->keep_escapes;
	size_t was, n;
	int r = -1;

	if (++x->nested > NESTED_MAX)
		return wrong(x, "${...} is nested too deep");
	x->keep_escapes = keep_escapes;
	while (x->p < x->end) {
		was = out->len;
		if (stop != '\0' && *x->p == stop) {
			x->p++;
			goto good;
		}
		switch (x->s->no_quotes && *x->p != '$' ? '\0' : *x->p) {
		case '$':
			if (dollar(x, out) == -1 || words_add(w,
			    out->data + was, out->len - was, x->f) == -1)
				goto out;
			continue;
		case '\'':
		case '"':
			if ((*x->p == '"' ? double_quote(x, out) :
			    single_quote(x, out)) == -1 || words_raw(w,
			    out->data + was, out->len - was, x->f) == -1)
				goto out;
			continue;
		case '<':
			/* "<< word" is one word: a here-document. */
			n = 1;
			if (x->p + 1 < x->end && x->p[1] == '<')
				for (n = 2; x->p + n < x->end &&
				    isspace((unsigned char)x->p[n]); n++)
					;
			if (buf_add(out, x->p, n, x->f) == -1 ||
			    words_raw(w, x->p, n, x->f) == -1)
				goto out;
			x->p += n;
			continue;
		}
		if (*x->p == x->s->escape) {
			if (x->keep_escapes && (buf_add(out, x->p, 1,
			    x->f) == -1 || words_raw(w, x->p, 1, x->f) == -1))
				goto out;
			if (++x->p == x->end)
				break;
			n = rune_len(x->p, x->end);
			if (words_raw(w, x->p, n, x->f) == -1)
				goto out;
		} else {
			n = rune_len(x->p, x->end);
			if (words_add(w, x->p, n, x->f) == -1)
				goto out;
		}
		if (buf_add(out, x->p, n, x->f) == -1)
			goto out;
		x->p += n;
	}
	if (stop != '\0') {
		wrong(x, stop == '/' ? "${...} without its second /" :
		    "${ without its }");
		goto out;
	}
good:
	r = w == NULL ? 0 : words_end(w, x->f);
out:
	x->keep_escapes = before;
	x->nested--;
	return r;
}

/* The name at p, a number or one of the shell's own parameters. */
static void
name(struct lexer *x, const char **start, size_t *n)
{
	*start = x->p;
	if (x->p < x->end && isdigit((unsigned char)*x->p))
		while (x->p < x->end && isdigit((unsigned char)*x->p))
			x->p++;
	else if (x->p < x->end && strchr("@*#?-$!", *x->p) != NULL)
		x->p++;
	else
		while (x->p < x->end && (isalnum((unsigned char)*x->p) ||
		    *x->p == '_'))
			x->p++;
	*n = (size_t)(x->p - *start);
}

/* What is behind "${name" at from, and its value, as '-', '+' or '?' want. */
static int
chosen(struct lexer *x, const char *from, char kind, const char *value,
    bool null, const struct buf *word, struct buf *out)
{
	bool set = value != NULL && !(null && *value == '\0');
	char shown[160];

	switch (kind) {
	case '-':
		return set ? buf_adds(out, value, x->f) :
		    buf_add(out, word->data, word->len, x->f);
	case '+':
		return set ? buf_add(out, word->data, word->len, x->f) : 0;
	default:
		if (set)
			return buf_adds(out, value, x->f);
		return fail_set(x->f, EX_DATAERR, "%.*s: %s",
		    (int)strcspn(from, ":?"), from, word->len > 0 ?
		    fail_show(shown, sizeof(shown), word->data, 150) :
		    "has no value");
	}
}

/* Behind "${" and a name: what is to become of its value. */
static int
modified(struct lexer *x, const char *from, const char *value,
    struct buf *out)
{
	struct buf word = BUF_INIT(BUF_SMALL_MAX);
	struct buf with = BUF_INIT(BUF_SMALL_MAX);
	const char *text = value == NULL ? "" : value;
	bool null = false, twice;
	int r = -1;
	char kind;

	kind = *x->p++;
	if (buf_room(&word, 0, x->f) == -1 || buf_room(&with, 0, x->f) == -1)
		goto out;
	if (kind == '/') {
		twice = x->p < x->end && *x->p == '/';
		x->p += twice;
		if (read_to(x, '/', true, &word, NULL) == -1 ||
		    read_to(x, '}', true, &with, NULL) == -1)
			goto out;
		if (x->s->keep_unset && value == NULL)
			r = buf_add(out, from, (size_t)(x->p - from), x->f);
		else
			r = pattern_replace(&word, text, &with, twice, out,
			    x->f);
		goto out;
	}
	if (kind == ':') {
		null = true;
		kind = x->p < x->end ? *x->p++ : '\0';
	}
	if (kind == '\0' || strchr("-+?#%", kind) == NULL) {
		wrong(x, "${...}: no such modifier");
		goto out;
	}
	if (read_to(x, '}', kind == '#' || kind == '%', &word, NULL) == -1)
		goto out;
	word.data[word.len] = '\0';
	if (x->s->keep_unset && value == NULL)
		r = buf_add(out, from, (size_t)(x->p - from), x->f);
	else if (kind == '#' || kind == '%')
		r = pattern_trim(&word, text, kind, out, x->f);
	else
		r = chosen(x, from + 2, kind, value, null, &word, out);
out:
	buf_free(&word);
	buf_free(&with);
	return r;
}

static int
dollar(struct lexer *x, struct buf *out)
{
	const char *from = x->p++, *start, *value;
	bool brace = x->p < x->end && *x->p == '{';
	size_t n;

	if (brace) {
		if (++x->p == x->end)
			return wrong(x, "${ without its }");
		if (strchr("{}:", *x->p) != NULL)
			return wrong(x, "${...}: a bad substitution");
	}
	name(x, &start, &n);
	if (!brace && n == 0)
		return buf_add(out, "$", 1, x->f);
	value = x->s->args == NULL ? NULL :
	    buildargs_value(x->s->args, start, n);
	x->s->asked = x->s->asked || value == NULL;
	if (brace && x->p == x->end)
		return wrong(x, "${ without its }");
	if (brace && *x->p != '}') {
		if (strchr("-+", *x->p) == NULL &&
		    !(*x->p == ':' && x->p + 1 < x->end &&
		    strchr("-+", x->p[1]) != NULL) && value == NULL)
			x->s->unset = true;
		return modified(x, from, value, out);
	}
	if (brace)
		x->p++;
	if (value != NULL)
		return buf_adds(out, value, x->f);
	x->s->unset = true;
	return x->s->keep_unset ? buf_add(out, from, (size_t)(x->p - from),
	    x->f) : 0;
}

static int
lex(struct shlex *s, const char *p, size_t len, struct buf *out,
    struct words *w, struct fail *f)
{
	struct lexer x = { s, p, p + len, s->keep_escapes, 0, f };

	s->unset = s->asked = false;
	if (buf_room(out, 0, f) == -1 ||
	    read_to(&x, '\0', s->keep_escapes, out, w) == -1)
		return -1;
	out->data[out->len] = '\0';
	return 0;
}

int
shlex_variable(struct shlex *s, const char **p, size_t len, struct buf *out,
    struct fail *f)
{
	struct lexer x = { s, *p, *p + len, s->keep_escapes, 0, f };

	s->unset = s->asked = false;
	if (buf_room(out, 0, f) == -1 || dollar(&x, out) == -1)
		return -1;
	out->data[out->len] = '\0';
	*p = x.p;
	return 0;
}

int
shlex_text(struct shlex *s, const char *p, size_t len, struct buf *out,
    struct fail *f)
{
	return lex(s, p, len, out, NULL, f);
}

int
shlex_words(struct shlex *s, const char *p, size_t len, struct buf *words,
    struct fail *f)
{
	struct buf text = BUF_INIT(BUF_SMALL_MAX);
	struct words w = { words, words->len, false };
	int r;

	r = buf_room(words, 0, f) == -1 ? -1 : lex(s, p, len, &text, &w, f);
	buf_free(&text);
	return r;
}
