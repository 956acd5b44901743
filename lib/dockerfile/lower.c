#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "dockerfile/grammar.h"
#include "dockerfile/lower.h"
#include "dockerfile/lower_copy.h"
#include "dockerfile/lower_expose.h"
#include "dockerfile/lower_run.h"
#include "dockerfile/lower_stages.h"
#include "dockerfile/lower_vars.h"
#include "dockerfile/lower_volume.h"
#include "dockerfile/lower_words.h"

/* What has been put since the last time comes of that line. */
static int
tell(struct lowering *l, size_t line)
{
	for (; l->told < l->out->len; l->told++)
		if (l->out->data[l->told] == '\n' && l->lines != NULL &&
		    buf_addf(l->lines, l->f, "%zu\n", line) == -1)
			return -1;
	return 0;
}

static int
shell(struct lowering *l, const struct instruction *i)
{
	struct stage_text *s = l->s;

	if (texts_add(&s->shells, i->rest, strlen(i->rest), l->f) == -1)
		return -1;
	s->shell = s->shells.list[s->shells.n - 1];
	return lower_put(l, "SHELL ") == -1 ||
	    lower_put(l, i->rest) == -1 ? -1 : lower_put(l, "\n");
}

/* No image here keeps it. */
static int
healthcheck(struct lowering *l, const struct instruction *i)
{
	(void)l;
	(void)i;
	return 0;
}

static int
onbuild(struct lowering *l, const struct instruction *i)
{
	const struct instruction **list;

	list = reallocarray(l->s->trigger, l->s->triggers + 1, sizeof(*list));
	if (list == NULL)
		return lower_nomem(l);
	l->s->trigger = list;
	list[l->s->triggers++] = i;
	return 0;
}

static int instruction(struct lowering *, const struct instruction *);

/* What a stage's ONBUILDs say, where it is built on. */
static int
triggers(struct lowering *l, const struct stage_text *of)
{
	const struct instruction *was = l->i;
	struct instruction sub;
	size_t k;
	int ret = 0;

	for (k = 0; ret == 0 && k < of->triggers; k++) {
		const struct instruction *i = of->trigger[k];

		sub = (struct instruction){ .line = i->line };
		ret = instruction_read(&sub, i->rest, strlen(i->rest), l->f);
		if (ret == 0) {
			sub.doc = i->doc;
			sub.docs = i->docs;
			l->i = &sub;
			ret = grammar_check(&sub, l->d->escape, l->d->foreign,
			    l->f);
			if (ret == 0)
				ret = instruction(l, &sub);
			if (ret == -1)
				lower_at(l);
			sub.doc = NULL;
			sub.docs = 0;
		}
		instruction_free(&sub);
	}
	/* The place is told already. */
	l->i = ret == -1 ? NULL : was;
	return ret;
}

static int
from(struct lowering *l, const struct instruction *i)
{
	if (lower_from(l, i) == -1)
		return -1;
	return l->s->base == -1 ? 0 : triggers(l, &l->text[l->s->base]);
}

static int
instruction(struct lowering *l, const struct instruction *i)
{
	static const struct {
		const char	*word;
		int		(*lower)(struct lowering *,
				    const struct instruction *);
	} of[] = {
		{ "ADD", lower_copy }, { "ARG", lower_arg },
		{ "CMD", lower_command }, { "COPY", lower_copy },
		{ "ENTRYPOINT", lower_command }, { "ENV", lower_env },
		{ "EXPOSE", lower_expose }, { "FROM", from },
		{ "HEALTHCHECK", healthcheck }, { "ONBUILD", onbuild },
		{ "RUN", lower_run }, { "SHELL", shell },
		{ "VOLUME", lower_volume },
	};
	size_t k;

	for (k = 0; k < sizeof(of) / sizeof(of[0]); k++)
		if (strcmp(i->word, of[k].word) == 0)
			return of[k].lower(l, i);
	return lower_plainly(l, i);
}

