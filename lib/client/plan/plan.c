#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include "client/plan/plan.h"
#include "core/json.h"
#include "core/utf8.h"
#include "dockerfile/buildarg.h"
#include "dockerfile/shlex.h"
#include "dockerfile/stages.h"

static const char by_argument[] = "build argument";
static const char by_digest[] = "digest";

struct reader {
	struct plan	*plan;
	const struct dockerfile *d;
	const char	*name;
	struct fail	*f;
	struct buildargs args;		/* those before the first FROM */
	struct stages	 stages;
	size_t		 seen;		/* of them, so far */
	struct {
		char		*image;	/* of the last FROM; NULL: none yet */
		size_t		 line;
		bool		 lookup;	/* an image that can be one */
		bool		 is_stage;
	} from;
};

static int
nomem(struct fail *f)
{
	return fail_set(f, EX_OSERR, "out of memory");
}

/* Put the place before the line that is there, once. */
static int
at(struct reader *r, size_t line)
{
	char place[300];

	if (r->f->status != EX_DATAERR)
		return -1;
	snprintf(place, sizeof(place), "%.200s:%zu", r->name, line);
	return fail_in(r->f, place);
}

static int
wrong(struct reader *r, size_t line, const char *what)
{
	fail_set(r->f, EX_DATAERR, "%s", what);
	return at(r, line);
}

static int
add_reference(struct plan_reference **list, size_t *n, const char *text,
    size_t line, bool additional, const char *reason, struct fail *f)
{
	struct plan_reference *p;

	p = reallocarray(*list, *n + 1, sizeof(*p));
	if (p == NULL)
		return nomem(f);
	*list = p;
	p += *n;
	if ((p->text = strdup(text)) == NULL)
		return nomem(f);
	p->line = line;
	p->additional = additional;
	p->reason = reason;
	++*n;
	return 0;
}

static int
add_word(struct plan_ignored **list, size_t *n, const struct instruction *i,
    struct fail *f)
{
	struct plan_ignored *p = reallocarray(*list, *n + 1, sizeof(*p));

	if (p == NULL)
		return nomem(f);
	*list = p;
	p[*n].word = i->word;
	p[*n].line = i->line;
	++*n;
	return 0;
}

static const char *
unresolvable(const char *image)
{
	if (strchr(image, '$') != NULL)
		return by_argument;
	if (strchr(image, '@') != NULL)
		return by_digest;
	return NULL;
}

/* One more image, unless it is known. */
static int
additional(struct reader *r, const char *image, size_t line)
{
	struct plan *p = r->plan;
	size_t i;

	for (i = 0; i < p->references; i++)
		if (strcmp(p->reference[i].text, image) == 0)
			return 0;
	return add_reference(&p->reference, &p->references, image, line, true,
	    NULL, r->f);
}

/* COPY --from=image, RUN --mount=from=image; only the first knows numbers. */
static int
from_value(struct reader *r, const char *image, bool numbers, size_t line)
{
	struct plan *p = r->plan;
	ssize_t stage = -1;
	const char *reason;

	if (*image == '\0' || strcasecmp(image, "scratch") == 0)
		return 0;
	/* BuildKit puts no values in here, so neither do we. */
	if ((reason = unresolvable(image)) != NULL)
		return add_reference(&p->unresolvable, &p->unresolvables,
		    image, line, true, reason, r->f);
	if (numbers && stages_number(&r->stages, image, &stage, r->f) == -1) {
		fail_in(r->f, "COPY");
		return at(r, line);
	}
	/* One that comes later is a stage, too. */
	if (stage == -1)
		stage = stages_find(&r->stages, image, r->stages.n);
	if (stage != -1)
		return stages_need(&r->stages, r->seen - 1, (size_t)stage,
		    r->f);
	return additional(r, image, line);
}

/* The image that a FROM names, with what it uses put in, onto word. */
static int
from_image(struct reader *r, const struct instruction *i, const char *p,
    size_t n, struct buf *word)
{
	struct shlex lex = { .args = &r->args, .escape = r->d->escape };
	char shown[80];

	if (shlex_text(&lex, p, n, word, r->f) == -1) {
		fail_in(r->f, "FROM");
		return at(r, i->line);
	}
	snprintf(shown, sizeof(shown), "%.*s", n < 70 ? (int)n : 70, p);
	if (word->len == 0 && !lex.unset)
		return wrong(r, i->line, "FROM: no image");
	if (word->len == 0 || (lex.unset &&
	    (strchr(":@/", word->data[0]) != NULL ||
	    strchr(":@/", word->data[word->len - 1]) != NULL))) {
		char quoted[80];

		fail_set(r->f, EX_DATAERR, "FROM: %s names no image: an "
		    "argument in it has no value (ARG NAME=VALUE before the "
		    "first FROM gives it one)", fail_show(quoted,
		    sizeof(quoted), shown, 70));
		return at(r, i->line);
	}
	return 0;
}

