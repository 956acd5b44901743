#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include "core/span.h"
#include "dockerfile/lower_copy.h"
#include "dockerfile/lower_stages.h"
#include "dockerfile/lower_words.h"
#include "dockerfile/shlex.h"

struct copy {
	const struct instruction *i;
	bool		 add, json;
	bool		 parents, gathered;
	bool		 chown;
	bool		 unpack, packed;	/* ADD --unpack=true, =false */
	const char	*from;		/* a stage's or an image's name */
	struct buf	 exclude;
	struct texts	 source;	/* as they are written */
	struct texts	 known;		/* the same with their values */
	char		*to;
};

static bool
is_remote(const char *s)
{
	return strncmp(s, "http://", 7) == 0 ||
	    strncmp(s, "https://", 8) == 0 || strncmp(s, "git@", 4) == 0 ||
	    strncmp(s, "git://", 6) == 0 || strncmp(s, "ssh://", 6) == 0;
}

/* A flag without a value is "true". */
static bool
is_switched(const struct instruction *i, size_t k, const char *name)
{
	const char *v = instruction_flag(i, k, name);

	return v != NULL ? strcasecmp(v, "true") == 0 :
	    instruction_has(i, k, name);
}

static int
copy_flags(struct lowering *l, struct copy *c)
{
	const struct instruction *i = c->i;
	const char *v;
	ssize_t stage;
	size_t k;

	for (k = 0; k < i->flags; k++) {
		if ((v = instruction_flag(i, k, "from")) != NULL) {
			if (lower_stage_of(l, v, strlen(v), true,
			    &stage) == -1)
				return -1;
			c->from = stage == -1 ? v : l->text[stage].name;
		} else if ((v = instruction_flag(i, k, "exclude")) != NULL) {
			c->gathered = true;
			if (buf_addf(&c->exclude, l->f, "%s\n", v) == -1)
				return -1;
		} else if (is_switched(i, k, "parents"))
			c->parents = c->gathered = true;
		else if (instruction_has(i, k, "unpack"))
			c->unpack = !(c->packed = !is_switched(i, k,
			    "unpack"));
		else if ((v = instruction_flag(i, k, "chmod")) != NULL &&
		    *v != '$' && (*v == '\0' || v[strspn(v, "01234567")] !=
		    '\0'))
			return lower_refuse(l, "--chmod: write the mode as a "
			    "number such as 755");
		c->chown = c->chown || instruction_has(i, k, "chown");
	}
	if (c->packed && c->add)
		c->gathered = true;
	return 0;
}

/* The words: sources and where they go. */
static int
copy_words(struct lowering *l, struct copy *c)
{
	struct buf text = BUF_INIT(BUF_SMALL_MAX), name = BUF_INIT(
	    BUF_SMALL_MAX);
	const char *p = c->i->rest, *word, *pos = NULL;
	bool texts, tabs, literal, known, sure;
	struct span list, v;
	int ret = 0, is;
	size_t n, k;

	c->json = dockerfile_json(p, &texts, &n) && texts;
	if (c->json) {
		if (span_parse(&list, p, strlen(p), l->f) == -1)
			return -1;
		while (ret == 0 && span_next(&list, &pos, NULL, &v)) {
			buf_clear(&text);
			ret = span_string(&v, &text, l->f);
			if (ret == 0)
				ret = texts_add(&c->source, text.data,
				    text.len, l->f);
		}
	} else
		while (ret == 0 && (n = dockerfile_word(&p, &word)) > 0) {
			buf_clear(&text);
			ret = buf_add(&text, word, n, l->f);
			is = ret == -1 ? -1 : dockerfile_heredoc(text.data,
			    &name, &tabs, &literal, l->f);
			/* One whose text cannot be cut is none. */
			if (ret == 0 && !(is == 1 && c->i->docs > 0))
				ret = texts_add(&c->source, word, n, l->f);
		}
	if (ret == 0 && c->source.n > 0)
		c->to = c->source.list[--c->source.n];
	for (k = 0; ret == 0 && k < c->source.n; k++) {
		buf_clear(&text);
		ret = lower_value(l, c->source.list[k],
		    strlen(c->source.list[k]), &text, &known, &sure);
		if (ret == 0)
			ret = texts_add(&c->known, known ? text.data : "",
			    known ? text.len : 0, l->f);
	}
	buf_free(&text);
	buf_free(&name);
	return ret;
}

