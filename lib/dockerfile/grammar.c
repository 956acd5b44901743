#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include "core/span.h"
#include "dockerfile/grammar.h"

/* A name's length from which on none is near it. */
#define NEAR_MAX	24

static const char *const instructions[] = {
	"ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM",
	"HEALTHCHECK", "LABEL", "MAINTAINER", "ONBUILD", "RUN", "SHELL",
	"STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
};

enum kind { TEXT, LIST, SWITCH };

static const struct rule {
	const char	*word;
	const char	*flag;
	enum kind	 kind;
} rules[] = {
	{ "ADD", "checksum", TEXT }, { "ADD", "chmod", TEXT },
	{ "ADD", "chown", TEXT }, { "ADD", "exclude", LIST },
	{ "ADD", "keep-git-dir", SWITCH }, { "ADD", "link", SWITCH },
	{ "ADD", "unpack", SWITCH },
	{ "COPY", "chmod", TEXT }, { "COPY", "chown", TEXT },
	{ "COPY", "exclude", LIST }, { "COPY", "from", TEXT },
	{ "COPY", "link", SWITCH }, { "COPY", "parents", SWITCH },
	{ "FROM", "platform", TEXT },
	{ "HEALTHCHECK", "interval", TEXT }, { "HEALTHCHECK", "retries", TEXT },
	{ "HEALTHCHECK", "start-interval", TEXT },
	{ "HEALTHCHECK", "start-period", TEXT },
	{ "HEALTHCHECK", "timeout", TEXT },
	{ "RUN", "device", LIST }, { "RUN", "mount", LIST },
	{ "RUN", "network", TEXT }, { "RUN", "security", TEXT },
};

struct check {
	const struct instruction *i;
	char		 escape;
	bool		 json, texts;	/* the form of what is behind flags */
	size_t		 words;		/* its length, in whatever form */
	struct fail	*f;
};

static int
wrong(const struct check *c, const char *what)
{
	return fail_set(c->f, EX_DATAERR, "%s: %s", c->i->word, what);
}

bool
grammar_knows(const char *word)
{
	size_t i;

	for (i = 0; i < sizeof(instructions) / sizeof(instructions[0]); i++)
		if (strcmp(instructions[i], word) == 0)
			return true;
	return false;
}

/* How many letters are to be put in, left out, changed or swapped. */
static size_t
distance(const char *a, const char *b)
{
	size_t row[3][NEAR_MAX + 1], n = strlen(b), i, k, least;
	size_t *before = row[0], *last = row[1], *now = row[2], *spare;

	for (k = 0; k <= n; k++)
		before[k] = last[k] = k;
	for (i = 0; a[i] != '\0'; i++) {
		now[0] = i + 1;
		for (k = 1; k <= n; k++) {
			least = last[k - 1] + (a[i] != b[k - 1]);
			if (last[k] + 1 < least)
				least = last[k] + 1;
			if (now[k - 1] + 1 < least)
				least = now[k - 1] + 1;
			if (i > 0 && k > 1 && a[i] == b[k - 2] &&
			    a[i - 1] == b[k - 1] && before[k - 2] + 1 < least)
				least = before[k - 2] + 1;
			now[k] = least;
		}
		spare = before;
		before = last;
		last = now;
		now = spare;
	}
	return last[n];
}

static int
unknown(const struct check *c)
{
	const char *word = c->i->word, *nearest = NULL;
	size_t i, n, least = 4;
	char shown[80];

	if (*word == '\0')
		return fail_set(c->f, EX_DATAERR, "a continued line with "
		    "nothing in it or behind it");
	for (i = 0; strlen(word) <= NEAR_MAX &&
	    i < sizeof(instructions) / sizeof(instructions[0]); i++) {
		n = distance(word, instructions[i]);
		if (n < least && n < strlen(word)) {
			least = n;
			nearest = instructions[i];
		}
	}
	fail_show(shown, sizeof(shown), word, 60);
	return nearest == NULL ? fail_set(c->f, EX_DATAERR, "%s is not a "
	    "Dockerfile instruction", shown) : fail_set(c->f, EX_DATAERR,
	    "%s is not a Dockerfile instruction: did you mean %s?", shown,
	    nearest);
}

