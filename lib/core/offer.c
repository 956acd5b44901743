#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <wctype.h>

#include "core/offer.h"
#include "core/utf8.h"

#define LETTER	"abcdefghijklmnopqrstuvwxyz"
#define DIGIT	"0123456789"
#define CAPITAL	"ABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* What a value or an operand is, by the word that stands for it. */
static const struct {
	const char	*word;
	enum offer_kind	 kind;
	enum offer_names names;
} words_known[] = {
	{ "ATTESTED", OFFER_FILES, OFFER_NO_NAMES },
	{ "BLOCK", OFFER_FILES, OFFER_NO_NAMES },
	{ "COMMAND", OFFER_COMMANDS, OFFER_NO_NAMES },
	{ "CONTEXT", OFFER_FOLDERS, OFFER_NO_NAMES },
	{ "DIR", OFFER_FOLDERS, OFFER_NO_NAMES },
	{ "DOCKERFILE", OFFER_FILES, OFFER_NO_NAMES },
	{ "FILE", OFFER_FILES, OFFER_NO_NAMES },
	{ "FOLDER", OFFER_FOLDERS, OFFER_NO_NAMES },
	{ "IMAGE", OFFER_FILES, OFFER_NO_NAMES },
	{ "LEDGER", OFFER_FILES, OFFER_NO_NAMES },
	{ "NAME|ID", OFFER_WORDS, OFFER_IMAGES },
	{ "OUTPUT", OFFER_FILES, OFFER_NO_NAMES },
	{ "PARENT", OFFER_FILES, OFFER_NO_NAMES },
	{ "PLAN", OFFER_FILES, OFFER_NO_NAMES },
	{ "PREPARED", OFFER_FILES, OFFER_NO_NAMES },
	{ "PROGRAM", OFFER_FILES, OFFER_NO_NAMES },
	{ "RAW", OFFER_FILES, OFFER_NO_NAMES },
	{ "ROOT", OFFER_FOLDERS, OFFER_NO_NAMES },
	{ "SIGNED", OFFER_FILES, OFFER_NO_NAMES },
	{ "SNAPSHOT", OFFER_FILES, OFFER_NO_NAMES },
	{ "SPEC", OFFER_FILES, OFFER_NO_NAMES },
};
#define KNOWN	(sizeof(words_known) / sizeof(words_known[0]))

/* The same of an option by its name, which says more; net: of those that ask. */
static const struct {
	const char	*option, *word;
	enum offer_kind	 kind;
	enum offer_names names;
	bool		 net;
} options_known[] = {
	{ "image", "NAME", OFFER_WORDS, OFFER_IMAGES, true },
	{ "name", "NAME", OFFER_WORDS, OFFER_IMAGES, true },
	{ "resume", "DIR", OFFER_FOLDERS, OFFER_BUILDS, false },
};
#define OPTIONS_KNOWN	(sizeof(options_known) / sizeof(options_known[0]))

/* What every program has, and no text says more about. */
static const char *const common[][2] = {
	{ "help", "say how it is used" },
	{ "verbose", "say more" },
	{ "version", "say the version" },
};
#define COMMON	(sizeof(common) / sizeof(common[0]))

/* A command line as far as it is known. */
struct line {
	const struct usage	*usage;
	struct buf		 operands;	/* what may be: "CONTEXT DOCKERFILE " */
	bool			 command;	/* the rest is another program's */
	const struct usage_option *open;	/* wants a value next */
	const struct usage_verb	*verb;
	size_t			 count;		/* operands, but for the verb */
	bool			 ended;		/* no more options */
};

static bool
is(const char *word, size_t len, const char *name)
{
	return strlen(name) == len && memcmp(word, name, len) == 0;
}

static const struct usage_option *
long_option(const struct usage *u, const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < u->nlongs; i++)
		if (is(name, len, u->longs[i].name))
			return usage_found(u, u->longs[i].val);
	return NULL;
}

/*
 * What is offered.
 */