static int
stage(struct lowering *l, size_t n, bool last)
{
	struct stage_text *s = &l->text[n];
	size_t k;
	int ret = 0;

	l->s = s;
	buildargs_free(&l->vars);
	buildargs_free(&l->hidden);
	for (k = s->from; ret == 0 && k < s->end; k++) {
		l->i = &l->d->list[k];
		if ((ret = instruction(l, l->i)) == -1 && l->i != NULL)
			lower_at(l);
		if (ret == 0)
			ret = tell(l, l->d->list[k].line);
	}
	if (ret == 0)
		ret = lower_unhide(l);
	/* What comes behind it could not write there. */
	for (k = 0; ret == 0 && last && k < s->volume.n; k++)
		if (lower_put(l, "VOLUME ") == -1 ||
		    lower_put(l, s->volume.list[k]) == -1 ||
		    lower_put(l, "\n") == -1)
			ret = -1;
	return ret == 0 ? tell(l, l->d->list[s->from].line) : -1;
}

/* What a stage needs, and then it. */
static int
write_stage(struct lowering *l, size_t n, bool last)
{
	size_t k;

	if (l->text[n].done)
		return 0;
	l->text[n].done = true;
	/* In the order of the file, as far as that goes. */
	for (k = 0; k < l->stages.n; k++) {
		size_t i;

		for (i = 0; i < l->stages.needs; i++)
			if (l->stages.need[i].who == n &&
			    l->stages.need[i].what == k &&
			    write_stage(l, k, false) == -1)
				return -1;
	}
	return stage(l, n, last);
}

/* What is before the first FROM, which stands at *first. */
static int
head(struct lowering *l, size_t *first)
{
	size_t k;

	for (k = 0; strcmp(l->d->list[k].word, "FROM") != 0; k++) {
		l->i = &l->d->list[k];
		if (instruction(l, l->i) == -1)
			return lower_at(l);
	}
	*first = k;
	return 0;
}

int
lower(const struct dockerfile *d, const char *name, struct gather *g,
    struct buf *out, struct buf *lines, struct fail *f)
{
	struct lowering l = { .d = d, .name = name, .g = g, .out = out,
	    .lines = lines, .told = out->len, .f = f };
	int ret;
	size_t n;

	ret = stages_read(&l.stages, d, name, f);
	if (ret == 0 && l.stages.n == 0)
		ret = fail_set(f, EX_DATAERR, "%s: no FROM: name the image to "
		    "start from", name);
	if (ret == 0) {
		l.text = calloc(l.stages.n, sizeof(*l.text));
		ret = l.text == NULL ? lower_nomem(&l) :
		    buildargs_platform(&l.platform, f);
	}
	if (ret == 0 && (ret = head(&l, &n)) == 0)
		ret = lower_survey(&l, n);
	if (ret == 0 && (ret = stages_circle(&l.stages, &n, f)) == 0 && n > 0)
		ret = fail_set(f, EX_DATAERR, "%s:%zu: this stage needs "
		    "itself", name, n);
	if (ret == 0) {
		lower_names(&l);
		/* The last needs no name, unless it had one. */
		n = l.stages.n - 1;
		if (l.stages.list[n].name[0] == '\0')
			l.text[n].name[0] = '\0';
		ret = write_stage(&l, n, true);
	}
	for (n = 0; l.text != NULL && n < l.stages.n; n++) {
		buildargs_free(&l.text[n].env);
		buildargs_free(&l.text[n].args);
		buildargs_free(&l.text[n].env_words);
		buildargs_free(&l.text[n].arg_words);
		texts_free(&l.text[n].volume);
		texts_free(&l.text[n].shells);
		free(l.text[n].trigger);
	}
	free(l.text);
	stages_free(&l.stages);
	buildargs_free(&l.vars);
	buildargs_free(&l.hidden);
	buildargs_free(&l.global);
	buildargs_free(&l.platform);
	return ret;
}