static int
check_flag(const struct check *c, size_t k, bool foreign)
{
	const char *flag = c->i->flag[k] + 2, *eq = strchr(flag, '=');
	size_t n = eq == NULL ? strlen(flag) : (size_t)(eq - flag), i, j;
	const struct rule *r = NULL;
	char shown[80], name[80];

	for (i = 0; r == NULL && i < sizeof(rules) / sizeof(rules[0]); i++)
		if (strcmp(rules[i].word, c->i->word) == 0 &&
		    strlen(rules[i].flag) == n &&
		    memcmp(rules[i].flag, flag, n) == 0)
			r = &rules[i];
	if (r == NULL) {
		if (foreign)
			return 0;
		snprintf(shown, sizeof(shown), "%.*s", n < 60 ? (int)n : 60,
		    flag);
		return fail_set(c->f, EX_DATAERR, "%s has no flag --%s",
		    c->i->word, fail_show(name, sizeof(name), shown, 60));
	}
	for (j = 0; r->kind != LIST && j < k; j++)
		if (strncmp(c->i->flag[j] + 2, r->flag, n) == 0 &&
		    (c->i->flag[j][2 + n] == '=' ||
		    c->i->flag[j][2 + n] == '\0'))
			return fail_set(c->f, EX_DATAERR, "%s: --%s is given "
			    "twice", c->i->word, r->flag);
	if (r->kind == SWITCH ? eq != NULL && eq[1] == '\0' : eq == NULL)
		return fail_set(c->f, EX_DATAERR, "%s: --%s has no value: "
		    "write --%s=%s", c->i->word, r->flag, r->flag,
		    r->kind == SWITCH ? "true" : "VALUE");
	if (r->kind == SWITCH && eq != NULL &&
	    strcasecmp(eq + 1, "true") != 0 && strcasecmp(eq + 1, "false") != 0)
		return fail_set(c->f, EX_DATAERR, "%s: --%s is true or false",
		    c->i->word, r->flag);
	return 0;
}

/*
 * A row of CSV as Go reads it, of which "from" may hold no variable: nothing
 * is put in there.
 */
static int
check_mount(const struct check *c, const char *p)
{
	bool first = true, from = false;

	if (*p == '\0')
		return wrong(c, "--mount has no value");
	while (first || *p++ == ',') {
		first = false;
		if (*p != '"') {
			from = strncasecmp(p, "from=", 5) == 0;
			for (; *p != '\0' && *p != ','; p++) {
				if (*p == '"')
					return wrong(c, "--mount: a quote "
					    "inside a field of the list");
				if (from && *p == '$' && p[1] != '\0' &&
				    p[1] != ',')
					goto variable;
			}
			continue;
		}
		from = strncasecmp(++p, "from=", 5) == 0;
		for (;; p++) {
			if (*p == '\0')
				return wrong(c, "--mount: a quote is not "
				    "closed");
			if (*p == '"' && *++p != '"')
				break;
			if (from && *p == '$' && p[1] != '\0' &&
			    p[1] != '"')
				goto variable;
		}
		if (*p != '\0' && *p != ',')
			return wrong(c, "--mount: text behind a closed quote");
	}
	return 0;
variable:
	return wrong(c, "--mount: from takes no variable: give the image a "
	    "stage of its own, and name that");
}

/* A time as Go writes it: 1h30m, 1.5s; 0 or a millisecond and more. */
static int
check_time(const struct check *c, const char *name, const char *p)
{
	static const struct {
		const char	*name;
		double		 ns;
	} unit[] = {	/* one that another begins with comes behind it */
		{ "ns", 1 }, { "us", 1e3 }, { "\302\265s", 1e3 },
		{ "\316\274s", 1e3 }, { "ms", 1e6 }, { "s", 1e9 },
		{ "m", 60e9 }, { "h", 3600e9 },
	};
	const size_t units = sizeof(unit) / sizeof(unit[0]);
	double ns = 0, number;
	bool minus = *p == '-';
	size_t i, n;
	char *end;

	if (*p == '\0')
		return 0;
	p += *p == '-' || *p == '+';
	while (strcmp(p, "0") != 0) {
		n = strspn(p, "0123456789.");
		number = n == 0 || strspn(p, ".") == n ? -1 :
		    strtod(p, &end);
		/* Neither "1e3s" nor "1.2.3s" is one. */
		if (number < 0 || end != p + n)
			goto no;
		p += n;
		for (i = 0; i < units &&
		    strncmp(p, unit[i].name, strlen(unit[i].name)) != 0; i++)
			;
		if (i == units)
			goto no;
		ns += number * unit[i].ns;
		p += strlen(unit[i].name);
		if (*p == '\0')
			break;
	}
	if (ns == 0 || (!minus && ns >= 1e6 && ns < 9.2e18))
		return 0;
no:
	return fail_set(c->f, EX_DATAERR, "%s: --%s is a time such as 30s or "
	    "1m30s, of a millisecond or more", c->i->word, name);
}

