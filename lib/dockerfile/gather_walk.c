#include <sys/stat.h>
#include <sys/syscall.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "dockerfile/gather_impl.h"
#include "dockerfile/ignore.h"

/* Deeper than this a context is not walked. */
#define DEPTH_MAX	512

/* A folder on the walk: what the rows of patterns know of it. */
struct place {
	int		 dir;		/* in the context */
	int		 to;		/* in ours; -1: not made yet */
	struct place	*above;		/* NULL: to is the top of ours */
	const char	*name;
	struct ignore_pos *ignored, *match, *exclude;
	unsigned	 depth;
};

bool
gather_is_pattern(const char *s)
{
	for (; *s != '\0'; s++) {
		if (*s == '\\' && s[1] != '\0')
			s++;
		else if (strchr("*?[", *s) != NULL)
			return true;
	}
	return false;
}

bool
gather_is_odd(const char *name)
{
	return strpbrk(name, "*?[]\\") != NULL;
}

/* The place's folder in ours, like that in the context; first those above. */
static int
made(struct place *p, struct gather_walk *w)
{
	struct timespec times[2];
	struct stat st;

	if (w->look || w->g->files == -1 || p->to != -1)
		return 0;
	if (p->above == NULL) {
		p->to = gather_folder_open(w->g, w->f);
		return p->to == -1 ? -1 : 0;
	}
	if (made(p->above, w) == -1)
		return -1;
	if (fstat(p->dir, &st) == -1 || (mkdirat(p->above->to, p->name,
	    0700) == -1 && errno != EEXIST))
		return fail_sys(w->f, EX_CANTCREAT, "%s", p->name);
	p->to = openat(p->above->to, p->name, O_RDONLY | O_DIRECTORY |
	    O_NOFOLLOW | O_CLOEXEC);
	gather_times(&st, times);
	if (p->to == -1 || fchmod(p->to, st.st_mode & 07777) == -1 ||
	    futimens(p->to, times) == -1)
		return fail_sys(w->f, EX_CANTCREAT, "%s", p->name);
	return 0;
}

static bool
is_archive(int fd)
{
	unsigned char head[262] = { 0 };
	char path[40];
	ssize_t n = -1;
	int in;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if ((in = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) != -1) {
		n = read(in, head, sizeof(head));
		close(in);
	}
	return n > 4 && (memcmp(head, "\x1f\x8b", 2) == 0 ||
	    memcmp(head, "BZh", 3) == 0 ||
	    memcmp(head, "\xfd" "7zXZ", 5) == 0 ||
	    memcmp(head, "\x28\xb5\x2f\xfd", 4) == 0 ||
	    memcmp(head + 257, "ustar", 5) == 0);
}

static int walk(struct gather_walk *, struct place *);

static int
place_begin(struct gather_walk *w, struct place *p)
{
	p->dir = p->to = -1;
	if ((w->g->ignored != NULL && (p->ignored =
	    ignore_root(w->g->ignored)) == NULL) ||
	    (w->match != NULL && (p->match =
	    ignore_root(w->match)) == NULL) ||
	    (w->exclude != NULL && (p->exclude =
	    ignore_root(w->exclude)) == NULL))
		return fail_set(w->f, EX_OSERR, "out of memory");
	return 0;
}

static void
place_end(struct place *p)
{
	free(p->ignored);
	free(p->match);
	free(p->exclude);
	if (p->dir != -1)
		close(p->dir);
	if (p->to != -1)
		close(p->to);
}

/* What the patterns say of the path of a folder, from the root down. */
static void
step_down(const struct ignore *ig, struct ignore_pos **pos, const char *path)
{
	struct ignore_pos *next;
	size_t n, line;

	for (; *path != '\0'; path += n + (path[n] == '/')) {
		n = strcspn(path, "/");
		if (n == 0 || (next = ignore_root(ig)) == NULL)
			continue;
		ignore_step(ig, *pos, path, n, next, &line);
		ignore_enter(ig, next);
		free(*pos);
		*pos = next;
	}
}

/* What is in the folder that fd is, of that path, goes to the top. */
static int
take_folder(struct gather_walk *w, int fd, const char *path)
{
	const struct ignore *match = w->match;
	struct place p = { .name = path };
	int ret = -1;

	w->match = NULL;
	if (place_begin(w, &p) == 0) {
		p.dir = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (p.dir == -1)
			fail_sys(w->f, EX_NOINPUT, "%s", path);
		else {
			if (w->g->ignored != NULL)
				step_down(w->g->ignored, &p.ignored, path);
			gather_count(w->g, path, false);
			ret = walk(w, &p);
		}
	}
	w->match = match;
	place_end(&p);
	return ret;
}