/* The image of a FROM. */
static int
from(struct reader *r, const struct instruction *i)
{
	struct plan *plan = r->plan;
	struct buf word = BUF_INIT(BUF_SMALL_MAX);
	const char *p = i->rest, *image, *reason;
	struct shlex lex = { .args = &r->args, .escape = r->d->escape };
	ssize_t stage;
	size_t n, k;
	int ret = -1;

	for (k = 0; k < i->flags; k++) {
		const char *v = instruction_flag(i, k, "platform");

		buf_clear(&word);
		if (v == NULL || *v == '\0')
			continue;
		if (shlex_text(&lex, v, strlen(v), &word, r->f) == -1) {
			fail_in(r->f, "FROM: --platform");
			at(r, i->line);
			goto out;
		}
		if (word.len == 0) {
			wrong(r, i->line, "FROM: --platform is empty: an "
			    "argument in it has no value");
			goto out;
		}
	}
	buf_clear(&word);
	n = dockerfile_word(&p, &image);
	if (from_image(r, i, image, n, &word) == -1)
		goto out;

	/*
	 * The image before this one is seen now.  If it is the same, it is
	 * seen with this one, unless that is a stage of the same name.  A
	 * stage is known behind its own FROM only.
	 */
	stage = stages_find(&r->stages, word.data, r->seen);
	if (r->from.image != NULL && r->from.lookup && (stage != -1 ||
	    strcmp(r->from.image, word.data) != 0) &&
	    additional(r, r->from.image, r->from.line) == -1)
		goto out;
	if (stage != -1 && stages_need(&r->stages, r->seen, (size_t)stage,
	    r->f) == -1)
		goto out;
	free(r->from.image);
	if ((r->from.image = strdup(word.data)) == NULL) {
		nomem(r->f);
		goto out;
	}
	r->from.line = i->line;
	reason = stage != -1 ? NULL : unresolvable(word.data);
	r->from.lookup = stage == -1 && reason == NULL &&
	    strcasecmp(word.data, "scratch") != 0;
	if (reason != NULL && add_reference(&plan->unresolvable,
	    &plan->unresolvables, word.data, i->line, false, reason,
	    r->f) == -1)
		goto out;
	r->seen++;
	ret = 0;
out:
	buf_free(&word);
	return ret;
}

static int
copy(struct reader *r, const struct instruction *i)
{
	const char *v;
	size_t k;

	for (k = 0; k < i->flags; k++)
		if ((v = instruction_flag(i, k, "from")) != NULL &&
		    from_value(r, v, true, i->line) == -1)
			return -1;
	return 0;
}

/* "type=bind,from=image,..." is a row of CSV: fields may stand in quotes. */
static int
mount(struct reader *r, char *row, size_t line)
{
	char *p = row, *field, *to;

	for (;;) {
		bool quoted = *p == '"';

		for (field = to = quoted ? ++p : p; *p != '\0'; p++) {
			if (quoted && *p == '"') {
				if (p[1] != '"') {
					quoted = false;
					continue;
				}
				p++;
			} else if (!quoted && *p == ',')
				break;
			*to++ = *p;
		}
		if (*p == '\0') {
			*to = '\0';
			return strncasecmp(field, "from=", 5) != 0 ? 0 :
			    from_value(r, field + 5, false, line);
		}
		p++;
		*to = '\0';
		if (strncasecmp(field, "from=", 5) == 0 &&
		    from_value(r, field + 5, false, line) == -1)
			return -1;
	}
}

/*
 * BuildKit undoes the quotes of a flag before it reads the row, so quotes of
 * CSV only survive inside other ones.
 */
static int
run(struct reader *r, const struct instruction *i)
{
	const char *v;
	char *row;
	size_t k;
	int got = 0;

	for (k = 0; got == 0 && k < i->flags; k++) {
		if ((v = instruction_flag(i, k, "mount")) == NULL)
			continue;
		if ((row = strdup(v)) == NULL)
			return nomem(r->f);
		got = mount(r, row, i->line);
		free(row);
	}
	return got;
}

