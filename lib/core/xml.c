#include <expat.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "core/xml.h"

struct reader {
	XML_Parser	 parser;
	char		*open[XML_DEPTH];	/* as expat has named them */
	struct xml_name	 bare[XML_DEPTH];
	unsigned	 depth;
	struct buf	 text;		/* behind the last tag */
	int		(*each)(void *, const struct xml_name *, unsigned,
			    const char *, struct fail *);
	void		*arg;
	const char	*refused;	/* what expat would take */
	bool		 gave_up;	/* by each, or out of memory; f says it */
	struct fail	*f;
};

bool
xml_is(const struct xml_name *n, const char *name)
{
	return n->len == strlen(name) && memcmp(n->at, name, n->len) == 0;
}

/* Some handlers are called once more after that. */
static void
give_up(struct reader *x)
{
	x->gave_up = true;
	XML_StopParser(x->parser, XML_FALSE);
}

static void
refuse(struct reader *x, const char *what)
{
	x->refused = what;
	XML_StopParser(x->parser, XML_FALSE);
}

/* How much of "URI NAME" is the URI and the blank. */
static size_t
space_of(const char *name)
{
	const char *blank = strrchr(name, ' ');

	return blank == NULL ? 0 : (size_t)(blank + 1 - name);
}

/*
 * Bare is the name of what is in the root's namespace, as all of S3's is, or in
 * none; the others keep their URI, so that no name of ours is theirs.
 */
static struct xml_name
bare(const struct reader *x, const char *name)
{
	size_t n = space_of(name);

	if (n == space_of(x->open[0]) && memcmp(name, x->open[0], n) == 0)
		name += n;
	return (struct xml_name){ name, strlen(name) };
}

static void
on_open(void *arg, const XML_Char *name, const XML_Char **attributes)
{
	struct reader *x = arg;
	unsigned d = x->depth;

	(void)attributes;
	if (x->gave_up || x->refused != NULL)
		return;
	if (d == XML_DEPTH) {
		refuse(x, "elements nested too deep");
		return;
	}
	if ((x->open[d] = strdup(name)) == NULL) {
		fail_set(x->f, EX_OSERR, "out of memory");
		give_up(x);
		return;
	}
	x->bare[d] = bare(x, x->open[d]);
	x->depth++;
	buf_clear(&x->text);
}

static void
on_close(void *arg, const XML_Char *name)
{
	struct reader *x = arg;

	(void)name;
	if (x->gave_up || x->refused != NULL)
		return;
	if (buf_adds(&x->text, "", x->f) == -1 ||
	    x->each(x->arg, x->bare, x->depth, x->text.data, x->f) == -1) {
		give_up(x);
		return;
	}
	free(x->open[--x->depth]);
	buf_clear(&x->text);
}

static void
on_text(void *arg, const XML_Char *s, int n)
{
	struct reader *x = arg;

	if (!x->gave_up && x->refused == NULL &&
	    buf_add(&x->text, s, (size_t)n, x->f) == -1)
		give_up(x);
}

/* Entities of its own could make a short text a long one. */
static void
on_doctype(void *arg, const XML_Char *name, const XML_Char *system,
    const XML_Char *public, int internal)
{
	(void)name, (void)system, (void)public, (void)internal;
	refuse(arg, "a document type");
}

static int
wrong(const struct reader *x, struct fail *f)
{
	enum XML_Error error = XML_GetErrorCode(x->parser);

	if (error == XML_ERROR_NO_MEMORY)
		return fail_set(f, EX_OSERR, "out of memory");
	return fail_set(f, EX_PROTOCOL, "not XML: %s",
	    x->refused != NULL ? x->refused : XML_ErrorString(error));
}

int
xml_read(const char *s, size_t len, int (*each)(void *,
    const struct xml_name *, unsigned, const char *, struct fail *), void *arg,
    struct fail *f)
{
	struct reader x = { .text = BUF_INIT(len + 1), .each = each,
	    .arg = arg, .f = f };
	int r = 0;

	if (len == 0)
		return fail_set(f, EX_PROTOCOL, "an empty answer");
	if (len > INT_MAX)
		return fail_set(f, EX_PROTOCOL, "more than %d bytes", INT_MAX);
	if ((x.parser = XML_ParserCreateNS(NULL, ' ')) == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	XML_SetUserData(x.parser, &x);
	XML_SetElementHandler(x.parser, on_open, on_close);
	XML_SetCharacterDataHandler(x.parser, on_text);
	XML_SetStartDoctypeDeclHandler(x.parser, on_doctype);
	if (XML_Parse(x.parser, s, (int)len, XML_TRUE) != XML_STATUS_OK)
		r = x.gave_up ? -1 : wrong(&x, f);
	while (x.depth > 0)
		free(x.open[--x.depth]);
	buf_free(&x.text);
	XML_ParserFree(x.parser);
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