static int
take_file(struct gather_walk *w, int fd, const char *name,
    const struct stat *st)
{
	struct place p = { .name = name };
	struct ignore_pos *next;
	bool left = false;
	size_t line;
	int ret = -1;

	w->setid = w->setid || (st->st_mode & 06000) != 0;
	w->archive = w->archive || (w->look && S_ISREG(st->st_mode) &&
	    is_archive(fd));
	if (place_begin(w, &p) == -1)
		goto out;
	if (w->exclude != NULL) {
		if ((next = ignore_root(w->exclude)) == NULL) {
			fail_set(w->f, EX_OSERR, "out of memory");
			goto out;
		}
		left = ignore_step(w->exclude, p.exclude, name, strlen(name),
		    next, &line);
		free(next);
	}
	ret = 0;
	if (left)
		goto out;
	gather_count(w->g, name, true);
	if (!w->look && w->g->files != -1)
		ret = made(&p, w) == -1 ? -1 :
		    gather_put(fd, p.to, name, st, w->f);
out:
	place_end(&p);
	return ret;
}

/*
 * What a path means with the context as the root; *real: its path without
 * links, of PATH_MAX bytes.  -1 with errno.
 */
static int
resolve(const struct gather *g, const char *path, char *real)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC,
	    .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
	char link[40], root[PATH_MAX];
	ssize_t n, top;
	int fd;

	if (path[0] == '\0')
		path = ".";
	fd = (int)syscall(SYS_openat2, g->context, path, &how, sizeof(how));
	if (fd == -1)
		return -1;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", g->context);
	top = readlink(link, root, sizeof(root));
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, real, PATH_MAX - 1);
	if (n < top || top == -1) {
		close(fd);
		errno = EIO;
		return -1;
	}
	real[n] = '\0';
	while (real[top] == '/')
		top++;
	memmove(real, real + top, (size_t)(n - top) + 1);
	return fd;
}

int
gather_take(struct gather_walk *w, const char *path)
{
	const char *slash = strrchr(path, '/');
	char real[PATH_MAX];
	struct stat st;
	int fd, ret;

	if ((fd = resolve(w->g, path, real)) == -1)
		return errno == ENOENT || errno == ENOTDIR ?
		    fail_set(w->f, EX_DATAERR, "%s is not in the context",
		    path) : fail_sys(w->f, EX_NOINPUT, "%s", path);
	if (fstat(fd, &st) == -1)
		ret = fail_sys(w->f, EX_NOINPUT, "%s", path);
	else if (S_ISDIR(st.st_mode))
		ret = take_folder(w, fd, real);
	else
		ret = take_file(w, fd, slash == NULL ? path : slash + 1, &st);
	close(fd);
	return ret;
}

/* A name that the pattern matches, in the folder p. */
static int
matched(struct gather_walk *w, const struct place *p, const char *name)
{
	char link[40], root[PATH_MAX], dir[PATH_MAX];
	ssize_t top, n;
	char *path;
	int ret;

	w->odd = w->odd || gather_is_odd(name);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", w->g->context);
	top = readlink(link, root, sizeof(root));
	snprintf(link, sizeof(link), "/proc/self/fd/%d", p->dir);
	n = readlink(link, dir, sizeof(dir));
	if (top == -1 || n < top || n == PATH_MAX)
		return fail_sys(w->f, EX_NOINPUT, "%s", name);
	if (asprintf(&path, "%.*s%s%s", (int)(n - top), dir + top,
	    n == top ? "" : "/", name) == -1)
		return fail_set(w->f, EX_OSERR, "out of memory");
	ret = gather_take(w, path[0] == '/' ? path + 1 : path);
	free(path);
	return ret;
}

static int
visit_folder(struct gather_walk *w, struct place *p, struct place *below,
    bool hit, bool stays)
{
	const struct ignore *match = w->match;
	int ret = 0;

	if (p->depth == DEPTH_MAX)
		return fail_set(w->f, EX_DATAERR, "%s: more than %d folders "
		    "deep", below->name, DEPTH_MAX);
	below->depth = p->depth + 1;
	below->above = p;
	below->dir = openat(p->dir, below->name, O_RDONLY | O_DIRECTORY |
	    O_NOFOLLOW | O_CLOEXEC);
	if (below->dir == -1)
		return fail_sys(w->f, EX_NOINPUT, "%s", below->name);
	if (w->g->ignored != NULL)
		ignore_enter(w->g->ignored, below->ignored);
	if (w->exclude != NULL)
		ignore_enter(w->exclude, below->exclude);
	if (w->match != NULL)
		ignore_enter(w->match, below->match);
	if (hit && stays) {
		gather_count(w->g, below->name, false);
		ret = made(below, w);
	}
	/* What stays out may hold what an exception brings back. */
	if (hit)
		w->match = NULL;
	if (ret == 0)
		ret = walk(w, below);
	w->match = match;
	return ret;
}

