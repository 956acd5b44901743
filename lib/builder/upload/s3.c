#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "builder/upload/s3.h"

#define DEPTH	16	/* S3's own answers are three deep */
#define WHITE	" \t\r\n"

struct name {
	const char	*at;
	size_t		 len;
};

struct xml {
	const char		*p, *end;
	struct name		 open[DEPTH];
	unsigned		 depth;
	bool			 rooted;	/* the root has been seen */
	struct s3_answer	*out;
};

/* Where a child's text goes, with its size; NULL if it is not wanted. */
static char *
wanted(struct xml *x, size_t *size)
{
	static const char *const names[] = { "Code", "Message", "ETag" };
	char *const dst[] = { x->out->code, x->out->message, x->out->etag };
	const size_t sizes[] = { sizeof(x->out->code),
	    sizeof(x->out->message), sizeof(x->out->etag) };
	const struct name *n = &x->open[1];
	size_t i;

	if (x->depth != 2)
		return NULL;
	for (i = 0; i < 3; i++)
		if (n->len == strlen(names[i]) &&
		    memcmp(n->at, names[i], n->len) == 0) {
			*size = sizes[i];
			return dst[i];
		}
	return NULL;
}

/* One character onto the wanted text, if there is one and it has room. */
static void
keep(char *dst, size_t size, char c)
{
	size_t n;

	if (dst == NULL || (n = strlen(dst)) + 1 >= size)
		return;
	dst[n] = (unsigned char)c < 0x20 || c == 0x7f ? '?' : c;
	dst[n + 1] = '\0';
}

static bool
starts(const struct xml *x, const char *s)
{
	size_t n = strlen(s);

	return (size_t)(x->end - x->p) >= n && memcmp(x->p, s, n) == 0;
}

/* Go behind the next occurrence of a text. */
static int
skip_to(struct xml *x, const char *s)
{
	const char *at = memmem(x->p, (size_t)(x->end - x->p), s, strlen(s));

	if (at == NULL)
		return -1;
	x->p = at + strlen(s);
	return 0;
}

static void
skip_white(struct xml *x)
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
name(struct xml *x, struct name *n)
{
	n->at = x->p;
	while (x->p < x->end && name_byte(*x->p))
		x->p++;
	n->len = (size_t)(x->p - n->at);
	return n->len == 0 || strchr("0123456789-.", n->at[0]) != NULL ? -1 :
	    0;
}

/* &amp; and its like; numbers above ASCII are kept as '?'. */
static int
entity(struct xml *x, char *dst, size_t size)
{
	static const struct { const char *name; char c; } known[] = {
		{ "&amp;", '&' }, { "&lt;", '<' }, { "&gt;", '>' },
		{ "&quot;", '"' }, { "&apos;", '\'' },
	};
	unsigned long c;
	char *end;
	int base = 10;
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (starts(x, known[i].name)) {
			keep(dst, size, known[i].c);
			x->p += strlen(known[i].name);
			return 0;
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
	if (*end != ';' || c == 0)
		return -1;
	keep(dst, size, c < 0x80 ? (char)c : '?');
	x->p = end + 1;
	return 0;
}

static int
text(struct xml *x)
{
	size_t size = 0;
	char *dst = wanted(x, &size);

	while (x->p < x->end && *x->p != '<') {
		if (*x->p == '&') {
			if (x->depth == 0 || entity(x, dst, size) == -1)
				return -1;
			continue;
		}
		if (x->depth == 0 && strchr(WHITE, *x->p) == NULL)
			return -1;
		if (*x->p == '\0')
			return -1;
		keep(dst, size, *x->p++);
	}
	return 0;
}

static int
attributes(struct xml *x)
{
	struct name n;
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

static int
open_tag(struct xml *x)
{
	struct name n;
	const char *colon;
	size_t len;

	x->p++;
	if (x->depth == DEPTH || (x->depth == 0 && x->rooted) ||
	    name(x, &n) == -1)
		return -1;
	if (x->depth == 0) {
		colon = memchr(n.at, ':', n.len);
		len = colon == NULL ? n.len :
		    n.len - (size_t)(colon + 1 - n.at);
		if (len >= sizeof(x->out->root))
			return -1;
		memcpy(x->out->root, n.at + n.len - len, len);
		x->rooted = true;
	}
	x->open[x->depth++] = n;
	if (attributes(x) == -1)
		return -1;
	if (*x->p == '/') {
		x->p++;
		x->depth--;
	}
	if (x->p == x->end || *x->p++ != '>')
		return -1;
	return 0;
}

static int
close_tag(struct xml *x)
{
	const struct name *want;
	struct name n;

	x->p += 2;
	if (x->depth == 0 || name(x, &n) == -1)
		return -1;
	want = &x->open[--x->depth];
	if (n.len != want->len || memcmp(n.at, want->at, n.len) != 0)
		return -1;
	skip_white(x);
	return x->p == x->end || *x->p++ != '>' ? -1 : 0;
}

static int
cdata(struct xml *x)
{
	const char *from = x->p += strlen("<![CDATA[");
	size_t size = 0;
	char *dst = wanted(x, &size);

	if (x->depth == 0 || skip_to(x, "]]>") == -1)
		return -1;
	for (; from < x->p - 3; from++)
		keep(dst, size, *from);
	return 0;
}

static int
parse(struct xml *x)
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
s3_parse(struct s3_answer *out, const char *s, size_t len, struct fail *f)
{
	struct xml x = { .p = s, .end = s + len, .out = out };

	memset(out, 0, sizeof(*out));
	if (len == 0)
		return fail_set(f, EX_PROTOCOL, "an empty answer");
	if (parse(&x) == -1)
		return fail_set(f, EX_PROTOCOL, "not XML at byte %zu of %zu",
		    (size_t)(x.p - s), len);
	return 0;
}

/* Codes that S3's list of errors describes as worth another try. */
static bool
passing(const char *code)
{
	static const char *const codes[] = { "BadDigest", "IncompleteBody",
	    "InternalError", "OperationAborted", "RequestTimeout",
	    "ServiceUnavailable", "SlowDown", "TemporaryRedirect", "Busy" };
	size_t i;

	for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (strcmp(codes[i], code) == 0)
			return true;
	return false;
}

int
s3_error(const struct s3_answer *a, long status, const char *what,
    struct fail *f)
{
	int ex = status == 401 || status == 403 ||
	    strcmp(a->code, "AccessDenied") == 0 ? EX_NOPERM : EX_UNAVAILABLE;
	char words[sizeof(a->message)];

	if (passing(a->code) || status == 408 || status == 429 ||
	    (status >= 500 && status != 501))
		ex = EX_TEMPFAIL;
	/* The words are the store's: a URL in them ends at its '?'. */
	fail_show(words, sizeof(words), a->message, sizeof(words));
	return fail_set(f, ex, "%s: the store refused (%ld %s)%s%s", what,
	    status, a->code[0] != '\0' ? a->code : "Error",
	    words[0] != '\0' ? ": " : "", words);
}

int
s3_refused(const struct http_reply *r, const char *what, struct fail *f)
{
	struct s3_answer a;
	struct fail quiet;

	if (r->body.len != 0 &&
	    s3_parse(&a, r->body.data, r->body.len, &quiet) == 0 &&
	    strcmp(a.root, "Error") == 0)
		return s3_error(&a, r->status, what, f);
	http_refused(r, what, f);
	/* A store's 500 is no different from its 503. */
	if (r->status == 500)
		f->status = EX_TEMPFAIL;
	return -1;
}
