#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include "dockerfile/lower_run.h"
#include "dockerfile/lower_stages.h"

/* The shell, and the text as its last word: a list in JSON. */
static int
put_shell(struct lowering *l, const char *text, size_t n)
{
	const char *shell = l->s->shell, *end;

	if (shell == NULL)
		shell = "[\"/bin/sh\", \"-c\"]";
	end = strrchr(shell, ']');
	if (buf_add(l->out, shell, (size_t)(end - shell), l->f) == -1 ||
	    lower_put(l, ", ") == -1 || lower_put_json(l, text, n) == -1)
		return -1;
	return lower_put(l, "]\n");
}

/* A --mount, whose from= may be a stage. */
static int
put_mount(struct lowering *l, const char *flag)
{
	struct buf text = BUF_INIT(BUF_SMALL_MAX);
	const char *p = flag, *image = flag + strlen("--mount=");
	ssize_t stage;
	size_t n;
	int ret = 0;

	while (ret == 0 && (image = lower_mount_from(image, &n)) != NULL) {
		ret = lower_stage_of(l, image, n, false, &stage);
		if (ret == 0 && stage != -1) {
			if (buf_add(&text, p, (size_t)(image - p),
			    l->f) == -1 || buf_adds(&text,
			    l->text[stage].name, l->f) == -1)
				ret = -1;
			p = image + n;
		}
		image += n;
	}
	if (ret == 0)
		ret = buf_adds(&text, p, l->f);
	if (ret == 0)
		ret = lower_put_flag(l, text.data, text.len);
	buf_free(&text);
	return ret;
}

static int
run_flags(struct lowering *l, const struct instruction *i)
{
	const char *v;
	size_t k;

	for (k = 0; k < i->flags; k++) {
		if (instruction_flag(i, k, "mount") != NULL) {
			if (put_mount(l, i->flag[k]) == -1)
				return -1;
		} else if ((v = instruction_flag(i, k, "network")) != NULL) {
			/* What remains is the only one that there is. */
			if (strcasecmp(v, "none") == 0)
				return lower_refuse(l, "--network=none: a "
				    "step cannot be cut off here");
		} else if ((v = instruction_flag(i, k, "security")) != NULL) {
			if (strcasecmp(v, "sandbox") != 0)
				return lower_refuse(l, "--security: a step "
				    "gets no more rights than a sandbox has");
		} else if (instruction_has(i, k, "device"))
			return lower_refuse(l, "--device: there are no "
			    "devices for a step");
		else if (lower_put_flag(l, i->flag[k],
		    strlen(i->flag[k])) == -1)
			return -1;
	}
	return 0;
}

/* Of a here-document, and nothing else: the body is what is run. */
static int
run_script(struct lowering *l, const struct instruction *i)
{
	struct buf text = BUF_INIT(BUF_SMALL_MAX);
	const struct heredoc *doc = &i->doc[0];
	char flag[300], path[100];
	int ret = heredoc_text(doc, &text, l->f);

	if (ret == 0 && text.len > 1 && memcmp(text.data, "#!", 2) == 0) {
		ret = gather_folder(l->g, l->f);
		if (ret == 0)
			ret = gather_text(l->g, "script", text.data, text.len,
			    0755, l->f);
		/* At the top, where its place leaves no folder behind. */
		snprintf(path, sizeof(path), "/.tl-script-%zu", l->g->folder);
		snprintf(flag, sizeof(flag), "--mount=type=bind,from="
		    GATHER_NAME ",source=%zu/script,target=%s", l->g->folder,
		    path);
		buf_clear(&text);
		if (ret == 0)
			ret = lower_put_flag(l, flag, strlen(flag));
		if (ret == 0)
			ret = buf_adds(&text, path, l->f);
	}
	if (ret == 0)
		ret = lower_put(l, " ");
	if (ret == 0)
		ret = put_shell(l, text.data, text.len);
	buf_free(&text);
	return ret;
}

/* Several, or one beside a command: the shell reads them, as in a script. */
static int
run_docs(struct lowering *l, const struct instruction *i)
{
	struct buf text = BUF_INIT(BUF_SMALL_MAX);
	size_t k;
	int ret = buf_adds(&text, i->rest, l->f);

	for (k = 0; ret == 0 && k < i->docs; k++)
		if (buf_add(&text, "\n", 1, l->f) == -1 ||
		    buf_add(&text, i->doc[k].body.data,
		    i->doc[k].body.len, l->f) == -1 ||
		    buf_adds(&text, i->doc[k].name, l->f) == -1)
			ret = -1;
	if (ret == 0)
		ret = lower_put(l, " ");
	if (ret == 0)
		ret = put_shell(l, text.data, text.len);
	buf_free(&text);
	return ret;
}

/*
 * What is run: as it is, unless it is text and the shell has to be named, or a
 * backslash at its end would take the next line to it.
 */
static int
put_command(struct lowering *l, const char *text, bool name_shell)
{
	size_t n = strlen(text), k;
	bool texts;

	if (lower_put(l, " ") == -1)
		return -1;
	if (!(dockerfile_json(text, &texts, &k) && texts) && n > 0 &&
	    (name_shell || text[n - 1] == '\\'))
		return put_shell(l, text, n);
	return lower_put(l, text) == -1 ? -1 : lower_put(l, "\n");
}

int
lower_run(struct lowering *l, const struct instruction *i)
{
	struct buf end = BUF_INIT(BUF_SMALL_MAX);
	bool tabs, literal;
	int ret;

	if (lower_put(l, "RUN") == -1 || run_flags(l, i) == -1)
		return -1;
	if (i->docs == 0)
		return put_command(l, i->rest, false);
	ret = dockerfile_heredoc(i->rest, &end, &tabs, &literal, l->f);
	if (ret != -1)
		ret = ret == 1 && i->docs == 1 ? run_script(l, i) :
		    run_docs(l, i);
	buf_free(&end);
	return ret;
}

int
lower_command(struct lowering *l, const struct instruction *i)
{
	if (lower_put(l, i->word) == -1)
		return -1;
	return put_command(l, i->rest, l->s->shell != NULL);
}
