#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "core/usage.h"

/* So many blanks at least are before the words of a line above. */
#define FAR	10
#define WORD	"abcdefghijklmnopqrstuvwxyz0123456789-_"

/* One more of getopt_long()'s options, which owns its name; zeroes follow. */
static int
add_long(struct usage *u, const char *name, size_t len, size_t option,
    struct fail *f)
{
	struct option *o = reallocarray(u->longs, u->nlongs + 2, sizeof(*o));

	if (o == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	u->longs = o;
	memset(&o[u->nlongs], 0, 2 * sizeof(*o));
	if ((o[u->nlongs].name = strndup(name, len)) == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	o[u->nlongs].val = USAGE_LONG + (int)option;
	u->nlongs++;
	return 0;
}

static int
add_spelling(struct usage *u, const char *name, size_t len, size_t option,
    struct fail *f)
{
	struct option *o;
	char *p;
	size_t i;

	for (i = 0; i < u->nlongs; i++)
		if (strlen(u->longs[i].name) == len &&
		    strncmp(u->longs[i].name, name, len) == 0)
			return fail_set(f, EX_SOFTWARE,
			    "usage text: --%.*s stands there twice", (int)len,
			    name);
	if (add_long(u, name, len, option, f) == -1)
		return -1;
	if (memchr(name, '-', len) == NULL)
		return 0;
	if (add_long(u, name, len, option, f) == -1)
		return -1;
	o = &u->longs[u->nlongs - 1];
	for (p = (char *)(uintptr_t)o->name; *p != '\0'; p++)
		if (*p == '-')
			*p = '_';
	return 0;
}

static int
add_option(struct usage *u, const char *name, size_t len, struct fail *f)
{
	struct usage_option *o = reallocarray(u->option, u->n + 1, sizeof(*o));

	if (o == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	u->option = o;
	o[u->n] = (struct usage_option){ .name = strndup(name, len) };
	if (o[u->n].name == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	u->n++;
	return add_spelling(u, name, len, u->n - 1, f);
}

/* A letter; letters and shorts tell whose it is when all lines are read. */
static int
add_letter(struct usage *u, char letter, size_t option, struct fail *f)
{
	char both[] = { letter, (char)option };

	if (option > 127)
		return fail_set(f, EX_SOFTWARE, "usage text: too many options");
	return buf_add(&u->letters, both, sizeof(both), f);
}

/*
 * "FILE", "[TEXT]", "PORT...": behind an option's name.  *len: how long, 0 if
 * there is none.
 */
static int
value(const char *p, struct usage_option *o, size_t *len, struct fail *f)
{
	*len = strcspn(p, ", \n");
	if (*p != '[' && (*p < 'A' || *p > 'Z')) {
		*len = 0;
		return 0;
	}
	o->value = true;
	o->empty = *p == '[' && *len > 2;
	o->more = *len > 3 && memcmp(p + *len - 3, "...", 3) == 0;
	o->word = strndup(p + o->empty, *len - (o->more ? 3 : 0) -
	    (o->empty ? 2 : 0));
	return o->word != NULL ? 0 : fail_set(f, EX_OSERR, "out of memory");
}

/*
 * A list of options from its first dash to where it ends.  Spellings are all of
 * the option "first"; otherwise each long one is new.
 */
static int
list(struct usage *u, const char **pp, bool spellings, size_t first,
    struct fail *f)
{
	const char *p = *pp;
	size_t len;
	char letter = '\0';

	for (;;) {
		if (p[0] == '-' && p[1] == '-') {
			len = strspn(p += 2, WORD);
			if ((spellings ? add_spelling(u, p, len, first, f) :
			    add_option(u, p, len, f)) == -1)
				return -1;
			p += len;
			if (letter != '\0' &&
			    add_letter(u, letter, u->n - 1, f) == -1)
				return -1;
			if (!spellings)
				u->option[u->n - 1].letter = letter;
			letter = '\0';
			if (!spellings && *p == ' ') {
				if (value(p + 1, &u->option[u->n - 1], &len,
				    f) == -1)
					return -1;
				p += len > 0 ? 1 + len : 0;
			}
		} else if (spellings) {
			if (add_letter(u, p[1], first, f) == -1)
				return -1;
			p += 2;
		} else if (letter != '\0')
			break;
		else {
			letter = p[1];
			p += 2;
		}
		if (strncmp(p, ", -", 3) != 0)
			break;
		p += 2;
	}
	*pp = p;
	return letter == '\0' ? 0 : fail_set(f, EX_SOFTWARE,
	    "usage text: -%c has no name", letter);
}

/* More words about it, up to the end of the line. */
static int
more_text(char **text, const char *p, struct fail *f)
{
	char *whole;
	size_t len;

	p += strspn(p, " ");
	for (len = strcspn(p, "\n"); len > 0 && p[len - 1] == ' '; len--)
		;
	if (len == 0 || (len == 1 && *p == ','))
		return 0;
	if (asprintf(&whole, "%s%s%.*s", *text != NULL ? *text : "",
	    *text != NULL ? " " : "", (int)len, p) == -1)
		return fail_set(f, EX_OSERR, "out of memory");
	free(*text);
	*text = whole;
	return 0;
}

/* The same of the options from the first on. */
static int
options_text(struct usage *u, size_t first, const char *p, struct fail *f)
{
	for (; first < u->n; first++)
		if (more_text(&u->option[first].text, p, f) == -1)
			return -1;
	return 0;
}

/* "show NAME|ID   what it does" */
static int
verb(struct usage *u, const char *p, struct fail *f)
{
	struct usage_verb *v = reallocarray(u->verb, u->nverbs + 1, sizeof(*v));
	size_t name = strspn(p, WORD), end = strcspn(p, "\n"), len;
	const char *gap = memmem(p, end, "  ", 2);

	if (v == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	u->verb = v;
	v += u->nverbs++;
	len = gap != NULL ? (size_t)(gap - p) : end;
	*v = (struct usage_verb){ .name = strndup(p, name) };
	p += name;
	len -= name;
	if (len > 0) {
		p++;
		len--;
	}
	v->operands = strndup(p, len);
	if (v->name == NULL || v->operands == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	return more_text(&v->text, p + len, f);
}

static int
line(struct usage *u, const char *p, const char **about, struct fail *f)
{
	size_t first = u->n, end;
	const char *more;

	for (;;) {
		if (list(u, &p, false, 0, f) == -1)
			return -1;
		end = strspn(p, " ");
		if (end < 2 || p[end] != '-')
			break;
		p += end;
	}
	/* --name[=VALUE] */
	if (*p == '[')
		p += strcspn(p, " \n");
	*about = p;
	end = strcspn(p, "\n");
	if ((more = memmem(p, end, "(-", 2)) == NULL)
		return 0;
	more++;
	return list(u, &more, true, first, f);
}

/* Letters and values are known: what getopt_long() is to be given. */
static int
finish(struct usage *u, struct fail *f)
{
	size_t i, option;

	for (i = 0; i < u->nlongs; i++) {
		option = (size_t)u->longs[i].val - USAGE_LONG;
		u->longs[i].has_arg = u->option[option].value ?
		    required_argument : no_argument;
	}
	for (i = 0; i < u->letters.len; i += 2) {
		option = (size_t)u->letters.data[i + 1];
		if (buf_add(&u->shorts, &u->letters.data[i], 1, f) == -1 ||
		    (u->option[option].value &&
		    buf_adds(&u->shorts, ":", f) == -1))
			return -1;
	}
	return buf_adds(&u->shorts, "", f);
}

int
usage_read(struct usage *u, const char *text, struct fail *f)
{
	enum { NOTHING, OPTIONS, VERB } of = NOTHING;
	const char *p, *about;
	size_t blanks, first = 0;
	bool comma = false;
	int r = 0;

	for (p = text; r == 0 && *p != '\0'; p += *p == '\n') {
		blanks = strspn(p, " ");
		p += blanks;
		if (blanks >= 2 && *p == '-') {
			if (!comma)
				first = u->n;
			of = OPTIONS;
			if ((r = line(u, p, &about, f)) == 0)
				r = options_text(u, first, about, f);
			comma = r == 0 && *about == ',';
		} else if (blanks == 2 && *p >= 'a' && *p <= 'z') {
			of = VERB;
			r = verb(u, p, f);
		} else if (blanks < FAR || of == NOTHING)
			of = NOTHING;
		else if (of == VERB)
			r = more_text(&u->verb[u->nverbs - 1].text, p, f);
		else
			r = options_text(u, first, p, f);
		p += strcspn(p, "\n");
	}
	return r == -1 ? -1 : finish(u, f);
}

const struct usage_option *
usage_found(const struct usage *u, int ch)
{
	size_t i;

	if (ch >= USAGE_LONG)
		return &u->option[ch - USAGE_LONG];
	for (i = 0; i < u->letters.len; i += 2)
		if (u->letters.data[i] == ch)
			return &u->option[(int)u->letters.data[i + 1]];
	return NULL;
}

void
usage_free(struct usage *u)
{
	size_t i;

	for (i = 0; i < u->n; i++) {
		free(u->option[i].name);
		free(u->option[i].word);
		free(u->option[i].text);
	}
	for (i = 0; i < u->nverbs; i++) {
		free(u->verb[i].name);
		free(u->verb[i].operands);
		free(u->verb[i].text);
	}
	free(u->verb);
	for (i = 0; i < u->nlongs; i++)
		free((char *)(uintptr_t)u->longs[i].name);
	free(u->option);
	free(u->longs);
	buf_free(&u->shorts);
	buf_free(&u->letters);
	*u = (struct usage)USAGE_INIT;
}