/* "COPY --chown=... --chmod=..." */
static int
put_copy(struct lowering *l, const struct copy *c, const char *word,
    const char *from)
{
	static const char *const gone[] = { "from", "link", "parents",
	    "exclude", "unpack" };
	const struct instruction *i = c->i;
	size_t k, g;

	if (lower_put(l, word) == -1)
		return -1;
	if (from != NULL && (lower_put(l, " --from=") == -1 ||
	    lower_put(l, from) == -1))
		return -1;
	if (from != NULL && strcmp(from, GATHER_NAME) == 0 && !c->chown &&
	    lower_put(l, " --chown=0:0") == -1)
		return -1;
	for (k = 0; k < i->flags; k++) {
		for (g = 0; g < sizeof(gone) / sizeof(gone[0]) &&
		    !instruction_has(i, k, gone[g]); g++)
			;
		if (g == sizeof(gone) / sizeof(gone[0]) &&
		    lower_put_flag(l, i->flag[k], strlen(i->flag[k])) == -1)
			return -1;
	}
	return 0;
}

/* A word of a COPY, in the form that it came in. */
static int
put_word(struct lowering *l, const struct copy *c, const char *word)
{
	struct buf text = BUF_INIT(BUF_SMALL_MAX);
	int ret = lower_words(l, word, strlen(word), &text);

	if (ret == 0)
		ret = c->json ? lower_put_json(l, text.data, text.len) :
		    buf_add(l->out, text.data, text.len, l->f);
	buf_free(&text);
	return ret;
}

static int
put_list(struct lowering *l, const struct copy *c, const char *const *list,
    size_t n)
{
	size_t k;

	if (lower_put(l, c->json ? " [" : " ") == -1)
		return -1;
	for (k = 0; k < n; k++)
		if (put_word(l, c, list[k]) == -1 ||
		    lower_put(l, c->json ? ", " : " ") == -1)
			return -1;
	if (put_word(l, c, c->to) == -1)
		return -1;
	return lower_put(l, c->json ? "]\n" : "\n");
}

/*
 * From the folder that was gathered last: a file under its own name, which
 * decides what it is called where a folder is; or all that is in it.  Older
 * builders take a name for a pattern, even one that a pattern has matched.
 */
static int
put_gathered(struct lowering *l, const struct copy *c)
{
	size_t n = strlen(c->to);
	bool one = l->g->one, odd = gather_is_odd(l->g->name);
	char path[300], *p;
	const char *source = path;

	if (l->g->found == 0)
		return 0;
	if (one && odd && (c->to[n - 1] == '/' || strcmp(c->to, ".") == 0))
		one = false;
	else if (one && odd && gather_rename(l->g, "file", l->f) == -1)
		return -1;
	snprintf(path, sizeof(path), "%zu/%s", l->g->folder,
	    one ? l->g->name : "");
	/* Nothing else is there that these could match. */
	for (p = path; *p != '\0'; p++)
		if (strchr(" \t\"'$`", *p) != NULL || (unsigned char)*p < ' ')
			*p = '?';
	if (put_copy(l, c, "COPY", GATHER_NAME) == -1)
		return -1;
	return put_list(l, c, &source, 1);
}

