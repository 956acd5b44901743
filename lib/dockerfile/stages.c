#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include "dockerfile/grammar.h"
#include "dockerfile/stages.h"

int
stages_add(struct stages *s, const char *name, size_t len, size_t line,
    struct fail *f)
{
	struct stage *p = reallocarray(s->list, s->n + 1, sizeof(*p));

	if (p == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	s->list = p;
	p += s->n;
	p->line = line;
	p->waits = 0;
	if ((p->name = strndup(name, len)) == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	s->n++;
	return 0;
}

static int
read_one(struct stages *s, const struct dockerfile *d,
    const struct instruction *i, struct fail *f)
{
	const char *p = i->rest, *word;
	size_t n;

	if (grammar_check(i, d->escape, d->foreign, f) == -1)
		return -1;
	if (strcmp(i->word, "FROM") == 0) {
		dockerfile_word(&p, &word);
		dockerfile_word(&p, &word);
		n = dockerfile_word(&p, &word);
		return stages_add(s, word, n, i->line, f);
	}
	if (s->n == 0 && strcmp(i->word, "ARG") != 0 &&
	    !(d->foreign && !grammar_knows(i->word)))
		return fail_set(f, EX_DATAERR, "%s before the first FROM: "
		    "only ARG may stand there", i->word);
	return 0;
}

int
stages_read(struct stages *s, const struct dockerfile *d, const char *name,
    struct fail *f)
{
	char place[300];
	size_t k;

	for (k = 0; k < d->n; k++)
		if (read_one(s, d, &d->list[k], f) == -1) {
			if (f->status != EX_DATAERR)
				return -1;
			snprintf(place, sizeof(place), "%.200s:%zu", name,
			    d->list[k].line);
			return fail_in(f, place);
		}
	return 0;
}

ssize_t
stages_find(const struct stages *s, const char *name, size_t n)
{
	while (n-- > 0)
		if (s->list[n].name[0] != '\0' &&
		    strcasecmp(s->list[n].name, name) == 0)
			return (ssize_t)n;
	return -1;
}

int
stages_number(const struct stages *s, const char *text, ssize_t *stage,
    struct fail *f)
{
	const char *p = text + (*text == '+' || *text == '-');
	long n;

	*stage = -1;
	/* Above what fits into 64 bits it is a name for BuildKit, too. */
	if (*p == '\0' || p[strspn(p, "0123456789")] != '\0' ||
	    strlen(p) > 18)
		return 0;
	n = strtol(text, NULL, 10);
	if (n < 0 || (size_t)n >= s->n)
		return fail_set(f, EX_DATAERR, "--from=%s: there is no such "
		    "stage: stages have the numbers 0 to %zu", text, s->n - 1);
	*stage = (ssize_t)n;
	return 0;
}

int
stages_need(struct stages *s, size_t who, size_t what, struct fail *f)
{
	struct stage_need *p;

	/* A FROM leads back only: it makes a circle with another's help. */
	p = reallocarray(s->need, s->needs + 1, sizeof(*p));
	if (p == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	s->need = p;
	p[s->needs].who = who;
	p[s->needs++].what = what;
	return 0;
}

static int
by_what(const void *a, const void *b)
{
	const struct stage_need *x = a, *y = b;

	return (x->what > y->what) - (x->what < y->what);
}

/* Take away what waits for nothing, until nothing or circles are left. */
int
stages_circle(struct stages *s, size_t *line, struct fail *f)
{
	size_t *ready, *next, left = s->n, n = 0, i, lo, hi, mid, at = 0;

	*line = 0;
	if (s->needs == 0)
		return 0;
	qsort(s->need, s->needs, sizeof(*s->need), by_what);
	for (i = 0; i < s->needs; i++)
		s->list[s->need[i].who].waits++;
	if ((ready = reallocarray(NULL, s->n, sizeof(*ready))) == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	for (i = 0; i < s->n; i++)
		if (s->list[i].waits == 0)
			ready[n++] = i;
	while (n > 0) {
		size_t done = ready[--n];

		left--;
		for (lo = 0, hi = s->needs; lo < hi;) {
			mid = lo + (hi - lo) / 2;
			if (s->need[mid].what < done)
				lo = mid + 1;
			else
				hi = mid;
		}
		for (; lo < s->needs && s->need[lo].what == done; lo++)
			if (--s->list[s->need[lo].who].waits == 0)
				ready[n++] = s->need[lo].who;
	}
	if (left > 0) {
		/* What waits may wait for a circle: far along, it is in it. */
		next = ready;
		for (i = 0; i < s->needs; i++)
			if (s->list[s->need[i].what].waits > 0)
				next[s->need[i].who] = s->need[i].what;
		while (s->list[at].waits == 0)
			at++;
		for (i = 0; i < s->n; i++)
			at = next[at];
		*line = s->list[at].line;
	}
	free(ready);
	return 0;
}

void
stages_free(struct stages *s)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		free(s->list[i].name);
	free(s->list);
	free(s->need);
}