static int
healthcheck(struct check *c)
{
	static const char *const times[] = { "interval", "timeout",
	    "start-period", "start-interval" };
	const char *p = c->i->rest, *word, *v;
	size_t n = dockerfile_word(&p, &word), k, t, count;
	const char *digits;
	bool texts, json;

	if (n == 0)
		return wrong(c, "NONE or CMD is missing");
	while (dockerfile_blank(*p))
		p++;
	json = dockerfile_json(p, &texts, &count);
	if (json && !texts)
		return wrong(c, "a list in JSON holds strings only");
	if (n == 4 && strncasecmp(word, "NONE", n) == 0)
		return *p == '\0' ? 0 : wrong(c, "NONE takes no words");
	if (n != 3 || strncasecmp(word, "CMD", n) != 0)
		return wrong(c, "expected NONE or CMD");
	if (json ? count == 0 : *p == '\0')
		return wrong(c, "CMD has no command");
	for (k = 0; k < c->i->flags; k++) {
		for (t = 0; t < 4; t++)
			if ((v = instruction_flag(c->i, k, times[t])) !=
			    NULL && check_time(c, times[t], v) == -1)
				return -1;
		v = instruction_flag(c->i, k, "retries");
		digits = v == NULL ? "" : *v == '+' ? v + 1 : v;
		if (strlen(digits) > 9 || (v != NULL && *v != '\0' &&
		    *digits == '\0') ||
		    digits[strspn(digits, "0123456789")] != '\0')
			return wrong(c, "--retries is a number");
	}
	return 0;
}

/* ENV and LABEL: "name text", or "name=text ...". */
static int
pairs(const struct check *c)
{
	const char *p = c->i->rest, *word, *eq;
	bool first = true;
	size_t n;

	while ((n = dockerfile_quoted(&p, c->escape, &word)) > 0) {
		eq = memchr(word, '=', n);
		if (first && eq == NULL)
			return c->words > 1 ? 0 :
			    wrong(c, "expected a name and a value");
		if (eq == NULL)
			return wrong(c, "a word without =");
		if (eq == word)
			return wrong(c, "a value without a name");
		first = false;
	}
	return first ? wrong(c, "expected a name and a value") : 0;
}

static int
arg(const struct check *c)
{
	const char *p = c->i->rest, *word;
	bool first = true;
	size_t n;

	for (; (n = dockerfile_quoted(&p, c->escape, &word)) > 0;
	    first = false)
		if (*word == '=')
			return wrong(c, "a value without a name");
	return first ? wrong(c, "no name") : 0;
}

static int
from(const struct check *c)
{
	const char *p = c->i->rest, *word;
	size_t n, k;
	char shown[80];

	if (c->words == 0)
		return wrong(c, "no image");
	if (c->words != 1 && c->words != 3)
		return wrong(c, "expected an image, or an image, AS and a "
		    "name, and nothing behind");
	if (c->words == 1)
		return 0;
	dockerfile_word(&p, &word);
	n = dockerfile_word(&p, &word);
	if (n != 2 || strncasecmp(word, "AS", 2) != 0)
		return wrong(c, "expected AS behind the image");
	n = dockerfile_word(&p, &word);
	for (k = 0; k < n && (isalpha((unsigned char)word[k]) || (k > 0 &&
	    strchr("0123456789-_.", word[k]) != NULL)); k++)
		;
	if (k == n)
		return 0;
	fail_show(shown, sizeof(shown), word, 60);
	return fail_set(c->f, EX_DATAERR, "FROM: %s is not a stage name: use "
	    "letters, digits, - _ and ., a letter first", shown);
}

