#include <string.h>

#include "dockerfile/lower_vars.h"
#include "dockerfile/lower_words.h"

/*
 * A variable, with the value that it has here; its words, too, if the builder
 * may find another one.
 */
static int
value(struct lowering *l, struct buildargs *to, struct buildargs *words,
    const char *name, size_t n, const char *text, size_t len)
{
	struct buf v = BUF_INIT(BUF_SMALL_MAX);
	bool known = false, sure = false;
	int ret = buf_adds(&v, "", l->f);

	if (ret == 0)
		ret = lower_value(l, text, len, &v, &known, &sure);
	/* A value that is not known hides what was known before. */
	if (ret == 0)
		ret = known ? buildargs_set(to, name, n, v.data, l->f) :
		    buildargs_unset(to, name, n, l->f);
	if (ret == 0 && !sure) {
		buf_clear(&v);
		ret = buf_adds(&v, "", l->f);
		if (ret == 0)
			ret = lower_words(l, text, len, &v);
		if (ret == 0)
			ret = buildargs_set(words, name, n, v.data, l->f);
	} else if (ret == 0 && buildargs_value(words, name, n) != NULL)
		ret = buildargs_unset(words, name, n, l->f);
	buf_free(&v);
	return ret;
}

/* Those of an ENV are there from now on; what an ARG hid does not come back. */
static int
set_env(struct lowering *l, const struct buildargs *env)
{
	size_t k;

	for (k = 0; k < env->n; k++) {
		const char *name = env->list[k].name;
		size_t n = strlen(name);

		if (buildargs_value(&l->hidden, name, n) != NULL &&
		    buildargs_unset(&l->hidden, name, n, l->f) == -1)
			return -1;
	}
	if (buildargs_copy(&l->vars, env, l->f) == -1)
		return -1;
	return buildargs_copy(&l->s->env, env, l->f);
}

int
lower_env(struct lowering *l, const struct instruction *i)
{
	struct buildargs env = BUILDARGS_INIT;
	const char *p = i->rest, *word, *eq;
	size_t n = dockerfile_quoted(&p, l->d->escape, &word);
	int ret = 0;

	if (memchr(word, '=', n) == NULL) {
		while (dockerfile_blank(*p))
			p++;
		ret = value(l, &env, &l->s->env_words, word, n, p,
		    strlen(p));
		n = 0;
	}
	/* All of one instruction see what was before it. */
	for (; ret == 0 && n > 0; n = dockerfile_quoted(&p, l->d->escape,
	    &word))
		if ((eq = memchr(word, '=', n)) != NULL)
			ret = value(l, &env, &l->s->env_words, word,
			    (size_t)(eq - word), eq + 1,
			    (size_t)(word + n - eq - 1));
	if (ret == 0)
		ret = lower_plainly(l, i);
	if (ret == 0)
		ret = set_env(l, &env);
	buildargs_free(&env);
	return ret;
}

/*
 * An ENV is hidden by an ARG of its name, from here to the stage's end or the
 * next ENV.  Its value comes back there; one that only the builder knows is an
 * argument meanwhile.
 */
static int
hide(struct lowering *l, const char *name, size_t n)
{
	struct buf text = BUF_INIT(BUF_SMALL_MAX);
	const char *v = buildargs_value(&l->s->env, name, n);
	int ret;

	if (buildargs_value(&l->hidden, name, n) != NULL)
		return 0;
	ret = buf_adds(&text, "", l->f);
	if (ret == 0 && v != NULL && buildargs_value(&l->s->env_words, name,
	    n) == NULL)
		ret = lower_quoted(l, v, strlen(v), false, &text);
	else if (ret == 0) {
		ret = buf_addf(&text, l->f, "ARG tl_env_%.*s=$%.*s\n", (int)n,
		    name, (int)n, name);
		if (ret == 0)
			ret = lower_put(l, text.data);
		buf_clear(&text);
		if (ret == 0)
			ret = buf_addf(&text, l->f, "$tl_env_%.*s", (int)n,
			    name);
	}
	if (ret == 0)
		ret = buildargs_set(&l->hidden, name, n, text.data, l->f);
	buf_free(&text);
	return ret;
}

/* What an ARG has without a value of its own: that of before the first FROM. */
static const char *
global(const struct lowering *l, const char *name, size_t n)
{
	const char *v = buildargs_value(&l->global, name, n);

	return v != NULL ? v : buildargs_value(&l->platform, name, n);
}

/* A word of an ARG: its name, and what stands behind "=", or NULL. */
struct arg {
	const char	*name, *text;
	size_t		 n, len;
	bool		 hides;		/* it has a value, and an ENV had one */
};

static bool
next_arg(const struct lowering *l, const char **p, struct arg *a)
{
	size_t n = dockerfile_quoted(p, l->d->escape, &a->name);
	const char *eq = memchr(a->name, '=', n);

	a->n = eq == NULL ? n : (size_t)(eq - a->name);
	a->text = eq == NULL ? NULL : eq + 1;
	a->len = eq == NULL ? 0 : n - a->n - 1;
	a->hides = n > 0 && l->s != NULL &&
	    buildargs_has(&l->s->env, a->name, a->n) &&
	    (eq != NULL || global(l, a->name, a->n) != NULL);
	return n > 0;
}