/* Whether a shell takes all of it as it stands, and a terminal shows it. */
static bool
plain(const char *s)
{
	static locale_t any;
	size_t left = strlen(s), len;
	uint32_t rune;

	if (left == 0 || left > 200 || *s == '-')
		return false;
	/* Without one, what is not ASCII stays out. */
	if (any == (locale_t)0)
		any = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	for (; left > 0; s += len, left -= len) {
		if ((len = utf8_rune(s, left, &rune)) == 0)
			return false;
		if (rune < 0x80 ? strchr(LETTER CAPITAL DIGIT "-._/:@",
		    (char)rune) == NULL : any == (locale_t)0 ||
		    iswalnum_l((wint_t)rune, any) == 0)
			return false;
	}
	return true;
}

/* As it is; what is before the value stays before it. */
static int
add(struct offer *o, const char *value, const char *text, struct fail *f)
{
	const char *begun = o->word + o->before;

	if (strncmp(value, begun, strlen(begun)) != 0)
		return 0;
	return buf_addf(&o->list, f, "%.*s%s\t%s\n", (int)o->before, o->word,
	    value, text != NULL ? text : "");
}

int
offer_add(struct offer *o, const char *value, const char *text,
    struct fail *f)
{
	return plain(value) ? add(o, value, text, f) : 0;
}

/*
 * A word of a text's list, "with: isal (the default), zlib or none", and what is
 * behind it, or NULL; *len is 0 behind the last.  Brackets say something else.
 */
static const char *
choice(const char *p, size_t *len)
{
	p += strspn(p, " ,");
	if (strncmp(p, "or ", 3) == 0)
		p += 3;
	if ((*len = strspn(p, LETTER "-")) == 0)
		return *p == '\0' || *p == ';' || *p == '(' ? p : NULL;
	p += *len;
	p += strspn(p, " ");
	if (*p == '(') {
		p += strcspn(p, ")");
		p += *p == ')';
	}
	p += strspn(p, " ");
	return strchr(",;", *p) != NULL || strncmp(p, "or ", 3) == 0 ? p :
	    NULL;
}

/* Two words or more in a list, and nothing else; otherwise none. */
static int
choices(struct offer *o, const char *text, struct fail *f)
{
	char word[64];
	const char *p, *begin = text, *end;
	size_t n = 0, len;

	if (text == NULL)
		return 0;
	for (p = strchr(text, ':'); p != NULL; p = strchr(p + 1, ':'))
		if (p[1] == ' ')
			begin = p + 2;
	for (p = begin; (p = choice(p, &len)) != NULL && len > 0; n++)
		;
	if (p == NULL || n < 2)
		return 0;
	for (p = begin; (end = choice(p, &len)) != NULL && len > 0; p = end) {
		p += strspn(p, " ,");
		if (strncmp(p, "or ", 3) == 0)
			p += 3;
		if (len >= sizeof(word))
			continue;
		memcpy(word, p, len);
		word[len] = '\0';
		if (add(o, word, NULL, f) == -1)
			return -1;
	}
	return 0;
}

/* What stands for a value, and the words about it. */
static int
value(struct offer *o, const char *word, size_t len, const char *text,
    struct fail *f)
{
	size_t i;

	for (i = 0; i < KNOWN; i++)
		if (is(word, len, words_known[i].word)) {
			/* Of several that may be, files are all. */
			if (o->kind != OFFER_FILES)
				o->kind = words_known[i].kind;
			if (words_known[i].names != OFFER_NO_NAMES)
				o->names = words_known[i].names;
			return 0;
		}
	return choices(o, text, f);
}

/* Whether the words about an option say that it is another verb's. */
static bool
of_another(const struct line *l, const char *text)
{
	const char *p = text, *end;
	bool ours = false, others = false, here;
	size_t i, len;

	if (l->verb == NULL || text == NULL)
		return false;
	for (; p != NULL; p = strstr(p, "; "), p += p != NULL ? 2 : 0) {
		/* "up, run: " */
		here = false;
		for (end = p;; end += len + 2) {
			len = strspn(end, LETTER "-" DIGIT);
			for (i = 0; i < l->usage->nverbs && !is(end, len,
			    l->usage->verb[i].name); i++)
				;
			if (i == l->usage->nverbs)
				break;
			here = here || &l->usage->verb[i] == l->verb;
			if (end[len] == ':') {
				ours = ours || here;
				others = true;
			}
			if (strncmp(end + len, ", ", 2) != 0)
				break;
		}
	}
	return others && !ours;
}

