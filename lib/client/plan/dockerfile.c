#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include "client/plan/dockerfile.h"
#include "core/span.h"
#include "core/utf8.h"

struct reader {
	const char	*name;
	const char	*at;		/* the next physical line */
	const char	*end;
	size_t		 line;		/* number of the last one taken */
	struct dockerfile *d;
	struct fail	*f;
};

bool
dockerfile_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The next physical line without its end; 0 at the end of the file. */
static int
next_line(struct reader *r, const char **p, size_t *len)
{
	const char *lf;

	if (r->at == r->end)
		return 0;
	r->line++;
	lf = memchr(r->at, '\n', (size_t)(r->end - r->at));
	*p = r->at;
	*len = (size_t)((lf == NULL ? r->end : lf) - r->at);
	r->at = lf == NULL ? r->end : lf + 1;
	while (*len > 0 && (*p)[*len - 1] == '\r')
		--*len;
	return 1;
}

static void
trim_left(const char **p, size_t *len)
{
	while (*len > 0 && dockerfile_blank(**p)) {
		++*p;
		--*len;
	}
}

/*
 * Whether the line goes on: it ends in the escape character and maybe blanks,
 * which are cut off.  Two of them are an escaped one and end the line.
 */
static bool
continues(const char *p, size_t *len, char escape)
{
	size_t n = *len;

	while (n > 0 && (p[n - 1] == ' ' || p[n - 1] == '\t'))
		n--;
	if (n == 0 || p[n - 1] != escape || (n > 1 && p[n - 2] == escape))
		return false;
	*len = n - 1;
	return true;
}

/*
 * "# name=value" at the very top.  1 if it was one that BuildKit knows, which
 * is what keeps the top open.
 */
static int
directive(struct reader *r, const char *p, size_t len)
{
	const char *name, *end = p + len;
	size_t n;

	if (len == 0 || *p++ != '#')
		return 0;
	while (p < end && dockerfile_blank(*p))
		p++;
	for (name = p; p < end && isalnum((unsigned char)*p); p++)
		;
	n = (size_t)(p - name);
	while (p < end && dockerfile_blank(*p))
		p++;
	if (n == 0 || p == end || *p++ != '=')
		return 0;
	while (p < end && dockerfile_blank(*p))
		p++;
	while (p < end && dockerfile_blank(end[-1]))
		end--;
	if (p == end)
		return 0;
	if (n == 6 && strncasecmp(name, "syntax", n) == 0) {
		r->d->syntax = true;
		return 1;
	}
	if (n == 5 && strncasecmp(name, "check", n) == 0)
		return 1;
	if (n != 6 || strncasecmp(name, "escape", n) != 0)
		return 0;
	if (end - p != 1 || (*p != '\\' && *p != '`'))
		return fail_set(r->f, EX_DATAERR, "%s:%zu: the escape "
		    "character is \\ or `, nothing else", r->name, r->line);
	r->d->escape = *p;
	return 1;
}

size_t
dockerfile_word(const char *p, char escape)
{
	const char *start = p;
	char in = '\0';

	for (; *p != '\0' && (in != '\0' || !dockerfile_blank(*p)); p++) {
		if (*p == escape && in != '\'' && p[1] != '\0')
			p++;
		else if (in != '\0' && *p == in)
			in = '\0';
		else if (in == '\0' && (*p == '\'' || *p == '"'))
			in = *p;
	}
	return in != '\0' ? 0 : (size_t)(p - start);
}

/* A word with quotes and escapes undone, onto b. */
static int
unquote(struct buf *b, const char *p, size_t len, char escape, struct fail *f)
{
	const char *end = p + len;
	char in = '\0';

	for (; p < end; p++) {
		if (*p == escape && in != '\'' && p + 1 < end) {
			p++;
		} else if (in != '\0' && *p == in) {
			in = '\0';
			continue;
		} else if (in == '\0' && (*p == '\'' || *p == '"')) {
			in = *p;
			continue;
		}
		if (buf_add(b, p, 1, f) == -1)
			return -1;
	}
	return 0;
}

