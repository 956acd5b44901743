#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "dockerfile/lower_words.h"
#include "dockerfile/shlex.h"

int
lower_value(struct lowering *l, const char *p, size_t n, struct buf *out,
    bool *known, bool *sure)
{
	struct shlex lex = { .args = &l->vars, .escape = l->d->escape };

	if (shlex_text(&lex, p, n, out, l->f) == -1)
		return -1;
	*known = !lex.unset || l->s == NULL || l->s->scratch;
	*sure = !lex.asked || l->s == NULL || l->s->scratch;
	return 0;
}

/* What is behind "${" and a name is something that older readers know. */
static bool
is_old(const char *p, const char *end)
{
	while (p < end && (isalnum((unsigned char)*p) || *p == '_'))
		p++;
	return p < end && (*p == '}' || (*p == ':' && p + 1 < end &&
	    (p[1] == '-' || p[1] == '+')));
}

int
lower_quoted(struct lowering *l, const char *p, size_t n, bool in,
    struct buf *out)
{
	const char *end = p + n;

	for (; p < end; p++)
		if ((strchr(in ? "\\\"$" : "\\\"'$ \t", *p) != NULL &&
		    buf_add(out, "\\", 1, l->f) == -1) ||
		    buf_add(out, p, 1, l->f) == -1)
			return -1;
	return 0;
}

/* A substitution that older readers do not know: its value. */
static int
substitute(struct lowering *l, const char **p, const char *end, bool in,
    struct buf *out)
{
	struct shlex lex = { .args = &l->vars, .escape = l->d->escape };
	struct buf text = BUF_INIT(BUF_SMALL_MAX);
	char shown[80];
	const char *from = *p;
	int ret;

	ret = shlex_variable(&lex, p, (size_t)(end - *p), &text, l->f);
	if (ret == 0 && lex.unset && l->s != NULL && !l->s->scratch) {
		snprintf(shown, sizeof(shown), "%.*s", (int)(*p - from < 60 ?
		    *p - from : 60), from);
		ret = fail_set(l->f, EX_DATAERR, "%s: %s: its value would "
		    "come from the base image: set it by ENV or ARG in this "
		    "Dockerfile", l->i->word, shown);
	}
	if (ret == 0)
		ret = lower_quoted(l, text.data, text.len, in, out);
	buf_free(&text);
	return ret;
}

int
lower_words(struct lowering *l, const char *p, size_t len, struct buf *out)
{
	const char *end = p + len;
	char escape = l->d->escape, quote = '\0';
	int ret = 0;

	for (; ret == 0 && p < end; p++) {
		if (quote == '\'') {
			if (*p == '\'')
				quote = '\0';
			ret = buf_add(out, p, 1, l->f);
		} else if (*p == escape) {
			if (p + 1 == end)
				break;
			if (escape == '\\' || (quote != '\0' ?
			    p[1] == '"' || p[1] == '$' : p[1] != '`'))
				ret = buf_add(out, "\\", 1, l->f);
			else if (quote != '\0' && p[1] != '`') {
				/* It escapes nothing here, and stays. */
				ret = buf_add(out, "`", 1, l->f);
				continue;
			}
			if (ret == 0)
				ret = buf_add(out, ++p, 1, l->f);
		} else if (*p == '\\') {
			ret = buf_add(out, "\\\\", 2, l->f);
		} else if (*p == '$' && p + 1 < end && p[1] == '{' &&
		    !is_old(p + 2, end)) {
			ret = substitute(l, &p, end, quote != '\0', out);
			p--;
		} else {
			if (*p == '"')
				quote = quote == '\0' ? '"' : '\0';
			else if (*p == '\'' && quote == '\0')
				quote = '\'';
			ret = buf_add(out, p, 1, l->f);
		}
	}
	return ret;
}

int
lower_put_words(struct lowering *l, const char *p, size_t n)
{
	return lower_words(l, p, n, l->out);
}

int
lower_plainly(struct lowering *l, const struct instruction *i)
{
	size_t k;

	if (lower_put(l, i->word) == -1)
		return -1;
	for (k = 0; k < i->flags; k++)
		if (lower_put_flag(l, i->flag[k], strlen(i->flag[k])) == -1)
			return -1;
	if (lower_put(l, " ") == -1 ||
	    lower_put_words(l, i->rest, strlen(i->rest)) == -1)
		return -1;
	return lower_put(l, "\n");
}