/* The value of an option. */
static int
option_value(struct offer *o, const struct usage *u,
    const struct usage_option *at, struct fail *f)
{
	size_t i;

	for (i = 0; i < OPTIONS_KNOWN; i++)
		if (strcmp(at->name, options_known[i].option) == 0 &&
		    strcmp(at->word, options_known[i].word) == 0 &&
		    (!options_known[i].net ||
		    long_option(u, "api-url", strlen("api-url")) != NULL)) {
			o->kind = options_known[i].kind;
			o->names = options_known[i].names;
			return 0;
		}
	return value(o, at->word, strlen(at->word), at->text, f);
}

static int
options(struct offer *o, const struct line *l, struct fail *f)
{
	const struct usage *u = l->usage;
	const struct usage_option *at;
	char letter[] = "-x", name[128];
	const char *text;
	size_t i, j;

	for (i = 0; i < u->n; i++) {
		at = &u->option[i];
		if (of_another(l, at->text))
			continue;
		text = at->text;
		for (j = 0; text == NULL && j < COMMON; j++)
			if (strcmp(at->name, common[j][0]) == 0)
				text = common[j][1];
		for (j = 0; j < u->letters.len; j += 2) {
			letter[1] = u->letters.data[j];
			if ((size_t)u->letters.data[j + 1] == i &&
			    add(o, letter, text, f) == -1)
				return -1;
		}
		for (j = 0; j < u->nlongs; j++) {
			/* An underscore is the same once more. */
			if ((size_t)u->longs[j].val != USAGE_LONG + i ||
			    strchr(u->longs[j].name, '_') != NULL)
				continue;
			snprintf(name, sizeof(name), "--%s", u->longs[j].name);
			if (add(o, name, text, f) == -1)
				return -1;
		}
	}
	return 0;
}

/*
 * Operands.
 */

/*
 * Those of the lines that say how a program is called, each with a blank behind
 * it.  Options stand there, too, and their values.
 */
static int
read_operands(struct line *l, const char *text, struct fail *f)
{
	const struct usage *u = l->usage;
	const struct usage_option *at = NULL;
	const char *p = text, *end;
	size_t len, i;
	char letter;

	/* The first line, and those that go on with it. */
	for (end = text; *end != '\0'; end += *end == '\n') {
		if (end != text && (strspn(end, " ") < 7 ||
		    end[strspn(end, " ")] == '-'))
			break;
		end += strcspn(end, "\n");
	}
	for (; p < end; p += len) {
		p += strspn(p, " \n[].");
		len = strcspn(p, " \n[].");
		if (p >= end)
			break;
		if (*p == '-') {
			/* -s FILE, --sandbox FILE, -qv */
			letter = p[1] != '-' && len == 2 ? p[1] : '\0';
			at = len > 2 ? long_option(u, p + 2, len - 2) : NULL;
			for (i = 0; i < u->letters.len; i += 2)
				if (u->letters.data[i] == letter)
					at = usage_found(u, letter);
			continue;
		}
		if (at != NULL && at->value) {
			at = NULL;
			continue;
		}
		at = NULL;
		/* A bar that stands alone is between two ways to call it. */
		if (*p == '|' || strspn(p, CAPITAL "_|") != len || is(p, len, "OPTION") ||
		    is(p, len, "OPTIONS") || is(p, len, "SETTINGS"))
			continue;
		if (is(p, len, "COMMAND"))
			l->command = true;
		if (buf_add(&l->operands, p, len, f) == -1 ||
		    buf_adds(&l->operands, " ", f) == -1)
			return -1;
	}
	return 0;
}

