#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "dockerfile/gather_impl.h"
#include "dockerfile/ignore.h"

static int
load_ignored(struct gather *g, struct fail *f)
{
	struct buf text = BUF_INIT(BUF_SMALL_MAX);
	int fd = openat(g->context, ".dockerignore", O_RDONLY | O_CLOEXEC |
	    O_NOFOLLOW | O_NONBLOCK), ret;

	if (fd == -1)
		return 0;
	ret = buf_read(&text, fd, ".dockerignore", f);
	if (ret == 0)
		ret = ignore_parse(&g->ignored, text.data, text.len,
		    ".dockerignore", f);
	close(fd);
	buf_free(&text);
	return ret;
}

int
gather_open(struct gather *g, const char *context, const char *files,
    struct fail *f)
{
	*g = (struct gather)GATHER_INIT;
	if (context != NULL) {
		g->context = open(context, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (g->context == -1)
			return fail_sys(f, EX_NOINPUT, "%s", context);
		if (load_ignored(g, f) == -1)
			return -1;
	}
	if (files != NULL) {
		g->files = open(files, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (g->files == -1)
			return fail_sys(f, EX_CANTCREAT, "%s", files);
	}
	return 0;
}

void
gather_close(struct gather *g)
{
	if (g->context != -1)
		close(g->context);
	if (g->files != -1)
		close(g->files);
	ignore_free(g->ignored);
	*g = (struct gather)GATHER_INIT;
}

/* A name without a pattern's escapes. */
static char *
plain(const char *source)
{
	char *name = malloc(strlen(source) + 1), *to = name;

	if (name == NULL)
		return NULL;
	for (; *source != '\0'; source++) {
		if (*source == '\\' && source[1] != '\0')
			source++;
		*to++ = *source;
	}
	while (to > name + 1 && to[-1] == '/')
		to--;
	*to = '\0';
	return name;
}

static int
sources(struct gather_walk *w, const char *source)
{
	struct gather *g = w->g;
	const char *pivot;
	size_t was = g->found;
	char *base, *name;
	int ret;

	if (g->context == -1)
		return 0;
	if (w->parents) {
		pivot = strstr(source, "/./");
		base = pivot == NULL ? strdup("") :
		    strndup(source, (size_t)(pivot - source));
		if (base == NULL)
			return fail_set(w->f, EX_OSERR, "out of memory");
		ret = gather_after(w, base, pivot == NULL ? source :
		    pivot + 3);
		free(base);
		if (ret == 0 && g->found == was && !gather_is_pattern(source))
			ret = fail_set(w->f, EX_DATAERR, "%s is not in the "
			    "context", source);
		return ret;
	}
	if (gather_is_pattern(source))
		return gather_after(w, "", source);
	if ((name = plain(source)) == NULL)
		return fail_set(w->f, EX_OSERR, "out of memory");
	ret = gather_take(w, name);
	free(name);
	return ret;
}

int
gather_source(struct gather *g, const char *source, bool parents,
    const struct buf *exclude, struct fail *f)
{
	struct gather_walk w = { .g = g, .parents = parents, .f = f };
	struct ignore *patterns = NULL;
	int ret;

	if (exclude != NULL && exclude->len > 0 && ignore_parse(&patterns,
	    exclude->data, exclude->len, "--exclude", f) == -1)
		return -1;
	w.exclude = patterns;
	ret = sources(&w, source);
	ignore_free(patterns);
	return ret;
}

int
gather_needed(struct gather *g, const char *source, bool look, bool *needed,
    bool *archive, struct fail *f)
{
	struct gather_walk w = { .g = g, .look = true, .f = f };
	bool pattern = gather_is_pattern(source);

	*needed = *archive = false;
	if (g->context == -1)
		return 0;
	if (g->setid == -1) {
		if (sources(&w, ".") == -1)
			return -1;
		g->setid = w.setid;
		w = (struct gather_walk){ .g = g, .look = true, .f = f };
	}
	if (!look && !pattern && strchr(source, '\\') == NULL && g->setid == 0)
		return 0;
	g->found = 0;
	if (sources(&w, source) == -1) {
		/* The older COPY says that it is not there. */
		return f->status == EX_DATAERR && !pattern ? 0 : -1;
	}
	*needed = w.odd || w.setid || g->found == 0 ||
	    strchr(source, '\\') != NULL;
	*archive = w.archive;
	return 0;
}
