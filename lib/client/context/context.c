#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "client/context/context.h"
#include "core/quote.h"

/*
 * The ignore file at path.  0 if there is none; a link to nothing is not
 * none, because then all that it was to keep out would go.
 */
static int
load_ignore(struct buf *text, const char *path, struct fail *f)
{
	char shown[WALK_SHOWN];
	struct stat st;
	int fd, r;

	walk_show(shown, ".", path);
	/* Not to hang where it is a FIFO. */
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd == -1 && errno == ENOENT) {
		if (lstat(path, &st) == -1)
			return 0;
		return fail_set(f, EX_NOINPUT, "%s: a link to nothing; "
		    "remove it or give it its target", shown);
	}
	if (fd == -1)
		return fail_sys(f, EX_NOINPUT, "%s", shown);
	if (fstat(fd, &st) == -1)
		r = fail_sys(f, EX_NOINPUT, "%s", shown);
	else if (!S_ISREG(st.st_mode))
		r = fail_set(f, EX_NOINPUT, "%s: not a regular file", shown);
	else
		r = buf_read(text, fd, shown, f);
	close(fd);
	return r == -1 ? -1 : 1;
}

/* dir/name, or name alone in "." */
static char *
join(const char *dir, const char *name)
{
	size_t len = strlen(dir);
	char *s;

	if (strcmp(dir, ".") == 0)
		return strdup(name);
	if (asprintf(&s, "%s%s%s", dir,
	    len > 0 && dir[len - 1] == '/' ? "" : "/", name) == -1)
		return NULL;
	return s;
}

/*
 * Which ignore file counts: the one named after the Dockerfile, beside it,
 * else .dockerignore at the root.  They are not merged.
 */
static int
find_ignore(struct context *c, const char *dockerfile, struct buf *text,
    struct fail *f)
{
	char *beside = NULL, *plain, *whole = NULL;
	int r = 0;

	if ((plain = join(c->dir, ".dockerignore")) == NULL ||
	    (whole = dockerfile != NULL ? strdup(dockerfile) :
	    join(c->dir, "Dockerfile")) == NULL ||
	    asprintf(&beside, "%s.dockerignore", whole) == -1) {
		beside = NULL;
		r = fail_set(f, EX_OSERR, "out of memory");
		goto out;
	}
	/* A Dockerfile on stdin has no place and so nothing beside it. */
	if (dockerfile == NULL || strcmp(dockerfile, "-") != 0)
		r = load_ignore(text, beside, f);
	if (r == 1) {
		c->ignore_name = beside;
		beside = NULL;
	} else if (r == 0 && (r = load_ignore(text, plain, f)) == 1) {
		c->ignore_name = plain;
		plain = NULL;
	}
out:
	free(beside);
	free(plain);
	free(whole);
	return r == -1 ? -1 : 0;
}

static int
open_root(struct context *c, const char *dir, const char *dockerfile,
    struct fail *f)
{
	char shown[WALK_SHOWN];
	const char *slash;

	if (dir != NULL)
		c->dir = strdup(dir);
	else if (dockerfile != NULL &&
	    (slash = strrchr(dockerfile, '/')) != NULL)
		c->dir = strndup(dockerfile, slash == dockerfile ? 1 :
		    (size_t)(slash - dockerfile));
	else
		c->dir = strdup(".");
	if (c->dir == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	/* The root itself may be a link: it is what the user named. */
	c->root = open(c->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c->root == -1)
		return fail_sys(f, EX_NOINPUT, "%s",
		    walk_show(shown, ".", c->dir));
	return 0;
}

int
context_list(struct context *c, const char *dir, const char *dockerfile,
    const struct walk_never *never, struct fail *f)
{
	struct buf text = BUF_INIT(BUF_SMALL_MAX);
	char shown[WALK_SHOWN];
	struct ignore *ig = NULL;
	struct stat st;
	int r = -1;

	if (open_root(c, dir, dockerfile, f) == -1)
		goto out;
	if (dockerfile != NULL && strcmp(dockerfile, "-") != 0 &&
	    stat(dockerfile, &st) == -1) {
		fail_sys(f, EX_NOINPUT, "%s",
		    walk_show(shown, ".", dockerfile));
		goto out;
	}
	if (find_ignore(c, dockerfile, &text, f) == -1)
		goto out;
	walk_show(shown, ".", c->ignore_name != NULL ? c->ignore_name : "");
	if (ignore_parse(&ig, text.data, text.len, shown, f) == -1)
		goto out;
	r = walk_tree(&c->walk, c->root, c->dir, ig, never, f);
out:
	ignore_free(ig);
	buf_free(&text);
	return r;
}

void
context_free(struct context *c)
{
	if (c->root != -1)
		close(c->root);
	c->root = -1;
	free(c->dir);
	c->dir = NULL;
	free(c->ignore_name);
	c->ignore_name = NULL;
	walk_free(&c->walk);
}

int
context_why(const struct context *c, size_t entry, struct buf *b,
    struct fail *f)
{
	const struct walk_entry *e = c->walk.entry + entry;
	const char *kind = "device";

	switch ((enum walk_why)e->why) {
	case WALK_IGNORED:
		if (quote_add(b, c->ignore_name, strlen(c->ignore_name),
		    f) == -1)
			return -1;
		return buf_addf(b, f, ":%u", e->line);
	case WALK_OUTPUT:
		return buf_adds(b, "output", f);
	case WALK_OWN:
		return buf_adds(b, "in use", f);
	case WALK_LEFT:
		return buf_adds(b, "TL_LEAVE_OUT", f);
	case WALK_PRIVATE:
		return buf_adds(b, WALK_MARKER, f);
	case WALK_IN:
		return buf_adds(b, "-", f);
	case WALK_SPECIAL:
		break;
	}
	if (e->kind == WALK_FIFO)
		kind = "FIFO";
	else if (e->kind == WALK_SOCKET)
		kind = "socket";
	return buf_adds(b, kind, f);
}