/* Its value, if it has one. */
static int
arg_value(struct lowering *l, struct buildargs *to, struct buildargs *words,
    const struct arg *a)
{
	const char *v;

	if (a->text != NULL)
		return value(l, to, words, a->name, a->n, a->text, a->len);
	v = global(l, a->name, a->n);
	if (v == NULL)
		return 0;
	if (buildargs_value(words, a->name, a->n) != NULL &&
	    buildargs_unset(words, a->name, a->n, l->f) == -1)
		return -1;
	return buildargs_set(to, a->name, a->n, v, l->f);
}

/* NAME=VALUE, of those of which a stage knows, or its words. */
static int
put_value(struct lowering *l, const struct buildargs *values,
    const struct buildargs *words, const char *name, size_t n)
{
	const char *text = buildargs_value(words, name, n), *v;

	if (buf_add(l->out, name, n, l->f) == -1 || lower_put(l, "=") == -1)
		return -1;
	if (text != NULL)
		return lower_put(l, text);
	v = buildargs_value(values, name, n);
	return lower_quoted(l, v, strlen(v), false, l->out);
}

/*
 * With older builders an ENV always wins.  So an argument that hides one is an
 * ENV, too, with its value out of args; the others stay together.
 */
static int
put_args(struct lowering *l, const struct instruction *i,
    const struct buildargs *args)
{
	const char *p = i->rest, *before = "ARG ";
	struct arg a;

	while (next_arg(l, &p, &a))
		if (!a.hides) {
			if (lower_put(l, before) == -1 || lower_put_words(l,
			    a.name, a.n + (a.text != NULL) + a.len) == -1)
				return -1;
			before = " ";
		}
	if (*before == ' ' && lower_put(l, "\n") == -1)
		return -1;
	for (p = i->rest; next_arg(l, &p, &a);)
		if (a.hides && hide(l, a.name, a.n) == -1)
			return -1;
	before = "ENV ";
	for (p = i->rest; next_arg(l, &p, &a);)
		if (a.hides) {
			if (lower_put(l, before) == -1 || put_value(l, args,
			    &l->s->arg_words, a.name, a.n) == -1)
				return -1;
			before = " ";
		}
	return *before == ' ' ? lower_put(l, "\n") : 0;
}

/* Before the first FROM: each sees those before it. */
static int
global_args(struct lowering *l, const struct instruction *i)
{
	struct buildargs words = BUILDARGS_INIT;
	const char *p = i->rest;
	struct arg a;

	/* There is no base image that could have a say. */
	while (next_arg(l, &p, &a))
		if (lower_put(l, "ARG ") == -1 || lower_put_words(l, a.name,
		    a.n + (a.text != NULL) + a.len) == -1 ||
		    lower_put(l, "\n") == -1 ||
		    arg_value(l, &l->vars, &words, &a) == -1 ||
		    (a.text != NULL && buildargs_set(&l->global, a.name, a.n,
		    buildargs_value(&l->vars, a.name, a.n), l->f) == -1))
			return -1;
	return 0;
}

int
lower_arg(struct lowering *l, const struct instruction *i)
{
	struct buildargs args = BUILDARGS_INIT;
	const char *p = i->rest;
	struct arg a;
	int ret = 0;

	if (l->s == NULL)
		return global_args(l, i);
	/* All of one instruction see what was before it. */
	while (ret == 0 && next_arg(l, &p, &a))
		ret = arg_value(l, &args, &l->s->arg_words, &a);
	if (ret == 0)
		ret = put_args(l, i, &args);
	if (ret == 0)
		ret = buildargs_copy(&l->vars, &args, l->f);
	if (ret == 0)
		ret = buildargs_copy(&l->s->args, &args, l->f);
	buildargs_free(&args);
	return ret;
}

int
lower_unhide(struct lowering *l)
{
	const struct buildargs *h = &l->hidden;
	size_t k;

	for (k = 0; k < h->n; k++)
		if (h->list[k].value != NULL && (lower_put(l, "ENV ") == -1 ||
		    lower_put(l, h->list[k].name) == -1 ||
		    lower_put(l, "=") == -1 ||
		    lower_put(l, h->list[k].value) == -1 ||
		    lower_put(l, "\n") == -1))
			return -1;
	return 0;
}

int
lower_inherit(struct lowering *l, const struct stage_text *base)
{
	size_t k;

	if (buildargs_copy(&l->vars, &base->args, l->f) == -1 ||
	    buildargs_copy(&l->s->args, &base->args, l->f) == -1 ||
	    buildargs_copy(&l->s->arg_words, &base->arg_words, l->f) == -1 ||
	    buildargs_copy(&l->s->env_words, &base->env_words, l->f) == -1 ||
	    buildargs_copy(&l->vars, &base->env, l->f) == -1 ||
	    buildargs_copy(&l->s->env, &base->env, l->f) == -1)
		return -1;
	for (k = 0; k < base->args.n; k++) {
		const struct buildarg *a = &base->args.list[k];
		size_t n = strlen(a->name);

		if (buildargs_has(&base->env, a->name, n))
			continue;
		if (lower_put(l, "ARG ") == -1 || put_value(l, &base->args,
		    &base->arg_words, a->name, n) == -1 ||
		    lower_put(l, "\n") == -1)
			return -1;
	}
	return 0;
}
