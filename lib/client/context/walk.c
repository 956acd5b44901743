#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "client/context/walk.h"
#include "core/quote.h"

/* A name of one folder while the folder is read. */
struct item {
	char		*name;
	struct stat	 st;
	bool		 left;		/* out, by its name */
};

struct items {
	struct item	*item;
	size_t		 n, cap;
};

/* What stays the same during a walk. */
struct walking {
	struct walk		*walk;
	const char		*what;
	const struct ignore	*ignore;
	const struct walk_never	*never;
	struct buf		 path;		/* of the folder at hand */
	struct ignore_pos	**pos;		/* by depth, kept for reuse */
	size_t			 depths;
	uid_t			 user;
	/* Of the folder that is read; readdir(3) would need three more calls. */
	_Alignas(struct dirent64) char names[32UL << 10];
};

const char *
walk_show(char dst[WALK_SHOWN], const char *what, const char *path)
{
	struct buf b = BUF_INIT(64UL << 10);
	struct fail f;
	size_t half = WALK_SHOWN / 2 - 4;
	int bad = 0;

	if (strcmp(what, ".") != 0) {
		bad |= quote_add(&b, what, strlen(what), &f);
		if (*path != '\0' && what[strlen(what) - 1] != '/')
			bad |= buf_add(&b, "/", 1, &f);
	}
	bad |= quote_add(&b, path, strlen(path), &f);
	if (b.len == 0)
		bad |= buf_adds(&b, what, &f);
	if (bad != 0)
		strcpy(dst, "(a long path)");
	else if (b.len < WALK_SHOWN)
		memcpy(dst, b.data, b.len + 1);
	else {
		memcpy(dst, b.data, half);
		memcpy(dst + half, "...", 3);
		memcpy(dst + half + 3, b.data + b.len - half, half + 1);
	}
	buf_free(&b);
	return dst;
}

/* Not inlined: its buffers would be on the stack once a level. */
static int __attribute__((noinline))
fail_path(const struct walking *w, const char *name, const char *why,
    struct fail *f)
{
	char shown[WALK_SHOWN], path[WALK_PATH_MAX + 258];
	int saved = errno;

	/* The folder's path ends in a slash, or is empty at the root. */
	snprintf(path, sizeof(path), "%.*s%s", (int)w->path.len,
	    w->path.len > 0 ? w->path.data : "", name);
	walk_show(shown, w->what, path);
	if (why != NULL)
		return fail_set(f, EX_DATAERR, "%s: %s", shown, why);
	errno = saved;
	return fail_sys(f, EX_NOINPUT, "%s", shown);
}

static int
no_memory(struct fail *f)
{
	return fail_set(f, EX_OSERR, "out of memory");
}

/*
 * By bytes, a folder as if a slash stood behind its name: then the paths of
 * the whole tree are in order, and each folder's lie together.
 */
static int
by_name(const void *left, const void *right)
{
	const struct item *a = left, *b = right;
	size_t n = 0;
	int x, y;

	while (a->name[n] != '\0' && a->name[n] == b->name[n])
		n++;
	x = (unsigned char)a->name[n];
	y = (unsigned char)b->name[n];
	if (x == 0 && S_ISDIR(a->st.st_mode))
		x = '/';
	if (y == 0 && S_ISDIR(b->st.st_mode))
		y = '/';
	return x - y;
}

static void
free_items(struct items *items)
{
	size_t i;

	for (i = 0; i < items->n; i++)
		free(items->item[i].name);
	free(items->item);
}

/* A name of the folder fd. */
static int
add_item(const struct walking *w, int fd, const char *name,
    struct items *items, struct fail *f)
{
	struct item *item;

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return 0;
	if (items->n == items->cap) {
		size_t cap = items->cap == 0 ? 64 : 2 * items->cap;

		item = reallocarray(items->item, cap, sizeof(*item));
		if (item == NULL)
			return no_memory(f);
		items->item = item;
		items->cap = cap;
	}
	item = items->item + items->n;
	if (fstatat(fd, name, &item->st, AT_SYMLINK_NOFOLLOW) == -1)
		/* Gone since it was read: it is not there. */
		return errno == ENOENT ? 0 : fail_path(w, name, NULL, f);
	if ((item->name = strdup(name)) == NULL)
		return no_memory(f);
	items->n++;
	return 0;
}

