#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "core/utf8.h"
#include "core/xml.h"

#define WHITE	" \t\r\n"

struct reader {
	const char	*p, *end;
	struct xml_name	 open[XML_DEPTH];	/* as written, with prefixes */
	struct xml_name	 bare[XML_DEPTH];
	unsigned	 depth;
	bool		 rooted;	/* the root has been seen */
	struct buf	 text;		/* behind the last tag */
	int		(*each)(void *, const struct xml_name *, unsigned,
			    const char *, struct fail *);
	void		*arg;
	bool		 gave_up;	/* by each, or out of memory */
	struct fail	*f;
};

bool
xml_is(const struct xml_name *n, const char *name)
{
	return n->len == strlen(name) && memcmp(n->at, name, n->len) == 0;
}

static int
keep(struct reader *x, const char *s, size_t n)
{
	if (buf_add(&x->text, s, n, x->f) == 0)
		return 0;
	x->gave_up = true;
	return -1;
}

static bool
starts(const struct reader *x, const char *s)
{
	size_t n = strlen(s);

	return (size_t)(x->end - x->p) >= n && memcmp(x->p, s, n) == 0;
}

/* Go behind the next occurrence of a text. */
static int
skip_to(struct reader *x, const char *s)
{
	const char *at = memmem(x->p, (size_t)(x->end - x->p), s, strlen(s));

	if (at == NULL)
		return -1;
	x->p = at + strlen(s);
	return 0;
}

static void
skip_white(struct reader *x)
{
	while (x->p < x->end && strchr(WHITE, *x->p) != NULL && *x->p != '\0')
		x->p++;
}

static bool
name_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || (c != '\0' && strchr("_:-.", c)) ||
	    (unsigned char)c >= 0x80;
}

static int
name(struct reader *x, struct xml_name *n)
{
	n->at = x->p;
	while (x->p < x->end && name_byte(*x->p))
		x->p++;
	n->len = (size_t)(x->p - n->at);
	return n->len == 0 || strchr("0123456789-.", n->at[0]) != NULL ? -1 :
	    0;
}

/* &amp; and its like. */
static int
entity(struct reader *x)
{
	static const struct { const char *name; char c; } known[] = {
		{ "&amp;", '&' }, { "&lt;", '<' }, { "&gt;", '>' },
		{ "&quot;", '"' }, { "&apos;", '\'' },
	};
	unsigned long c;
	char *end, utf8[4];
	int base = 10;
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (starts(x, known[i].name)) {
			x->p += strlen(known[i].name);
			return keep(x, &known[i].c, 1);
		}
	if (!starts(x, "&#") || memchr(x->p, ';', (size_t)(x->end - x->p)) ==
	    NULL)
		return -1;
	x->p += 2;
	if (*x->p == 'x')
		x->p++, base = 16;
	/* strtoul() takes blanks and signs; a reference has neither. */
	if (!isxdigit((unsigned char)*x->p))
		return -1;
	c = strtoul(x->p, &end, base);
	if (*end != ';' || c == 0 || c > 0x10ffff ||
	    (c >= 0xd800 && c < 0xe000))
		return -1;
	x->p = end + 1;
	return keep(x, utf8, utf8_put(utf8, (uint32_t)c));
}

static int
text(struct reader *x)
{
	const char *from;

	while (x->p < x->end && *x->p != '<') {
		if (*x->p == '&') {
			if (x->depth == 0 || entity(x) == -1)
				return -1;
			continue;
		}
		for (from = x->p; x->p < x->end && *x->p != '<' &&
		    *x->p != '&'; x->p++)
			if (*x->p == '\0' || (x->depth == 0 &&
			    strchr(WHITE, *x->p) == NULL))
				return -1;
		if (keep(x, from, (size_t)(x->p - from)) == -1)
			return -1;
	}
	return 0;
}

