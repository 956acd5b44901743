#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include "core/span.h"
#include "core/utf8.h"
#include "dockerfile/dockerfile.h"
#include "dockerfile/shlex.h"

struct reader {
	const char	*name;
	const char	*at;		/* the next physical line */
	const char	*end;
	size_t		 line;		/* number of the last one taken */
	bool		 escapes, syntax, check;	/* directives so far */
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
	size_t n;

	while ((n = shlex_blank(*p, *len)) > 0) {
		*p += n;
		*len -= n;
	}
}

static void
trim_right(const char *p, size_t *len)
{
	size_t n;

	/* The longest blank of Unicode has three bytes. */
	for (n = 1; n <= 3 && n <= *len; n++)
		if (shlex_blank(p + *len - n, n) == n) {
			*len -= n;
			n = 0;
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

/* Whether the value of a syntax directive is Docker's own. */
static bool
is_docker(const char *p, size_t len)
{
	static const char *const own[] = { "docker/dockerfile",
	    "docker.io/docker/dockerfile", "docker/dockerfile-upstream",
	    "docker.io/docker/dockerfile-upstream" };
	size_t n = 0, i;

	while (n < len && !dockerfile_blank(p[n]) && p[n] != ':' &&
	    p[n] != '@')
		n++;
	for (i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (strlen(own[i]) == n && memcmp(p, own[i], n) == 0)
			return true;
	return false;
}

/*
 * "# name=value" at the very top.  1 if it was one that BuildKit knows, which
 * is what keeps the top open.
 */
static int
directive(struct reader *r, const char *p, size_t len)
{
	const char *name, *end;
	bool *seen;
	size_t n;

	trim_left(&p, &len);
	if (len == 0 || *p != '#')
		return 0;
	p++;
	len--;
	trim_left(&p, &len);
	end = p + len;
	for (name = p; p < end && isalnum((unsigned char)*p); p++)
		;
	n = (size_t)(p - name);
	while (p < end && dockerfile_blank(*p))
		p++;
	if (n == 0 || isdigit((unsigned char)*name) || p == end ||
	    *p++ != '=')
		return 0;
	while (p < end && dockerfile_blank(*p))
		p++;
	while (p < end && dockerfile_blank(end[-1]))
		end--;
	if (p == end)
		return 0;
	if (n == 6 && strncasecmp(name, "syntax", n) == 0)
		seen = &r->syntax;
	else if (n == 5 && strncasecmp(name, "check", n) == 0)
		seen = &r->check;
	else if (n == 6 && strncasecmp(name, "escape", n) == 0)
		seen = &r->escapes;
	else
		return 0;
	if (*seen)
		return fail_set(r->f, EX_DATAERR, "%s:%zu: the directive %.*s "
		    "is given twice", r->name, r->line, (int)n, name);
	*seen = true;
	if (seen == &r->syntax)
		r->d->foreign = !is_docker(p, (size_t)(end - p));
	if (seen != &r->escapes)
		return 1;
	if (end - p != 1 || (*p != '\\' && *p != '`'))
		return fail_set(r->f, EX_DATAERR, "%s:%zu: the escape "
		    "character is \\ or `, nothing else", r->name, r->line);
	r->d->escape = *p;
	return 1;
}

size_t
dockerfile_word(const char **p, const char **word)
{
	while (dockerfile_blank(**p))
		++*p;
	for (*word = *p; **p != '\0' && !dockerfile_blank(**p); ++*p)
		;
	return (size_t)(*p - *word);
}

size_t
dockerfile_quoted(const char **rest, char escape, const char **word)
{
	const char *p = *rest, *end = p + strlen(p);
	char in = '\0';
	size_t n;

	while ((n = shlex_blank(p, (size_t)(end - p))) > 0)
		p += n;
	for (*word = p; p < end; p++) {
		if (in == '\0' && shlex_blank(p, (size_t)(end - p)) > 0)
			break;
		if (*p == escape && in != '\'' && p[1] != '\0')
			p++;
		else if (in != '\0' && *p == in)
			in = '\0';
		else if (in == '\0' && (*p == '\'' || *p == '"'))
			in = *p;
	}
	*rest = p;
	return (size_t)(p - *word);
}

const char *
instruction_flag(const struct instruction *i, size_t k, const char *name)
{
	const char *flag = i->flag[k] + 2;
	size_t n = strlen(name);

	return strncmp(flag, name, n) == 0 && flag[n] == '=' ? flag + n + 1 :
	    NULL;
}

bool
instruction_has(const struct instruction *i, size_t k, const char *name)
{
	const char *flag = i->flag[k] + 2;
	size_t n = strlen(name);

	return strncmp(flag, name, n) == 0 &&
	    (flag[n] == '\0' || flag[n] == '=');
}

static int
add_flag(struct instruction *i, const struct buf *text, struct fail *f)
{
	char **list = reallocarray(i->flag, i->flags + 1, sizeof(*list));

	if (list == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	i->flag = list;
	if ((list[i->flags] = strndup(text->data, text->len)) == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	i->flags++;
	return 0;
}

/*
 * The words with two dashes in front, *p moves behind them.  Their escape is
 * the backslash always, in single quotes, too; two dashes alone end them.
 */
static int
read_flags(struct instruction *i, const char **p, const char *end,
    struct fail *f)
{
	struct buf word = BUF_INIT(BUF_SMALL_MAX);
	bool quoted;
	int r = 0;
	char in;

	for (;;) {
		while (*p < end && dockerfile_blank(**p))
			++*p;
		if (end - *p < 2 || (*p)[0] != '-' || (*p)[1] != '-')
			break;
		buf_clear(&word);
		quoted = false;
		in = '\0';
		for (; *p < end && (in != '\0' || !dockerfile_blank(**p));
		    ++*p) {
			if (in != '\0' && **p == in) {
				in = '\0';
				continue;
			}
			if (in == '\0' && (**p == '"' || **p == '\'')) {
				in = **p;
				quoted = true;
				continue;
			}
			if (**p == '\\' && ++*p == end)
				break;
			if ((r = buf_add(&word, *p, 1, f)) == -1)
				goto out;
		}
		if (word.len == 2)
			break;
		if ((word.len > 0 || quoted) &&
		    (r = add_flag(i, &word, f)) == -1)
			break;
	}
out:
	buf_free(&word);
	return r;
}

bool
dockerfile_json(const char *rest, bool *texts, size_t *n)
{
	const char *pos = NULL;
	struct span list, v;
	struct fail f;

	*texts = true;
	*n = 0;
	if (*rest != '[' ||
	    span_parse(&list, rest, strlen(rest), &f) == -1 ||
	    !span_is_array(&list))
		return false;
	for (; span_next(&list, &pos, NULL, &v); ++*n)
		if (!span_is_string(&v))
			*texts = false;
	return true;
}

int
dockerfile_heredoc(const char *p, struct buf *end, bool *tabs, bool *literal,
    struct fail *f)
{
	struct shlex lex = { .escape = '\\', .keep_unset = true };

	while (*p >= '0' && *p <= '9')
		p++;
	if (p[0] != '<' || p[1] != '<')
		return 0;
	p += 2;
	if ((*tabs = *p == '-'))
		p++;
	while (dockerfile_blank(*p))
		p++;
	if (*p == '\0' || strchr(p, '<') != NULL)
		return 0;
	buf_clear(end);
	if (shlex_words(&lex, p, strlen(p), end, f) == -1)
		return -1;
	/* One word, and no more: the NUL behind it is the last byte. */
	if (end->len == 0 || strlen(end->data) != end->len - 1)
		return 0;
	*literal = strcmp(p, end->data) != 0;
	return 1;
}

int
heredoc_text(const struct heredoc *doc, struct buf *out, struct fail *f)
{
	const char *p = doc->body.data, *end = p + doc->body.len, *lf;

	while (p < end) {
		while (doc->tabs && p < end && *p == '\t')
			p++;
		lf = memchr(p, '\n', (size_t)(end - p));
		lf = lf == NULL ? end : lf + 1;
		if (buf_add(out, p, (size_t)(lf - p), f) == -1)
			return -1;
		p = lf;
	}
	return buf_room(out, 0, f);
}

/* The body behind a word such as 3<<-"EOF". */
static int
read_body(struct reader *r, struct instruction *i, const char *end, bool tabs,
    bool literal)
{
	struct heredoc *doc;
	char shown[80];
	const char *p, *whole;
	size_t len;

	doc = reallocarray(i->doc, i->docs + 1, sizeof(*doc));
	if (doc == NULL)
		return fail_set(r->f, EX_OSERR, "out of memory");
	i->doc = doc;
	doc += i->docs;
	*doc = (struct heredoc){ NULL, tabs, literal,
	    BUF_INIT(BUF_SMALL_MAX) };
	if ((doc->name = strdup(end)) == NULL)
		return fail_set(r->f, EX_OSERR, "out of memory");
	i->docs++;
	while (next_line(r, &p, &len)) {
		whole = p;
		while (tabs && len > 0 && *p == '\t') {
			p++;
			len--;
		}
		if (len == strlen(end) && memcmp(p, end, len) == 0)
			return buf_room(&doc->body, 0, r->f);
		if (buf_add(&doc->body, whole, (size_t)(r->at - whole),
		    r->f) == -1)
			return -1;
	}
	return fail_set(r->f, EX_DATAERR, "%s:%zu: the here-document's end, "
	    "a line %s, is missing", r->name, i->line,
	    fail_show(shown, sizeof(shown), end, 60));
}

/*
 * Only these carry here-documents, and not in JSON form.  The whole line is
 * cut into words, flags and all, with the backslash whatever the directive
 * says; where it cannot be cut, BuildKit sees none.
 */
static int
read_heredocs(struct reader *r, struct instruction *whole, const char *text,
    size_t len)
{
	struct shlex lex = { .escape = '\\', .keep_quotes = true,
	    .keep_escapes = true, .keep_unset = true };
	struct buf words = BUF_INIT(BUF_SMALL_MAX);
	struct buf end = BUF_INIT(BUF_SMALL_MAX);
	const struct instruction *i = whole;
	struct instruction sub = { 0 };
	bool texts, tabs, literal;
	int ret = -1, is;
	size_t n, at;

	if (strcmp(i->word, "ONBUILD") == 0) {
		if (instruction_read(&sub, i->rest, strlen(i->rest),
		    r->f) == -1)
			goto out;
		i = &sub;
	}
	ret = 0;
	if ((strcmp(i->word, "RUN") != 0 && strcmp(i->word, "ADD") != 0 &&
	    strcmp(i->word, "COPY") != 0) ||
	    (dockerfile_json(i->rest, &texts, &n) && texts) ||
	    memmem(text, len, "<<", 2) == NULL)
		goto out;
	if (shlex_words(&lex, text, len, &words, r->f) == -1) {
		ret = r->f->status == EX_DATAERR ? 0 : -1;
		goto out;
	}
	for (at = 0; ret == 0 && at < words.len;
	    at += strlen(words.data + at) + 1) {
		is = dockerfile_heredoc(words.data + at, &end, &tabs,
		    &literal, r->f);
		if (is == -1)
			ret = -1;
		else if (is == 1)
			ret = read_body(r, whole, end.data, tabs, literal);
	}
out:
	instruction_free(&sub);
	buf_free(&words);
	buf_free(&end);
	return ret;
}

int
instruction_read(struct instruction *i, const char *p, size_t len,
    struct fail *f)
{
	const char *end;
	size_t n;
	char *c;

	trim_left(&p, &len);
	trim_right(p, &len);
	end = p + len;
	for (n = 0; n < len && !dockerfile_blank(p[n]); n++)
		;
	i->flag = NULL;
	i->flags = 0;
	i->doc = NULL;
	i->docs = 0;
	i->word = strndup(p, n);
	p += n;
	i->rest = NULL;
	if (read_flags(i, &p, end, f) == -1)
		return -1;
	len = (size_t)(end - p);
	trim_left(&p, &len);
	i->rest = strndup(p, len);
	if (i->word == NULL || i->rest == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	for (c = i->word; *c != '\0'; c++)
		*c = (char)toupper((unsigned char)*c);
	return 0;
}

void
instruction_free(struct instruction *i)
{
	size_t k;

	for (k = 0; k < i->flags; k++)
		free(i->flag[k]);
	for (k = 0; k < i->docs; k++) {
		free(i->doc[k].name);
		buf_free(&i->doc[k].body);
	}
	free(i->flag);
	free(i->doc);
	free(i->word);
	free(i->rest);
}

static int
add_instruction(struct reader *r, const struct buf *text, size_t line)
{
	struct dockerfile *d = r->d;
	struct instruction *i;

	i = reallocarray(d->list, d->n + 1, sizeof(*i));
	if (i == NULL)
		return fail_set(r->f, EX_OSERR, "out of memory");
	d->list = i;
	i = &d->list[d->n++];
	i->line = line;
	if (instruction_read(i, text->data, text->len, r->f) == -1)
		return -1;
	return read_heredocs(r, i, text->data, text->len);
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

	for (i = 0; i < d->n; i++)
		instruction_free(&d->list[i]);
	free(d->list);
	d->list = NULL;
	d->n = 0;
}
