#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "client/plan/buildarg.h"
#include "client/plan/dockerfile.h"

/* ${a:-${b:-...}} deeper than anyone writes is taken for unknown. */
#define NESTED_MAX	16

/* BuildKit gives these values of its own, which are not known here. */
static const char *const automatic[] = {
	"TARGETPLATFORM", "TARGETOS", "TARGETARCH", "TARGETVARIANT",
	"BUILDPLATFORM", "BUILDOS", "BUILDARCH", "BUILDVARIANT",
};

struct expansion {
	const struct buildargs *args;
	char		 escape;
	struct buf	*out;
	struct fail	*f;
	unsigned	 nested;
};

static int expand(struct expansion *, const char *p, const char *end);

static bool
is_automatic(const char *name, size_t n)
{
	size_t i;

	for (i = 0; i < sizeof(automatic) / sizeof(automatic[0]); i++)
		if (strlen(automatic[i]) == n &&
		    memcmp(automatic[i], name, n) == 0)
			return true;
	return false;
}

/* The last declaration counts. */
static const char *
value_of(const struct buildargs *args, const char *name, size_t n)
{
	size_t i;

	for (i = args->n; i-- > 0;)
		if (strlen(args->list[i].name) == n &&
		    memcmp(args->list[i].name, name, n) == 0)
			return args->list[i].value;
	return NULL;
}

/* The brace that closes what is open at p, or NULL. */
static const char *
closing(const char *p, const char *end, char escape)
{
	unsigned depth = 1;
	char in = '\0';

	for (; p < end; p++)
		if (*p == escape && in != '\'')
			p++;
		else if (in != '\0' && *p == in)
			in = '\0';
		else if (in == '\0' && (*p == '\'' || *p == '"'))
			in = *p;
		else if (in != '\'' && *p == '$' && p + 1 < end &&
		    p[1] == '{')
			depth++;
		else if (in != '\'' && *p == '}' && --depth == 0)
			return p;
	return NULL;
}

/*
 * Behind the expression whose dollar is at p; NULL if its value is not known
 * or if memory ran out, which x->f tells.
 */
static const char *
variable(struct expansion *x, const char *p, const char *end)
{
	bool brace = p + 1 < end && p[1] == '{', colon = false, set;
	const char *name = p + (brace ? 2 : 1), *value, *close = NULL;
	size_t n = 0;
	char kind;

	while (name + n < end && (name[n] == '_' ||
	    isalnum((unsigned char)name[n])))
		n++;
	if (n == 0 || isdigit((unsigned char)name[0]) ||
	    is_automatic(name, n))
		return NULL;
	value = value_of(x->args, name, n);
	p = name + n;
	if (!brace)
		return value == NULL ||
		    buf_adds(x->out, value, x->f) == -1 ? NULL : p;
	if ((close = closing(p, end, x->escape)) == NULL)
		return NULL;
	if (p == close)
		return value == NULL ||
		    buf_adds(x->out, value, x->f) == -1 ? NULL : close + 1;
	if (*p == ':') {
		colon = true;
		p++;
	}
	kind = *p++;
	if (kind != '-' && kind != '+')
		return NULL;
	set = value != NULL && !(colon && value[0] == '\0');
	if (kind == '-' && set)
		return buf_adds(x->out, value, x->f) == -1 ? NULL : close + 1;
	if (kind == '+' && !set)
		return close + 1;
	if (x->nested == NESTED_MAX)
		return NULL;
	x->nested++;
	if (expand(x, p, close) == -1)
		return NULL;
	x->nested--;
	return close + 1;
}

/* -1 if something is not known or memory ran out. */
static int
expand(struct expansion *x, const char *p, const char *end)
{
	char in = '\0';

	while (p < end) {
		if (*p == x->escape && in != '\'' && p + 1 < end) {
			p++;
		} else if (in != '\0' && *p == in) {
			in = '\0';
			p++;
			continue;
		} else if (in == '\0' && (*p == '\'' || *p == '"')) {
			in = *p++;
			continue;
		} else if (*p == '$' && in != '\'' && x->args != NULL) {
			if ((p = variable(x, p, end)) == NULL)
				return -1;
			continue;
		}
		if (buf_add(x->out, p++, 1, x->f) == -1)
			return -1;
	}
	return 0;
}

int
buildargs_expand(const struct buildargs *args, const char *p, size_t len,
    char escape, struct buf *out, struct fail *f)
{
	struct expansion x = { args, escape, out, f, 0 };
	size_t keep = out->len;

	f->status = 0;
	if (buf_room(out, 0, f) == -1)
		return -1;
	if (args != NULL && expand(&x, p, p + len) == 0) {
		out->data[out->len] = '\0';
		return 1;
	}
	if (f->status != 0)
		return -1;
	out->len = keep;
	out->data[keep] = '\0';
	x.args = NULL;
	return expand(&x, p, p + len);
}

int
buildargs_declare(struct buildargs *args, const char *p, char escape,
    struct fail *f)
{
	struct buf value = BUF_INIT(BUF_SMALL_MAX);
	int r = 0;
	size_t n;

	for (; r != -1 && *p != '\0'; p += n) {
		struct buildarg *a;
		const char *eq;

		for (; dockerfile_blank(*p); p++)
			;
		if (*p == '\0')
			break;
		if ((n = dockerfile_word(p, escape)) == 0) {
			r = fail_set(f, EX_DATAERR,
			    "a quote is not closed");
			break;
		}
		a = reallocarray(args->list, args->n + 1, sizeof(*a));
		if (a == NULL) {
			r = fail_set(f, EX_OSERR, "out of memory");
			break;
		}
		args->list = a;
		a += args->n;
		a->value = NULL;
		eq = memchr(p, '=', n);
		a->name = strndup(p, eq == NULL ? n : (size_t)(eq - p));
		if (a->name == NULL) {
			r = fail_set(f, EX_OSERR, "out of memory");
			break;
		}
		if (eq != NULL) {
			buf_clear(&value);
			r = buildargs_expand(args, eq + 1,
			    (size_t)(p + n - eq - 1), escape, &value, f);
			if (r == 1 && (a->value = strdup(value.data)) == NULL)
				r = fail_set(f, EX_OSERR, "out of memory");
		}
		args->n++;
	}
	buf_free(&value);
	return r == -1 ? -1 : 0;
}

void
buildargs_free(struct buildargs *args)
{
	size_t i;

	for (i = 0; i < args->n; i++) {
		free(args->list[i].name);
		free(args->list[i].value);
	}
	free(args->list);
	args->list = NULL;
	args->n = 0;
}