static int
attributes(struct reader *x)
{
	struct xml_name n;
	const char *at;

	for (;;) {
		at = x->p;
		skip_white(x);
		if (x->p == x->end)
			return -1;
		if (*x->p == '>' || *x->p == '/')
			return 0;
		if (at == x->p || name(x, &n) == -1)
			return -1;
		skip_white(x);
		if (x->p == x->end || *x->p++ != '=')
			return -1;
		skip_white(x);
		if (x->p == x->end || (*x->p != '"' && *x->p != '\''))
			return -1;
		at = memchr(x->p + 1, *x->p, (size_t)(x->end - x->p - 1));
		if (at == NULL || memchr(x->p, '<', (size_t)(at - x->p)))
			return -1;
		x->p = at + 1;
	}
}

/* The element that was opened last ends. */
static int
ended(struct reader *x)
{
	if (keep(x, "", 0) == -1)
		return -1;
	if (x->each(x->arg, x->bare, x->depth, x->text.data, x->f) == -1) {
		x->gave_up = true;
		return -1;
	}
	x->depth--;
	buf_clear(&x->text);
	return 0;
}

static int
open_tag(struct reader *x)
{
	struct xml_name n;
	const char *colon;
	bool empty;

	x->p++;
	if (x->depth == XML_DEPTH || (x->depth == 0 && x->rooted) ||
	    name(x, &n) == -1)
		return -1;
	x->rooted = true;
	x->open[x->depth] = n;
	if ((colon = memchr(n.at, ':', n.len)) != NULL) {
		n.len -= (size_t)(colon + 1 - n.at);
		n.at = colon + 1;
	}
	x->bare[x->depth++] = n;
	buf_clear(&x->text);
	if (attributes(x) == -1)
		return -1;
	empty = *x->p == '/';
	if (empty)
		x->p++;
	if (x->p == x->end || *x->p++ != '>')
		return -1;
	return empty ? ended(x) : 0;
}

static int
close_tag(struct reader *x)
{
	const struct xml_name *want;
	struct xml_name n;

	x->p += 2;
	if (x->depth == 0 || name(x, &n) == -1)
		return -1;
	want = &x->open[x->depth - 1];
	if (n.len != want->len || memcmp(n.at, want->at, n.len) != 0)
		return -1;
	skip_white(x);
	if (x->p == x->end || *x->p++ != '>')
		return -1;
	return ended(x);
}

static int
cdata(struct reader *x)
{
	const char *from = x->p += strlen("<![CDATA[");

	if (x->depth == 0 || skip_to(x, "]]>") == -1 ||
	    memchr(from, '\0', (size_t)(x->p - from)) != NULL)
		return -1;
	return keep(x, from, (size_t)(x->p - 3 - from));
}

static int
parse(struct reader *x)
{
	int r;

	while (x->p < x->end) {
		if (*x->p != '<')
			r = text(x);
		else if (starts(x, "<?"))
			r = skip_to(x, "?>");
		else if (starts(x, "<!--"))
			r = skip_to(x, "-->");
		else if (starts(x, "<![CDATA["))
			r = cdata(x);
		else if (starts(x, "</"))
			r = close_tag(x);
		else
			r = open_tag(x);
		if (r == -1)
			return -1;
	}
	return x->rooted && x->depth == 0 ? 0 : -1;
}

int
xml_read(const char *s, size_t len, int (*each)(void *,
    const struct xml_name *, unsigned, const char *, struct fail *), void *arg,
    struct fail *f)
{
	struct reader x = { .p = s, .end = s + len, .text = BUF_INIT(len + 1),
	    .each = each, .arg = arg, .f = f };
	int r;

	if (len == 0)
		return fail_set(f, EX_PROTOCOL, "an empty answer");
	r = parse(&x);
	buf_free(&x.text);
	if (r == -1 && !x.gave_up)
		return fail_set(f, EX_PROTOCOL, "not XML at byte %zu of %zu",
		    (size_t)(x.p - s), len);
	return r;
}

int
xml_add(struct buf *b, const char *s, struct fail *f)
{
	for (; *s != '\0'; s++) {
		const char *e = *s == '&' ? "&amp;" : *s == '<' ? "&lt;" :
		    *s == '>' ? "&gt;" : NULL;

		if (e != NULL ? buf_adds(b, e, f) == -1 :
		    (unsigned char)*s < 0x20 ?
		    buf_addf(b, f, "&#x%x;", (unsigned)*s) == -1 :
		    buf_add(b, s, 1, f) == -1)
			return -1;
	}
	return 0;
}
