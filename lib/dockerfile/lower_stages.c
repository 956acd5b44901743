#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include "dockerfile/lower_stages.h"
#include "dockerfile/lower_vars.h"
#include "dockerfile/shlex.h"

int
lower_stage_of(struct lowering *l, const char *image, size_t n, bool numbers,
    ssize_t *stage)
{
	char *name = strndup(image, n);
	int ret = 0;

	*stage = -1;
	if (name == NULL)
		return lower_nomem(l);
	if (numbers)
		ret = stages_number(&l->stages, name, stage, l->f);
	if (ret == 0 && *stage == -1)
		*stage = stages_find(&l->stages, name, l->stages.n);
	free(name);
	return ret;
}

const char *
lower_mount_from(const char *p, size_t *n)
{
	while (*p != '\0') {
		p += *p == ',';
		*n = strcspn(p, ",");
		if (strncasecmp(p, "from=", 5) == 0) {
			*n -= 5;
			return p + 5;
		}
		p += *n;
	}
	return NULL;
}

/* A word of a FROM: only ARGs of before the first one count. */
static int
from_word(struct lowering *l, const char *word, size_t n, struct buf *out)
{
	struct shlex lex = { .escape = l->d->escape };
	struct buildargs args = BUILDARGS_INIT;
	int ret;

	ret = buildargs_copy(&args, &l->platform, l->f);
	if (ret == 0)
		ret = buildargs_copy(&args, &l->global, l->f);
	lex.args = &args;
	if (ret == 0)
		ret = shlex_text(&lex, word, n, out, l->f);
	buildargs_free(&args);
	return ret;
}

static int
from_image(struct lowering *l, const struct instruction *i, struct buf *out)
{
	const char *p = i->rest, *word;
	size_t n = dockerfile_word(&p, &word);

	if (from_word(l, word, n, out) == -1)
		return -1;
	return out->len > 0 ? 0 : lower_refuse(l, "no image: an argument in "
	    "it has no value");
}

int
lower_from(struct lowering *l, const struct instruction *i)
{
	struct buf image = BUF_INIT(BUF_SMALL_MAX), flag = BUF_INIT(
	    BUF_SMALL_MAX);
	struct stage_text *s = l->s;
	struct stage_text *base = s->base == -1 ? NULL : &l->text[s->base];
	size_t k;
	int ret = -1;

	if (from_image(l, i, &image) == -1)
		goto out;
	if (base != NULL) {
		s->scratch = base->scratch;
		s->shell = base->shell;
		for (k = 0; k < base->volume.n; k++)
			if (texts_add(&s->volume, base->volume.list[k],
			    strlen(base->volume.list[k]), l->f) == -1)
				goto out;
	} else
		s->scratch = strcasecmp(image.data, "scratch") == 0;
	if (lower_put(l, "FROM") == -1)
		goto out;
	for (k = 0; base == NULL && k < i->flags; k++) {
		buf_clear(&flag);
		if (from_word(l, i->flag[k], strlen(i->flag[k]),
		    &flag) == -1 ||
		    lower_put_flag(l, flag.data, flag.len) == -1)
			goto out;
	}
	if (lower_put(l, " ") == -1 ||
	    lower_put(l, base != NULL ? base->name : image.data) == -1 ||
	    (s->name[0] != '\0' && (lower_put(l, " AS ") == -1 ||
	    lower_put(l, s->name) == -1)) || lower_put(l, "\n") == -1)
		goto out;
	ret = base == NULL ? 0 : lower_inherit(l, base);
out:
	buf_free(&image);
	buf_free(&flag);
	return ret;
}

/* It needs the stage that an instruction's flag names, if it is one. */
static int
need_image(struct lowering *l, size_t who, const char *image, size_t n,
    bool numbers)
{
	ssize_t what;

	if (lower_stage_of(l, image, n, numbers, &what) == -1)
		return -1;
	return what == -1 ? 0 : stages_need(&l->stages, who, (size_t)what,
	    l->f);
}

static int
need_images(struct lowering *l, size_t who, const struct instruction *i)
{
	const char *v;
	size_t k, n;

	for (k = 0; k < i->flags; k++)
		if (strcmp(i->word, "COPY") == 0) {
			v = instruction_flag(i, k, "from");
			if (v != NULL && need_image(l, who, v, strlen(v),
			    true) == -1)
				return -1;
		} else if (strcmp(i->word, "RUN") == 0) {
			v = instruction_flag(i, k, "mount");
			while (v != NULL &&
			    (v = lower_mount_from(v, &n)) != NULL) {
				if (need_image(l, who, v, n, false) == -1)
					return -1;
				v += n;
			}
		}
	return 0;
}

/* The stage that one starts at, and what that one's ONBUILDs name. */
static int
need_base(struct lowering *l, size_t who)
{
	const struct stage_text *base = &l->text[l->text[who].base];
	size_t k;
	int ret;

	ret = stages_need(&l->stages, who, (size_t)l->text[who].base, l->f);
	for (k = base->from; ret == 0 && k < base->end; k++) {
		const struct instruction *i = &l->d->list[k];
		struct instruction sub = { 0 };

		if (strcmp(i->word, "ONBUILD") != 0)
			continue;
		ret = instruction_read(&sub, i->rest, strlen(i->rest), l->f);
		if (ret == 0)
			ret = need_images(l, who, &sub);
		instruction_free(&sub);
	}
	return ret;
}

/* Its FROM is the k-th instruction; what it starts at is known before it. */
static int
survey_from(struct lowering *l, size_t n, size_t k)
{
	struct buf image = BUF_INIT(BUF_SMALL_MAX);
	struct stage_text *s = &l->text[n];
	int ret;

	if (n > 0)
		s[-1].end = k;
	s->from = k;
	s->end = l->d->n;
	ret = from_image(l, &l->d->list[k], &image);
	if (ret == 0)
		s->base = stages_find(&l->stages, image.data, n);
	if (ret == 0 && s->base != -1)
		ret = need_base(l, n);
	buf_free(&image);
	return ret;
}

int
lower_survey(struct lowering *l, size_t first)
{
	size_t k, n = 0;
	int ret = 0;

	for (k = first; ret == 0 && k < l->d->n; k++) {
		l->i = &l->d->list[k];
		ret = strcmp(l->i->word, "FROM") == 0 ?
		    survey_from(l, n++, k) : need_images(l, n - 1, l->i);
		if (ret == -1)
			lower_at(l);
	}
	return ret;
}

void
lower_names(struct lowering *l)
{
	size_t n, k;

	for (n = 0; n < l->stages.n; n++) {
		const char *name = l->stages.list[n].name;
		struct stage_text *s = &l->text[n];
		bool taken = strlen(name) >= sizeof(s->name);

		for (k = 0; k < l->stages.n && !taken; k++) {
			const char *p = l->d->list[l->text[k].from].rest;
			const char *word;
			size_t len = dockerfile_word(&p, &word);

			taken = (k != n && strcasecmp(name,
			    l->stages.list[k].name) == 0) ||
			    (l->text[k].base == -1 && strlen(name) == len &&
			    strncasecmp(word, name, len) == 0);
		}
		if (taken || name[0] == '\0' ||
		    strcasecmp(name, GATHER_NAME) == 0)
			snprintf(s->name, sizeof(s->name), "tl-stage-%zu", n);
		else
			for (k = 0; name[k] != '\0'; k++)
				s->name[k] = (char)tolower(
				    (unsigned char)name[k]);
	}
}