/* ARG before the first FROM: what the FROMs may use. */
static int
declare(struct reader *r, const struct instruction *i)
{
	struct shlex lex = { .args = &r->args, .escape = r->d->escape };
	struct buf value = BUF_INIT(BUF_SMALL_MAX);
	const char *p = i->rest, *word, *eq;
	int ret = 0;
	size_t n;

	while (ret == 0 &&
	    (n = dockerfile_quoted(&p, r->d->escape, &word)) > 0) {
		/* Without a value it keeps the one that it has. */
		if ((eq = memchr(word, '=', n)) == NULL)
			continue;
		buf_clear(&value);
		ret = shlex_text(&lex, eq + 1, (size_t)(word + n - eq - 1),
		    &value, r->f);
		if (ret == 0)
			ret = buildargs_set(&r->args, word,
			    (size_t)(eq - word), value.data, r->f);
	}
	buf_free(&value);
	if (ret == -1) {
		fail_in(r->f, "ARG");
		at(r, i->line);
	}
	return ret;
}

static bool
is_word(const char *word, const char *const *list)
{
	for (; *list != NULL; list++)
		if (strcmp(word, *list) == 0)
			return true;
	return false;
}

static int
instruction(struct reader *r, const struct instruction *i)
{
	static const char *const ignored[] = { "EXPOSE", "HEALTHCHECK",
	    "LABEL", "ONBUILD", "SHELL", "STOPSIGNAL", "VOLUME", NULL };
	struct plan *p = r->plan;

	if (strcmp(i->word, "FROM") == 0)
		return from(r, i);
	if (strcmp(i->word, "COPY") == 0)
		return copy(r, i);
	if (strcmp(i->word, "RUN") == 0)
		return run(r, i);
	if (strcmp(i->word, "ARG") == 0 && r->seen == 0)
		return declare(r, i);
	if (is_word(i->word, ignored))
		return add_word(&p->ignored, &p->ignoreds, i, r->f);
	return 0;
}

/* The base image goes to the front, and is nothing else. */
static int
base(struct reader *r)
{
	struct plan *p = r->plan;
	struct plan_reference *first;
	size_t i;

	if (r->from.image == NULL)
		return fail_set(r->f, EX_DATAERR, "%s: no FROM: name the "
		    "image to start from", r->name);
	p->base_image = r->from.image;
	r->from.image = NULL;
	if (!r->from.lookup)
		return 0;
	for (i = 0; i < p->references; i++)
		if (strcmp(p->reference[i].text, p->base_image) == 0) {
			free(p->reference[i].text);
			p->references--;
			memmove(&p->reference[i], &p->reference[i + 1],
			    (p->references - i) * sizeof(*p->reference));
			break;
		}
	if (add_reference(&p->reference, &p->references, p->base_image,
	    r->from.line, false, NULL, r->f) == -1)
		return -1;
	first = &p->reference[0];
	if (p->references > 1) {
		struct plan_reference last = p->reference[p->references - 1];

		memmove(first + 1, first,
		    (p->references - 1) * sizeof(*first));
		*first = last;
	}
	return 0;
}

int
plan_read(struct plan *p, const struct dockerfile *d, const char *name,
    struct fail *f)
{
	struct reader r = { .plan = p, .d = d, .name = name, .f = f };
	int ret;
	size_t i;

	ret = stages_read(&r.stages, d, name, f);
	if (ret == 0)
		ret = buildargs_platform(&r.args, f);
	for (i = 0; ret == 0 && i < d->n; i++)
		ret = instruction(&r, &d->list[i]);
	if (ret == 0)
		ret = stages_circle(&r.stages, &i, f);
	if (ret == 0 && i > 0)
		ret = wrong(&r, i, "this stage needs itself");
	if (ret == 0)
		ret = base(&r);
	stages_free(&r.stages);
	free(r.from.image);
	buildargs_free(&r.args);
	return ret;
}

void
plan_free(struct plan *p)
{
	size_t i;

	for (i = 0; i < p->references; i++)
		free(p->reference[i].text);
	for (i = 0; i < p->unresolvables; i++)
		free(p->unresolvable[i].text);
	free(p->reference);
	free(p->unresolvable);
	free(p->ignored);
	free(p->base_image);
	*p = (struct plan)PLAN_INIT;
}

int
plan_write(const struct plan *p, const char *name, bool is_public,
    const struct buf *text, const char *import, struct buf *out,
    struct fail *f)
{
	struct jout j = JOUT_INIT(out);
	const struct plan_reference *ref;
	size_t i;