/* Where the file of a here-document goes, and what is in it. */
static int
copy_doc(struct lowering *l, const struct copy *c, const struct heredoc *doc)
{
	struct shlex lex = { .args = &l->vars, .escape = '\\',
	    .no_quotes = true };
	struct buf text = BUF_INIT(BUF_SMALL_MAX), done = BUF_INIT(
	    BUF_SMALL_MAX);
	const struct buf *b = &text;
	int ret = -1;

	if (strchr(doc->name, '/') != NULL || doc->name[0] == '.') {
		lower_refuse(l, "a here-document's name must not have a '/' "
		    "or begin with a dot");
		goto out;
	}
	if (heredoc_text(doc, &text, l->f) == -1)
		goto out;
	if (!doc->literal) {
		if (shlex_text(&lex, text.data, text.len, &done, l->f) == -1)
			goto out;
		if (lex.unset && !l->s->scratch) {
			fail_set(l->f, EX_DATAERR, "%s: a variable in the "
			    "here-document would have its value from the base "
			    "image: set it by ENV or ARG in this Dockerfile, "
			    "or write <<'%s' if it is text", c->i->word,
			    doc->name);
			goto out;
		}
		b = &done;
	}
	if (gather_folder(l->g, l->f) == -1 || gather_text(l->g, doc->name,
	    b->data, b->len, 0644, l->f) == -1)
		goto out;
	ret = put_gathered(l, c);
out:
	buf_free(&text);
	buf_free(&done);
	return ret;
}

/* Whether the context's files have to be gathered, for one reason or other. */
static int
copy_gathers(struct lowering *l, struct copy *c)
{
	bool needed, archive, packed = false;
	size_t k;

	for (k = 0; k < c->source.n; k++) {
		const char *source = c->known.list[k];

		/* As it is written, or what a variable in it holds. */
		if (c->add && (is_remote(c->source.list[k]) ||
		    is_remote(source))) {
			if (c->parents || c->exclude.len > 0 || c->unpack)
				return lower_refuse(l, "--parents, --exclude "
				    "and --unpack are for files of the "
				    "context");
			c->gathered = false;
			return 0;
		}
		if (source[0] == '\0' && c->gathered)
			return lower_refuse(l, "a variable in a source would "
			    "have its value from the base image: set it by "
			    "ENV or ARG in this Dockerfile");
		if (source[0] == '\0')
			return 0;
		if (gather_needed(l->g, source, c->gathered && c->add,
		    &needed, &archive, l->f) == -1)
			return -1;
		c->gathered = c->gathered || needed;
		packed = packed || archive;
	}
	if (!packed || !c->add || c->packed)
		return 0;
	if (c->parents || c->exclude.len > 0)
		return lower_refuse(l, "--parents and --exclude cannot be "
		    "kept where an archive is unpacked");
	c->gathered = false;
	return 0;
}

/* The sources into a folder of ours, and that copied. */
static int
copy_gathered(struct lowering *l, struct copy *c)
{
	size_t k;

	if (gather_folder(l->g, l->f) == -1)
		return -1;
	for (k = 0; k < c->known.n; k++)
		if (gather_source(l->g, c->known.list[k], c->parents,
		    &c->exclude, l->f) == -1)
			return -1;
	/* What is not known yet is a folder. */
	if (l->g->context == -1)
		l->g->found = 2;
	/* A folder for the parents of it has no other name. */
	l->g->one = l->g->one && !c->parents;
	return put_gathered(l, c);
}

int
lower_copy(struct lowering *l, const struct instruction *i)
{
	struct copy c = { .i = i, .exclude = BUF_INIT(BUF_SMALL_MAX) };
	int ret = -1;
	size_t k;

	c.add = strcmp(i->word, "ADD") == 0;
	if (copy_flags(l, &c) == -1 || copy_words(l, &c) == -1)
		goto out;
	if (c.from != NULL && c.gathered) {
		lower_refuse(l, "--parents and --exclude are not for --from "
		    "here: copy the whole, and remove from it in a RUN");
		goto out;
	}
	if (c.from == NULL && copy_gathers(l, &c) == -1)
		goto out;
	if (c.gathered && c.source.n > 0) {
		if (copy_gathered(l, &c) == -1)
			goto out;
	} else if (c.source.n > 0 && (put_copy(l, &c, i->word, c.from) == -1 ||
	    put_list(l, &c, (const char *const *)c.source.list,
	    c.source.n) == -1))
		goto out;
	for (k = 0; k < i->docs; k++)
		if (copy_doc(l, &c, &i->doc[k]) == -1)
			goto out;
	ret = 0;
out:
	if (c.to != NULL)
		c.source.n++;
	texts_free(&c.source);
	texts_free(&c.known);
	buf_free(&c.exclude);
	return ret;
}