/* All names of the folder fd, sorted. */
static int
read_folder(struct walking *w, int fd, struct items *items, struct fail *f)
{
	const struct dirent64 *d;
	struct stat folder;
	ssize_t n, at;
	size_t i;

	while ((n = getdents64(fd, w->names, sizeof(w->names))) > 0)
		for (at = 0; at < n; at += d->d_reclen) {
			d = (const void *)(w->names + at);
			if (add_item(w, fd, d->d_name, items, f) == -1)
				return -1;
		}
	if (n == -1)
		return fail_path(w, "", NULL, f);
	if (w->never->leave->path == NULL)
		memset(&folder, 0, sizeof(folder));
	else if (fstat(fd, &folder) == -1)
		return fail_path(w, "", NULL, f);
	if (leave_again(w->never->leave, f) == -1)
		return -1;
	for (i = 0; i < items->n; i++)
		items->item[i].left = leave_has(w->never->leave, &folder,
		    items->item[i].name);
	if (items->n > 0)
		qsort(items->item, items->n, sizeof(*items->item), by_name);
	return 0;
}

/* The new entry, good until the next one; NULL with the reason. */
static struct walk_entry *
add_entry(struct walk *walk, const struct item *item, uint32_t parent,
    struct fail *f)
{
	struct walk_entry *e;
	mode_t mode = item->st.st_mode;

	if (walk->n == walk->cap) {
		size_t cap = walk->cap == 0 ? 256 : 2 * walk->cap;

		if (cap >= WALK_ROOT || (e = reallocarray(walk->entry, cap,
		    sizeof(*e))) == NULL) {
			no_memory(f);
			return NULL;
		}
		walk->entry = e;
		walk->cap = cap;
	}
	e = walk->entry + walk->n;
	memset(e, 0, sizeof(*e));
	e->name = walk->names.len;
	e->parent = parent;
	e->dev = item->st.st_dev;
	e->ino = item->st.st_ino;
	e->mtim = item->st.st_mtim;
	e->ctim = item->st.st_ctim;
	e->mode = mode;
	e->linked = item->st.st_nlink > 1;
	if (S_ISREG(mode)) {
		e->kind = WALK_FILE;
		e->size = (uint64_t)item->st.st_size;
	} else if (S_ISDIR(mode))
		e->kind = WALK_FOLDER;
	else if (S_ISLNK(mode))
		e->kind = WALK_LINK;
	else {
		e->kind = S_ISFIFO(mode) ? WALK_FIFO :
		    S_ISSOCK(mode) ? WALK_SOCKET : WALK_DEVICE;
		e->why = WALK_SPECIAL;
	}
	if (buf_add(&walk->names, item->name, strlen(item->name) + 1, f) == -1)
		return NULL;
	walk->n++;
	return e;
}

/* The position for a depth; they are reused from folder to folder. */
static struct ignore_pos *
pos_at(struct walking *w, size_t depth)
{
	while (w->depths <= depth) {
		struct ignore_pos **pos;

		pos = reallocarray(w->pos, w->depths + 1, sizeof(*pos));
		if (pos == NULL)
			return NULL;
		w->pos = pos;
		if ((pos[w->depths] = ignore_root(w->ignore)) == NULL)
			return NULL;
		w->depths++;
	}
	return w->pos[depth];
}

/* An entry that goes in takes the folders that lead to it along. */
static void
let_in(struct walk *walk, uint32_t parent)
{
	while (parent != WALK_ROOT && walk->entry[parent].why != WALK_IN) {
		walk->entry[parent].why = WALK_IN;
		parent = walk->entry[parent].parent;
	}
}

static bool
same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev;
}

static bool
is_own(const struct walk_never *never, const struct stat *st)
{
	size_t i;

	for (i = 0; i < never->n; i++)
		if (same(st, never->own + i))
			return true;
	return false;
}

/* Whether the mode says so.  If not, it may be all the same, by other rules. */
static bool
is_readable(const struct walking *w, const struct stat *st)
{
	return st->st_uid == w->user && (st->st_mode & S_IRUSR) != 0;
}

static bool
is_private(const struct items *items)
{
	size_t i;

	for (i = 0; i < items->n; i++)
		if (strcmp(items->item[i].name, WALK_MARKER) == 0)
			return true;
	return false;
}

static int	walk_folder(struct walking *, int fd, uint32_t parent,
		    size_t depth, struct fail *);

static int
enter(struct walking *w, int fd, const char *name, size_t depth,
    struct fail *f)
{
	size_t len = w->path.len;
	uint32_t self = (uint32_t)(w->walk->n - 1);
	int sub, r;

	sub = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
	    O_CLOEXEC);
	if (sub == -1)
		return fail_path(w, name, NULL, f);
	r = buf_addf(&w->path, f, "%s/", name);
	if (r == 0)
		r = walk_folder(w, sub, self, depth + 1, f);
	w->path.len = len;
	close(sub);
	return r;
}