static int
onbuild(const struct check *c)
{
	struct instruction sub = { .line = c->i->line };
	const char *w;
	int r = -1;

	if (*c->i->rest == '\0')
		return wrong(c, "no instruction");
	if (instruction_read(&sub, c->i->rest, strlen(c->i->rest),
	    c->f) == -1)
		goto out;
	w = sub.word;
	if (strcmp(w, "ONBUILD") == 0 || strcmp(w, "FROM") == 0 ||
	    strcmp(w, "MAINTAINER") == 0)
		fail_set(c->f, EX_DATAERR, "ONBUILD: not before %s", w);
	else
		r = 0;
out:
	instruction_free(&sub);
	return r;
}

static int
files(const struct check *c)
{
	struct buf end = BUF_INIT(BUF_SMALL_MAX);
	const char *p = c->i->rest, *word, *last = NULL;
	bool tabs, literal;
	int is = 0;

	if (c->words < 2)
		return wrong(c, "expected what to copy, and where to");
	if (!c->json) {
		while (dockerfile_word(&p, &word) > 0)
			last = word;
		if (last != NULL)
			is = dockerfile_heredoc(last, &end, &tabs, &literal,
			    c->f);
	}
	buf_free(&end);
	return is == 1 ? wrong(c, "the destination cannot be a here-document") :
	    is == -1 && c->f->status != EX_DATAERR ? -1 : 0;
}

static int
volume(const struct check *c)
{
	const char *pos = NULL, *p;
	struct span list, v;
	struct fail f;

	if (c->words == 0)
		return wrong(c, "no path");
	if (!c->json || span_parse(&list, c->i->rest, strlen(c->i->rest),
	    &f) == -1)
		return 0;
	while (span_next(&list, &pos, NULL, &v)) {
		for (p = v.at + 1; dockerfile_blank(*p); p++)
			;
		if (p == v.at + v.len - 1)
			return wrong(c, "a path that is empty");
	}
	return 0;
}

int
grammar_check(const struct instruction *i, char escape, bool foreign,
    struct fail *f)
{
	static const char *const lists[] = { "ADD", "CMD", "COPY",
	    "ENTRYPOINT", "RUN", "SHELL", "VOLUME" };
	struct check c = { .i = i, .escape = escape, .f = f };
	const char *w = i->word, *p = i->rest, *v;
	size_t k;

	if (!grammar_knows(w))
		return foreign ? 0 : unknown(&c);
	for (k = 0; k < sizeof(lists) / sizeof(lists[0]); k++)
		if (strcmp(w, lists[k]) == 0)
			c.json = dockerfile_json(i->rest, &c.texts, &c.words);
	if (c.json && !c.texts)
		return wrong(&c, "a list in JSON holds strings only");
	while (!c.json && dockerfile_word(&p, &v) > 0)
		c.words++;
	for (k = 0; k < i->flags; k++) {
		if (check_flag(&c, k, foreign) == -1)
			return -1;
		v = strcmp(w, "RUN") == 0 ? instruction_flag(i, k, "mount") :
		    NULL;
		if (v != NULL && check_mount(&c, v) == -1)
			return -1;
	}
	if (strcmp(w, "FROM") == 0)
		return from(&c);
	if (strcmp(w, "ARG") == 0)
		return arg(&c);
	if (strcmp(w, "ENV") == 0 || strcmp(w, "LABEL") == 0)
		return pairs(&c);
	if (strcmp(w, "ADD") == 0 || strcmp(w, "COPY") == 0)
		return files(&c);
	if (strcmp(w, "HEALTHCHECK") == 0)
		return healthcheck(&c);
	if (strcmp(w, "ONBUILD") == 0)
		return onbuild(&c);
	if (strcmp(w, "VOLUME") == 0)
		return volume(&c);
	if (strcmp(w, "SHELL") == 0)
		return c.json && c.words > 0 ? 0 :
		    wrong(&c, "expected a list in JSON, as in [\"/bin/sh\", "
		    "\"-c\"]");
	if (strcmp(w, "RUN") == 0 || strcmp(w, "CMD") == 0 ||
	    strcmp(w, "ENTRYPOINT") == 0)
		return 0;
	/* EXPOSE, MAINTAINER, STOPSIGNAL, USER, WORKDIR. */
	return c.words > 0 ? 0 : wrong(&c, "a word is missing");
}