static int
visit(struct gather_walk *w, struct place *p, struct place *below)
{
	const char *name = below->name;
	size_t len = strlen(name), line;
	bool stays = true, hit = true;
	struct stat st;
	int fd, ret;

	if (fstatat(p->dir, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return fail_sys(w->f, EX_NOINPUT, "%s", name);
	if (w->g->ignored != NULL && ignore_step(w->g->ignored, p->ignored,
	    name, len, below->ignored, &line))
		stays = false;
	if (w->exclude != NULL && (w->match == NULL || w->parents) &&
	    ignore_step(w->exclude, p->exclude, name, len, below->exclude,
	    &line))
		stays = false;
	if (w->match != NULL)
		hit = ignore_step(w->match, p->match, name, len, below->match,
		    &line);
	if (w->match != NULL && !w->parents && hit)
		return stays ? matched(w, p, name) : 0;
	if (hit && stays && !S_ISLNK(st.st_mode))
		w->setid = w->setid || (st.st_mode & 06000) != 0;
	if (S_ISDIR(st.st_mode))
		return visit_folder(w, p, below, hit, stays);
	/* A socket or a pipe is no part of a context. */
	if (!hit || !stays || S_ISSOCK(st.st_mode) || S_ISFIFO(st.st_mode))
		return 0;
	gather_count(w->g, name, true);
	if (w->look || w->g->files == -1)
		return 0;
	if (made(p, w) == -1)
		return -1;
	fd = openat(p->dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1)
		return fail_sys(w->f, EX_NOINPUT, "%s", name);
	ret = gather_put(fd, p->to, name, &st, w->f);
	close(fd);
	return ret;
}

static int
by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int
walk(struct gather_walk *w, struct place *p)
{
	struct dirent **list = NULL;
	struct timespec times[2];
	struct stat st;
	int n, i, ret = 0;

	if ((n = scandirat(p->dir, ".", &list, NULL, by_name)) == -1)
		return fail_sys(w->f, EX_NOINPUT, "%s", p->name);
	for (i = 0; i < n; i++) {
		struct place below = { .name = list[i]->d_name };

		if (ret == 0 && strcmp(below.name, ".") != 0 &&
		    strcmp(below.name, "..") != 0) {
			ret = place_begin(w, &below);
			if (ret == 0)
				ret = visit(w, p, &below);
			place_end(&below);
		}
		free(list[i]);
	}
	free(list);
	/* What was put into it has changed its time. */
	if (ret == 0 && p->to != -1 && p->above != NULL &&
	    fstat(p->dir, &st) == 0) {
		gather_times(&st, times);
		futimens(p->to, times);
	}
	return ret;
}

/*
 * One pattern as ignore.h has them: nothing at its start means anything else,
 * and where ** is no more than * is, a star too many goes.
 */
static int
one_pattern(struct ignore **ig, const char *source, bool stars,
    struct fail *f)
{
	struct buf text = BUF_INIT(BUF_SMALL_MAX);
	const char *p = source;
	int ret = 0;

	while (*p == '/')
		p++;
	if (*p == '!' || *p == '#' || *p == ' ')
		ret = buf_add(&text, "\\", 1, f);
	for (; ret == 0 && *p != '\0'; p++)
		if (stars || p[0] != '*' || p[1] != '*')
			ret = buf_add(&text, p, 1, f);
	if (ret == 0)
		ret = ignore_parse(ig, text.data, text.len, source, f);
	buf_free(&text);
	return ret;
}

int
gather_after(struct gather_walk *w, const char *base, const char *pattern)
{
	struct ignore *match = NULL;
	char real[PATH_MAX];
	struct place p = { .name = pattern };
	int fd, ret = -1;

	if (one_pattern(&match, pattern, w->parents, w->f) == -1)
		return -1;
	w->match = match;
	if ((fd = resolve(w->g, base, real)) == -1)
		fail_set(w->f, EX_DATAERR, "%s is not in the context", base);
	else if (place_begin(w, &p) == 0) {
		p.dir = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (w->g->ignored != NULL)
			step_down(w->g->ignored, &p.ignored, real);
		ret = p.dir == -1 ? fail_sys(w->f, EX_NOINPUT, "%s", base) :
		    walk(w, &p);
	}
	place_end(&p);
	if (fd != -1)
		close(fd);
	ignore_free(match);
	w->match = NULL;
	return ret;
}
