#include <string.h>

#include "dockerfile/lower_vars.h"
#include "dockerfile/lower_words.h"

/* A variable here, and in *to unless that is NULL. */
static int
set(struct lowering *l, struct buildargs *to, const char *name, size_t n,
    const char *text, size_t len)
{
	struct buf v = BUF_INIT(BUF_SMALL_MAX);
	struct buildargs *vars = &l->vars;
	bool known;
	int ret = lower_value(l, text, len, &v, &known);

	/* A value that is not known hides what was known before. */
	if (ret == 0 && known) {
		ret = buildargs_set(vars, name, n, v.data, l->f);
		if (ret == 0 && to != NULL)
			ret = buildargs_set(to, name, n, v.data, l->f);
	} else if (ret == 0) {
		buildargs_unset(vars, name, n);
		if (to != NULL)
			buildargs_unset(to, name, n);
	}
	buf_free(&v);
	return ret;
}

int
lower_env(struct lowering *l, const struct instruction *i)
{
	const char *p = i->rest, *word, *eq;
	size_t n = dockerfile_quoted(&p, l->d->escape, &word);

	if (memchr(word, '=', n) == NULL) {
		while (dockerfile_blank(*p))
			p++;
		if (set(l, &l->s->env, word, n, p, strlen(p)) == -1)
			return -1;
		return lower_plainly(l, i);
	}
	/* All of one instruction see what was before it. */
	if (lower_plainly(l, i) == -1)
		return -1;
	for (; n > 0; n = dockerfile_quoted(&p, l->d->escape, &word))
		if ((eq = memchr(word, '=', n)) != NULL && set(l, &l->s->env,
		    word, (size_t)(eq - word), eq + 1,
		    (size_t)(word + n - eq - 1)) == -1)
			return -1;
	return 0;
}

int
lower_arg(struct lowering *l, const struct instruction *i)
{
	const char *p = i->rest, *word, *eq, *v;
	size_t n, len;

	while ((n = dockerfile_quoted(&p, l->d->escape, &word)) > 0) {
		if (lower_put(l, "ARG ") == -1 ||
		    lower_put_words(l, word, n) == -1 ||
		    lower_put(l, "\n") == -1)
			return -1;
		eq = memchr(word, '=', n);
		len = eq == NULL ? n : (size_t)(eq - word);
		if (l->s != NULL &&
		    buildargs_value(&l->s->env, word, len) != NULL)
			continue;
		if (eq != NULL) {
			if (set(l, l->s == NULL ? &l->global : NULL, word,
			    len, eq + 1, n - len - 1) == -1)
				return -1;
			continue;
		}
		v = buildargs_value(&l->global, word, len);
		if (v == NULL)
			v = buildargs_value(&l->platform, word, len);
		if (v != NULL && buildargs_set(&l->vars, word, len, v,
		    l->f) == -1)
			return -1;
	}
	return 0;
}
