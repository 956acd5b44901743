#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "core/json.h"
#include "dockerfile/lowering.h"

int
lower_nomem(struct lowering *l)
{
	return fail_set(l->f, EX_OSERR, "out of memory");
}

int
lower_refuse(struct lowering *l, const char *what)
{
	return fail_set(l->f, EX_DATAERR, "%s: %s", l->i->word, what);
}

int
lower_at(struct lowering *l)
{
	char place[300];

	if (l->f->status != EX_DATAERR)
		return -1;
	snprintf(place, sizeof(place), "%.200s:%zu", l->name, l->i->line);
	return fail_in(l->f, place);
}

int
texts_add(struct texts *t, const char *s, size_t n, struct fail *f)
{
	char **list = reallocarray(t->list, t->n + 1, sizeof(*list));

	if (list == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	t->list = list;
	if ((list[t->n] = strndup(s, n)) == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	t->n++;
	return 0;
}

void
texts_free(struct texts *t)
{
	while (t->n > 0)
		free(t->list[--t->n]);
	free(t->list);
}

int
lower_put(struct lowering *l, const char *s)
{
	return buf_adds(l->out, s, l->f);
}

int
lower_put_json(struct lowering *l, const char *s, size_t n)
{
	struct jout j = JOUT_INIT(l->out);

	jout_stringn(&j, s, n);
	return jout_end(&j, l->f);
}

int
lower_put_flag(struct lowering *l, const char *flag, size_t n)
{
	size_t i;

	if (lower_put(l, " ") == -1)
		return -1;
	for (i = 0; i < n; i++)
		if ((strchr(" \t\"'\\", flag[i]) != NULL &&
		    lower_put(l, "\\") == -1) ||
		    buf_add(l->out, flag + i, 1, l->f) == -1)
			return -1;
	return 0;
}