int
dockerfile_flag(const char **rest, char escape, bool may_split,
    struct buf *flag, struct fail *f)
{
	const char *p = *rest;
	char shown[80];
	size_t n;

	buf_clear(flag);
	if (p[0] != '-' || p[1] != '-' ||
	    (n = dockerfile_word(p, escape)) == 0)
		return 0;
	if (unquote(flag, p, n, escape, f) == -1)
		return -1;
	for (p += n; dockerfile_blank(*p); p++)
		;
	if (may_split && memchr(flag->data, '=', flag->len) == NULL) {
		n = dockerfile_word(p, escape);
		if (n == 0)
			return fail_set(f, EX_DATAERR, "%s has no value",
			    fail_show(shown, sizeof(shown), flag->data, 60));
		if (buf_add(flag, "=", 1, f) == -1 ||
		    unquote(flag, p, n, escape, f) == -1)
			return -1;
		for (p += n; dockerfile_blank(*p); p++)
			;
	}
	*rest = p;
	return 1;
}

/* Whether the values are in JSON form, a list of strings. */
static bool
is_json(const char *rest)
{
	const char *pos = NULL;
	struct span list, v;
	struct fail f;

	if (span_parse(&list, rest, strlen(rest), &f) == -1 ||
	    !span_is_array(&list))
		return false;
	while (span_next(&list, &pos, NULL, &v))
		if (!span_is_string(&v))
			return false;
	return true;
}

/* The body behind a word such as 3<<-"EOF" is not ours to read. */
static int
skip_heredoc(struct reader *r, const char *word, size_t n, size_t start)
{
	struct buf end = BUF_INIT(BUF_SMALL_MAX);
	const char *p = word, *stop = word + n;
	char shown[80];
	bool tabs = false;
	size_t len;
	int ret = -1;

	while (p < stop && *p >= '0' && *p <= '9')
		p++;
	if (stop - p < 3 || p[0] != '<' || p[1] != '<')
		return 0;
	p += 2;
	if (*p == '-') {
		tabs = true;
		p++;
	}
	if (p == stop || memchr(p, '<', (size_t)(stop - p)) != NULL)
		return 0;
	if (buf_room(&end, n, r->f) == -1 ||
	    unquote(&end, p, (size_t)(stop - p), r->d->escape, r->f) == -1)
		goto out;
	while (next_line(r, &p, &len)) {
		while (tabs && len > 0 && *p == '\t') {
			p++;
			len--;
		}
		if (len == end.len && memcmp(p, end.data, len) == 0) {
			ret = 0;
			goto out;
		}
	}
	fail_set(r->f, EX_DATAERR, "%s:%zu: the here-document's end, "
	    "a line %s, is missing", r->name, start,
	    fail_show(shown, sizeof(shown), end.data, 60));
out:
	buf_free(&end);
	return ret;
}

/* Only these carry here-documents, and not in JSON form. */
static int
skip_heredocs(struct reader *r, const struct instruction *i)
{
	const char *word = i->word, *p = i->rest;
	struct buf flag = BUF_INIT(BUF_SMALL_MAX);
	char escape = r->d->escape;
	size_t n;

	if (strcmp(word, "ONBUILD") == 0) {
		word = p;
		while (*p != '\0' && !dockerfile_blank(*p))
			p++;
		n = (size_t)(p - word);
		while (dockerfile_blank(*p))
			p++;
	} else
		n = strlen(word);
	if (!(n == 3 && (strncasecmp(word, "RUN", n) == 0 ||
	    strncasecmp(word, "ADD", n) == 0)) &&
	    !(n == 4 && strncasecmp(word, "COPY", n) == 0))
		return 0;
	while (dockerfile_flag(&p, escape, false, &flag, r->f) == 1)
		;
	buf_free(&flag);
	if (is_json(p))
		return 0;
	/* A quote left open somewhere: BuildKit sees no words at all then. */
	for (word = p; *word != '\0'; word += n) {
		for (; dockerfile_blank(*word); word++)
			;
		if (*word == '\0')
			break;
		if ((n = dockerfile_word(word, escape)) == 0)
			return 0;
	}
	for (; *p != '\0'; p += n) {
		for (; dockerfile_blank(*p); p++)
			;
		if (*p == '\0')
			break;
		n = dockerfile_word(p, escape);
		if (skip_heredoc(r, p, n, i->line) == -1)
			return -1;
	}
	return 0;
}