static int
walk_item(struct walking *w, int fd, const struct item *item,
    uint32_t parent, size_t depth, struct fail *f)
{
	struct ignore_pos *folder, *next;
	struct walk_entry *e;
	size_t len = strlen(item->name), line;
	bool out, walked;

	if ((next = pos_at(w, depth + 1)) == NULL)
		return no_memory(f);
	folder = pos_at(w, depth);
	out = ignore_step(w->ignore, folder, item->name, len, next, &line);
	if ((e = add_entry(w->walk, item, parent, f)) == NULL)
		return -1;
	if (out) {
		e->why = WALK_IGNORED;
		e->line = line > UINT32_MAX ? UINT32_MAX : (uint32_t)line;
	}
	if (is_own(w->never, &item->st))
		e->why = WALK_OWN;
	else if (!out && item->left)
		e->why = WALK_LEFT;
	else if (!out && w->never->output != NULL &&
	    S_ISREG(item->st.st_mode) && same(&item->st, w->never->output))
		e->why = WALK_OUTPUT;
	walked = e->kind == WALK_FOLDER && e->why != WALK_OWN &&
	    !item->left && (ignore_enter(w->ignore, next) || e->why == WALK_IN);
	if (e->why != WALK_IN && !walked)
		return 0;
	if (w->path.len + len + walked > WALK_PATH_MAX)
		return fail_path(w, item->name, "the path is longer than "
		    "4095 bytes, which nothing can unpack", f);
	if (e->why == WALK_IN && e->kind == WALK_FILE &&
	    !is_readable(w, &item->st) &&
	    faccessat(fd, item->name, R_OK, AT_EACCESS) == -1)
		return fail_path(w, item->name, NULL, f);
	if (e->why == WALK_IN)
		let_in(w->walk, parent);
	return walked ? enter(w, fd, item->name, depth, f) : 0;
}

static int
walk_folder(struct walking *w, int fd, uint32_t parent, size_t depth,
    struct fail *f)
{
	struct items items = { NULL, 0, 0 };
	size_t i;
	int r;

	r = read_folder(w, fd, &items, f);
	if (r == 0 && is_private(&items)) {
		if (parent == WALK_ROOT)
			r = fail_path(w, "", "holds " WALK_MARKER ", so it "
			    "is never sent; take another folder as the "
			    "context", f);
		else
			w->walk->entry[parent].why = WALK_PRIVATE;
		free_items(&items);
		return r;
	}
	for (i = 0; r == 0 && i < items.n; i++)
		r = walk_item(w, fd, items.item + i, parent, depth, f);
	free_items(&items);
	return r;
}

int
walk_tree(struct walk *walk, int root, const char *what,
    const struct ignore *ig, const struct walk_never *never, struct fail *f)
{
	struct walking w = { .walk = walk, .what = what, .ignore = ig,
	    .never = never, .path = BUF_INIT(2 * WALK_PATH_MAX),
	    .user = geteuid() };
	struct stat st;
	size_t i;
	int r;

	if (pos_at(&w, 0) == NULL)
		r = no_memory(f);
	else if (fstat(root, &st) == -1)
		r = fail_path(&w, "", NULL, f);
	else if (is_own(never, &st))
		r = fail_path(&w, "", "this toolkit keeps keys in it, so it is "
		    "never sent; take another folder as the context", f);
	else
		r = walk_folder(&w, root, WALK_ROOT, 0, f);
	for (i = 0; i < w.depths; i++)
		free(w.pos[i]);
	free(w.pos);
	buf_free(&w.path);
	return r;
}

void
walk_free(struct walk *walk)
{
	free(walk->entry);
	walk->entry = NULL;
	walk->n = walk->cap = 0;
	buf_free(&walk->names);
}

struct stat
walk_stat(const struct walk_entry *e)
{
	return (struct stat){ .st_dev = e->dev, .st_ino = e->ino,
	    .st_mode = e->mode, .st_nlink = e->linked ? 2 : 1,
	    .st_size = (off_t)e->size, .st_mtim = e->mtim,
	    .st_ctim = e->ctim };
}

const char *
walk_name(const struct walk *walk, size_t entry)
{
	return walk->names.data + walk->entry[entry].name;
}

static int
add_parents(const struct walk *walk, uint32_t i, struct buf *b,
    struct fail *f)
{
	if (i == WALK_ROOT)
		return 0;
	if (add_parents(walk, walk->entry[i].parent, b, f) == -1)
		return -1;
	if (buf_adds(b, walk_name(walk, i), f) == -1)
		return -1;
	return buf_add(b, "/", 1, f);
}

int
walk_path(const struct walk *walk, size_t entry, struct buf *b,
    struct fail *f)
{
	const struct walk_entry *e = walk->entry + entry;

	if (add_parents(walk, e->parent, b, f) == -1 ||
	    buf_adds(b, walk_name(walk, entry), f) == -1)
		return -1;
	return e->kind == WALK_FOLDER ? buf_add(b, "/", 1, f) : 0;
}