	jout_object(&j);
	jout_member(&j, "name", name);
	jout_key(&j, "public");
	jout_bool(&j, is_public);
	jout_key(&j, "dockerfile");
	jout_stringn(&j, text->data, text->len);
	jout_member(&j, "baseImage", import != NULL ? import : p->base_image);
	jout_member(&j, "importImageReference", import);
	jout_key(&j, "references");
	jout_array(&j);
	for (i = 0; i < p->references; i++) {
		ref = &p->reference[i];
		jout_object(&j);
		jout_member(&j, "reference", ref->text);
		jout_key(&j, "line");
		jout_u64(&j, ref->line);
		jout_member(&j, "role", ref->additional ? "additional" :
		    "base");
		jout_close(&j);
	}
	jout_close(&j);
	jout_key(&j, "ignored");
	jout_array(&j);
	for (i = 0; i < p->ignoreds; i++) {
		jout_object(&j);
		jout_member(&j, "instruction", p->ignored[i].word);
		jout_key(&j, "line");
		jout_u64(&j, p->ignored[i].line);
		jout_close(&j);
	}
	jout_close(&j);
	jout_key(&j, "unresolvable");
	jout_array(&j);
	for (i = 0; i < p->unresolvables; i++) {
		ref = &p->unresolvable[i];
		jout_object(&j);
		jout_member(&j, "reference", ref->text);
		jout_key(&j, "line");
		jout_u64(&j, ref->line);
		jout_member(&j, "reason", ref->reason);
		jout_close(&j);
	}
	jout_close(&j);
	jout_close(&j);
	if (jout_end(&j, f) == -1)
		return -1;
	return buf_adds(out, "\n", f);
}

/* *out = the text without blanks around it, or other if nothing is left. */
static int
trimmed(const char *p, size_t len, const char *other, char **out,
    struct fail *f)
{
	while (len > 0 && dockerfile_blank(*p)) {
		p++;
		len--;
	}
	while (len > 0 && dockerfile_blank(p[len - 1]))
		len--;
	if (len > 0 && !utf8_valid(p, len))
		return fail_set(f, EX_DATAERR, "the name of the Dockerfile or "
		    "its folder is not UTF-8: give a name with -n");
	*out = len > 0 ? strndup(p, len) : strdup(other);
	return *out == NULL ? nomem(f) : 0;
}

int
plan_name(const char *path, char **out, struct fail *f)
{
	const char *slash = strrchr(path, '/'), *file, *dot;
	char *dir, *real;
	size_t len;
	int r;

	file = slash == NULL ? path : slash + 1;
	dot = strrchr(file, '.');
	len = dot == NULL || dot == file ? strlen(file) :
	    (size_t)(dot - file);
	if (len != 10 || strncasecmp(file, "dockerfile", len) != 0)
		return trimmed(file, len, "sandbox-image", out, f);

	dir = slash == NULL ? strdup(".") : slash == path ? strdup("/") :
	    strndup(path, (size_t)(slash - path));
	if (dir == NULL)
		return nomem(f);
	real = realpath(dir, NULL);
	if (real == NULL)
		r = fail_sys(f, EX_NOINPUT, "%s", dir);
	else {
		file = strrchr(real, '/') + 1;
		r = trimmed(file, strlen(file), "sandbox-image", out, f);
	}
	free(dir);
	free(real);
	return r;
}

int
plan_import_name(const char *reference, char **out, struct fail *f)
{
	size_t len = strcspn(reference, "@");
	const char *p = reference, *colon;

	while (memchr(p, '/', len) != NULL) {
		const char *slash = memchr(p, '/', len);

		len -= (size_t)(slash + 1 - p);
		p = slash + 1;
	}
	/* The last colon starts a tag, if one follows it. */
	colon = memrchr(p, ':', len);
	if (colon != NULL && colon + 1 < p + len)
		len = (size_t)(colon - p);
	*out = len > 0 ? strndup(p, len) : strdup("imported-image");
	return *out == NULL ? nomem(f) : 0;
}

int
plan_import_reference(const char *s, char **out, struct fail *f)
{
	size_t len, i;

	while (dockerfile_blank(*s))
		s++;
	len = strlen(s);
	while (len > 0 && dockerfile_blank(s[len - 1]))
		len--;
	if (len == 0)
		return fail_set(f, EX_USAGE, "--import: no image reference");
	for (i = 0; i < len; i++)
		if ((unsigned char)s[i] <= ' ' || s[i] == 0x7f)
			break;
	if (i < len || !utf8_valid(s, len))
		return fail_set(f, EX_USAGE, "--import: not an image "
		    "reference: it holds blanks, control characters or bytes "
		    "that are not UTF-8");
	*out = strndup(s, len);
	return *out == NULL ? nomem(f) : 0;
}