static int
add_instruction(struct reader *r, struct buf *text, size_t line)
{
	struct dockerfile *d = r->d;
	struct instruction *i;
	const char *p = text->data;
	size_t len = text->len, n;
	char *c;

	trim_left(&p, &len);
	while (len > 0 && dockerfile_blank(p[len - 1]))
		len--;
	if (len == 0)
		return 0;
	i = reallocarray(d->list, d->n + 1, sizeof(*i));
	if (i == NULL)
		return fail_set(r->f, EX_OSERR, "out of memory");
	d->list = i;
	i = &d->list[d->n++];
	i->line = line;
	for (n = 0; n < len && !dockerfile_blank(p[n]); n++)
		;
	i->word = strndup(p, n);
	p += n;
	len -= n;
	trim_left(&p, &len);
	i->rest = strndup(p, len);
	if (i->word == NULL || i->rest == NULL)
		return fail_set(r->f, EX_OSERR, "out of memory");
	for (c = i->word; *c != '\0'; c++)
		*c = (char)toupper((unsigned char)*c);
	return skip_heredocs(r, i);
}

/* NUL and malformed UTF-8: no reader agrees with another on what they mean. */
static int
check_text(const char *name, const struct buf *text, struct fail *f)
{
	const char *p = text->data, *end = p + text->len;
	size_t line = 1, n;
	uint32_t rune;

	for (; p < end; p += n) {
		n = utf8_rune(p, (size_t)(end - p), &rune);
		if (*p == '\0' || n == 0)
			return fail_set(f, EX_DATAERR, "%s:%zu: %s", name,
			    line, n == 0 ? "not UTF-8" : "a NUL byte");
		line += *p == '\n';
	}
	return 0;
}

int
dockerfile_parse(struct dockerfile *d, const char *name,
    const struct buf *text, struct fail *f)
{
	struct reader r = { .name = name, .d = d, .f = f };
	struct buf joined = BUF_INIT(BUF_SMALL_MAX);
	bool top = true;
	const char *p;
	size_t len;
	int ret = -1, known;

	if (text->len == 0)
		return fail_set(f, EX_DATAERR, "%s: empty, expected a "
		    "Dockerfile", name);
	if (check_text(name, text, f) == -1)
		return -1;
	r.at = text->data;
	r.end = r.at + text->len;
	if (text->len >= 3 && memcmp(r.at, "\xef\xbb\xbf", 3) == 0)
		r.at += 3;
	while (next_line(&r, &p, &len)) {
		size_t line = r.line;
		bool more;

		if (top) {
			if ((known = directive(&r, p, len)) == -1)
				goto out;
			if (known == 1)
				continue;
			top = false;
		}
		trim_left(&p, &len);
		if (len == 0 || *p == '#')
			continue;
		buf_clear(&joined);
		more = continues(p, &len, d->escape);
		if (buf_add(&joined, p, len, f) == -1)
			goto out;
		while (more && next_line(&r, &p, &len)) {
			const char *q = p;
			size_t left = len;

			trim_left(&q, &left);
			if (left == 0 || *q == '#')
				continue;
			more = continues(p, &len, d->escape);
			if (buf_add(&joined, p, len, f) == -1)
				goto out;
		}
		if (add_instruction(&r, &joined, line) == -1)
			goto out;
	}
	ret = 0;
out:
	buf_free(&joined);
	return ret;
}

void
dockerfile_free(struct dockerfile *d)
{
	size_t i;

	for (i = 0; i < d->n; i++) {
		free(d->list[i].word);
		free(d->list[i].rest);
	}
	free(d->list);
	d->list = NULL;
	d->n = 0;
}