static int
operand(struct offer *o, struct line *l, struct fail *f)
{
	const struct usage *u = l->usage;
	const char *p, *text = NULL;
	size_t i, len;

	if (u->nverbs > 0 && l->verb == NULL) {
		for (i = 0; i < u->nverbs; i++)
			if (add(o, u->verb[i].name, u->verb[i].text, f) == -1)
				return -1;
		return 0;
	}
	if (l->command && l->count > 0) {
		o->kind = OFFER_FILES;
		return 0;
	}
	if (l->verb == NULL) {
		/* In which order they may stand it does not say. */
		for (p = l->operands.len > 0 ? l->operands.data : ""; *p !=
		    '\0'; p += len + 1) {
			len = strcspn(p, " ");
			if (value(o, p, len, NULL, f) == -1)
				return -1;
		}
		return 0;
	}
	text = l->verb->text;
	for (p = l->verb->operands, i = 0; *p != '\0'; p += len, i++) {
		p += strspn(p, " [");
		len = strcspn(p, " ].");
		if (i == l->count || (i < l->count && p[len] == '.'))
			return value(o, p, len, text, f);
		len += strspn(p + len, " ].");
	}
	return 0;
}

/*
 * The words so far.
 */

static void
take(struct line *l, const char *word)
{
	const struct usage *u = l->usage;
	const struct usage_option *at = NULL;
	size_t i;

	if (l->open != NULL)
		l->open = NULL;
	else if (!l->ended && strcmp(word, "--") == 0)
		l->ended = true;
	else if (!l->ended && word[0] == '-' && word[1] == '-') {
		if (strchr(word, '=') == NULL)
			at = long_option(u, word + 2, strlen(word + 2));
		l->open = at != NULL && at->value ? at : NULL;
	} else if (!l->ended && word[0] == '-' && word[1] != '\0') {
		/* What is behind a letter that wants a value is that. */
		for (i = 1; word[i] != '\0'; i++) {
			at = usage_found(u, (unsigned char)word[i]);
			if (at != NULL && at->value)
				break;
		}
		l->open = word[i] != '\0' && word[i + 1] == '\0' ? at : NULL;
	} else if (u->nverbs > 0 && l->verb == NULL) {
		for (i = 0; i < u->nverbs; i++)
			if (strcmp(word, u->verb[i].name) == 0)
				l->verb = &u->verb[i];
		/* What is none may become one: nobody knows what follows. */
		if (l->verb == NULL)
			l->count++;
		else if (strncmp(l->verb->operands, "COMMAND", 7) == 0)
			l->command = true;
	} else {
		l->count++;
		l->ended = l->ended || l->command;
	}
}

int
offer_next(struct offer *o, const struct usage *u, const char *text,
    char *const words[], size_t n, struct fail *f)
{
	struct line l = { .usage = u, .operands = BUF_INIT(BUF_SMALL_MAX) };
	const struct usage_option *at;
	const char *word = words[n - 1], *equal = strchr(word, '=');
	size_t i;
	bool inside;	/* of --name=value */
	int r = 0;

	o->word = word;
	if (u->nverbs == 0 && read_operands(&l, text, f) == -1)
		return -1;
	for (i = 0; i < n - 1; i++)
		take(&l, words[i]);
	inside = l.open == NULL && !l.ended && strncmp(word, "--", 2) == 0 &&
	    equal != NULL;
	at = inside ? long_option(u, word + 2, (size_t)(equal - word - 2)) :
	    l.open;
	if (at != NULL && at->value) {
		if (inside)
			o->before = (size_t)(equal + 1 - word);
		r = option_value(o, u, at, f);
	} else if (inside)
		;
	else if (!l.ended && *word == '-')
		r = options(o, &l, f);
	else if (u->nverbs == 0 || l.verb != NULL || l.count == 0)
		r = operand(o, &l, f);
	buf_free(&l.operands);
	return r;
}

void
offer_free(struct offer *o)
{
	buf_free(&o->list);
	*o = (struct offer)OFFER_INIT;
}
