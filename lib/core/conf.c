#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "core/conf.h"

static int
line_set(char *line, unsigned n, int (*set)(void *, const char *, const char *,
    unsigned, struct fail *), void *arg, struct fail *f)
{
	char *eq, *name, *value, *end;

	name = line + strspn(line, " \t\r");
	if (*name == '\0' || *name == '#')
		return 0;
	if ((eq = strchr(name, '=')) == NULL)
		return fail_set(f, EX_CONFIG, "not NAME = VALUE");
	for (end = eq; end > name && isblank((unsigned char)end[-1]); end--)
		;
	*end = '\0';
	value = eq + 1 + strspn(eq + 1, " \t");
	for (end = value + strlen(value);
	    end > value && isspace((unsigned char)end[-1]); end--)
		;
	*end = '\0';
	/* In a file of another kind it may be half a key: not shown. */
	if (*name == '\0' ||
	    strspn(name, "abcdefghijklmnopqrstuvwxyz_") != strlen(name))
		return fail_set(f, EX_CONFIG, "no such setting");
	if (*value == '\0')
		return fail_set(f, EX_CONFIG, "%.40s: empty", name);
	for (end = value; *end != '\0'; end++)
		if ((unsigned char)*end < 0x20 || *end == 0x7f)
			return fail_set(f, EX_CONFIG, "%.40s: control byte",
			    name);
	switch (set(arg, name, value, n, f)) {
	case 0:
		break;
	case CONF_UNKNOWN:
		return fail_set(f, EX_CONFIG, "%.40s: no such setting", name);
	default:
		return fail_in(f, name);
	}
	return 0;
}

static int
words(char *line, int (*each)(void *, char *[], unsigned, struct fail *),
    void *arg, struct fail *f)
{
	char *word[CONF_WORDS_MAX], *rest = NULL;
	unsigned n = 0;

	while (n < CONF_WORDS_MAX && (word[n] = strtok_r(n == 0 ? line : NULL,
	    " \t\r", &rest)) != NULL && word[n][0] != '#')
		n++;
	return n == 0 ? 0 : each(arg, word, n, f);
}

/* The next line of a text, ended by a NUL; *text is moved behind it. */
static char *
line_next(char **text, unsigned *n)
{
	char *line = strsep(text, "\n");

	if (line != NULL)
		++*n;
	return line;
}

/* Behind a byte order mark, which some editors put before all. */
static char *
begin(const struct buf *text)
{
	return text->len >= 3 && memcmp(text->data, "\xef\xbb\xbf", 3) == 0 ?
	    text->data + 3 : text->data;
}

static int
line_fail(const char *path, unsigned n, struct fail *f)
{
	char where[300];

	snprintf(where, sizeof(where), "%.200s:%u", path, n);
	return fail_in(f, where);
}

int
conf_parse(struct buf *text, const char *path, int (*set)(void *,
    const char *, const char *, unsigned, struct fail *), void *arg,
    struct fail *f)
{
	char *line, *rest = begin(text);
	unsigned n = 0;

	while ((line = line_next(&rest, &n)) != NULL)
		if (line_set(line, n, set, arg, f) == -1)
			return line_fail(path, n, f);
	return 0;
}

int
conf_words(struct buf *text, const char *path,
    int (*each)(void *, char *[], unsigned, struct fail *), void *arg,
    struct fail *f)
{
	char *line, *rest = begin(text);
	unsigned n = 0;

	while ((line = line_next(&rest, &n)) != NULL)
		if (words(line, each, arg, f) == -1)
			return line_fail(path, n, f);
	return 0;
}
