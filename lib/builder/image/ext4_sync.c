#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "builder/image/ext4_impl.h"
#include "core/ahead.h"

#define AHEAD	64	/* files of a folder that the kernel is told of at once */

/* One source file that has several names, and where it went. */
struct twin {
	dev_t		dev;
	ino_t		ino;
	ext2_ino_t	to;
};

/* An inode of the image that has a source already. */
struct claim {
	ext2_ino_t	to;
};

struct sync {
	struct ext4	*e;
	dev_t		 dev;		/* of the tree that is copied */
	int		 discard;	/* what is copied goes there, or -1 */
	unsigned	 how;
	bool		 clamp;
	time_t		 newest;	/* with clamp: no file is newer */
	void		*twins;		/* tsearch trees */
	void		*claims;
};

static int
tree_names(int fd, const char *path, struct ext4_names *l, struct fail *f)
{
	struct dirent *d;
	int copy = dup(fd);
	DIR *dir;

	if (copy == -1 || (dir = fdopendir(copy)) == NULL) {
		fail_sys(f, EX_NOINPUT, "%s", path);
		if (copy != -1)
			close(copy);
		return -1;
	}
	while ((errno = 0, d = readdir(dir)) != NULL)
		if (strcmp(d->d_name, ".") != 0 &&
		    strcmp(d->d_name, "..") != 0) {
			ext4_names_add(l, d->d_name, strlen(d->d_name), 0);
			if (!l->failed)
				l->v[l->n - 1].type = d->d_type;
		}
	if (errno != 0)
		fail_sys(f, EX_IOERR, "%s", path);
	else if (l->failed)
		fail_set(f, EX_OSERR, "out of memory");
	else {
		closedir(dir);
		ext4_names_sort(l);
		return 0;
	}
	closedir(dir);
	return -1;
}

static int
by_source(const void *a, const void *b)
{
	const struct twin *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

static int
by_claim(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;

	return x->to < y->to ? -1 : x->to > y->to;
}

static struct twin *
twin_find(const struct sync *s, const struct stat *st)
{
	struct twin key = { .dev = st->st_dev, .ino = st->st_ino };
	struct twin **p = tfind(&key, &s->twins, by_source);

	return p == NULL ? NULL : *p;
}

static int
twin_add(struct sync *s, const struct stat *st, ext2_ino_t to, struct fail *f)
{
	struct twin *t = malloc(sizeof(*t));

	if (t != NULL) {
		*t = (struct twin){ st->st_dev, st->st_ino, to };
		if (tsearch(t, &s->twins, by_source) != NULL)
			return 0;
		free(t);
	}
	return fail_set(f, EX_OSERR, "out of memory");
}

/* Take an inode for one source file: false if another one has it. */
static int
claim(struct sync *s, ext2_ino_t to, struct fail *f)
{
	struct claim *c = malloc(sizeof(*c)), **p;

	if (c == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	c->to = to;
	if ((p = tsearch(c, &s->claims, by_claim)) == NULL) {
		free(c);
		return fail_set(f, EX_OSERR, "out of memory");
	}
	if (*p != c) {
		free(c);
		return 0;
	}
	return 1;
}

static int	sync_dir(struct sync *, int, ext2_ino_t, const char *, unsigned,
		    struct fail *);

static void
own(const struct sync *s, struct stat *st)
{
	if (s->how & EXT4_ROOT_OWNED)
		st->st_uid = st->st_gid = 0;
	if (s->clamp && st->st_mtim.tv_sec > s->newest)
		st->st_mtim.tv_sec = s->newest;
}

/*
 * The entry's inode: 1 if it was kept, 2 if it was made; 0 if this is another
 * name of a file already done.
 */
static int
settle(struct sync *s, ext2_ino_t dir, bool bulk,
    const struct ext4_name *old, const char *base, const struct stat *st, const char *target,
    const char *path, ext2_ino_t *ino, struct fail *f)
{
	struct ext4 *e = s->e;
	struct twin *t = NULL;
	struct ext2_inode inode;
	bool twins = !S_ISDIR(st->st_mode) && st->st_nlink > 1;
	errcode_t code;
	int keep = 0;

	if (twins && (t = twin_find(s, st)) != NULL) {
		*ino = t->to;
		if (old != NULL && old->ino == t->to)
			return 0;
		if (old != NULL &&
		    ext4_remove(e, dir, base, old->ino, !bulk, f) == -1)
			return -1;
		if ((!bulk && (code = ext4_enter(e, dir, base, t->to,
		    st->st_mode)) != 0) || (code = ext2fs_read_inode(e->fs,
		    t->to, &inode)) != 0)
			return ext4_failed(e, code, path, f);
		inode.i_links_count++;
		code = ext2fs_write_inode(e->fs, t->to, &inode);
		return code == 0 ? 0 : ext4_failed(e, code, path, f);
	}
	if (old != NULL) {
		keep = ext4_same_kind(e, old->ino, st, target, path, f);
		/* An inode with several names serves one source only. */
		if (keep == 1 && !S_ISDIR(st->st_mode))
			keep = claim(s, old->ino, f);
		if (keep == -1)
			return -1;
		*ino = old->ino;
		if (keep == 0 &&
		    ext4_remove(e, dir, base, old->ino, !bulk, f) == -1)
			return -1;
	}
	if (keep == 0) {
		if ((code = ext4_make(e, dir, bulk ? NULL : base, st, target,
		    ino)) != 0)
			return ext4_failed(e, code, path, f);
		if (!S_ISDIR(st->st_mode) && claim(s, *ino, f) == -1)
			return -1;
	}
	if (twins && twin_add(s, st, *ino, f) == -1)
		return -1;
	return keep == 1 ? 1 : 2;
}

/*
 * Whether a file goes once the image has it.  One with other names stays: they
 * are told by the number of them.
 */
static bool
goes(const struct sync *s, const struct stat *st)
{
	return s->discard != -1 && S_ISREG(st->st_mode) && st->st_nlink == 1;
}

/* A large one goes piece by piece while it is read. */
static void
discard_begin(struct sync *s, const struct stat *st, const char *path)
{
	s->e->discarded = 0;
	if (goes(s, st) && (uint64_t)st->st_size >= 2 * EXT4_DISCARD)
		s->e->discard = openat(s->discard, path + 1, O_WRONLY |
		    O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
}

static void
discard_end(struct sync *s)
{
	if (s->e->discard != -1)
		close(s->e->discard);
	s->e->discard = -1;
}

static int
discard_file(const struct sync *s, const struct stat *st, const char *path,
    struct fail *f)
{
	if (!goes(s, st) || unlinkat(s->discard, path + 1, 0) == 0 ||
	    errno == ENOENT)
		return 0;
	return fail_sys(f, EX_IOERR, "%s: removing what is packed", path);
}

/*
 * entry: what the folder is to list, with the inode 0 for nothing; its mode is the
 * type that the tree's folder has for it, or 0.
 */
static int
sync_entry(struct sync *s, int at, ext2_ino_t dir, bool bulk,
    struct ext4_entry *entry, const struct ext4_name *old, const char *path,
    unsigned depth, struct fail *f)
{
	const char *base = entry->name;
	struct ext4 *e = s->e;
	char target[PATH_MAX] = "", self[64 + NAME_MAX];
	struct stat st;
	ext2_ino_t ino = 0;
	int fd = -1, r = -1, flags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
	bool fresh;
	ssize_t n;

	/* What is opened is asked then. */
	st.st_mode = entry->mode;
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode) &&
	    fstatat(at, base, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return fail_sys(f, EX_IOERR, "%s%s", e->root, path);
	if (S_ISSOCK(st.st_mode)) {
		if (old == NULL)
			return 0;
		return ext4_remove(e, dir, base, old->ino, !bulk, f);
	}
	if (S_ISLNK(st.st_mode)) {
		n = readlinkat(at, base, target, sizeof(target) - 1);
		if (n == -1)
			return fail_sys(f, EX_IOERR, "%s%s", e->root, path);
		target[n] = '\0';
	}
	if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) {
		if ((fd = openat(at, base, O_RDONLY | flags)) == -1 ||
		    fstat(fd, &st) == -1) {
			fail_sys(f, EX_IOERR, "%s%s", e->root, path);
			goto out;
		}
	}
	own(s, &st);
	r = settle(s, dir, bulk, old, base, &st, target, path, &ino, f);
	entry->ino = ino;
	entry->mode = st.st_mode;
	if (r < 1)
		goto out;
	fresh = r == 2;
	r = -1;
	if (S_ISREG(st.st_mode)) {
		discard_begin(s, &st, path);
		r = ext4_put_contents(e, ino, fd, &st, fresh, path, f);
		discard_end(s);
		if (r == -1)
			goto out;
		r = -1;
	}
	if (S_ISDIR(st.st_mode) && st.st_dev == s->dev &&
	    sync_dir(s, fd, ino, path, depth + 1, f) == -1)
		goto out;
	snprintf(self, sizeof(self), "/proc/self/fd/%d/%s", at, base);
	if (ext4_put_xattrs(e, ino, fd, self, path, f) == -1 ||
	    ext4_put_meta(e, ino, &st, path, f) == -1)
		goto out;
	r = discard_file(s, &st, path, f);
out:
	if (fd != -1)
		close(fd);
	return r;
}

/*
 * Whether a name that the tree does not have stays: 1 as a device, with its
 * type in entry.
 */
static int
stays(struct sync *s, const struct ext4_name *name, struct ext4_entry *entry,
    struct fail *f)
{
	struct ext2_inode inode;
	errcode_t code;

	if (!(s->how & EXT4_KEEP_DEVICES))
		return 0;
	if ((code = ext2fs_read_inode(s->e->fs, name->ino, &inode)) != 0)
		return ext4_failed(s->e, code, name->name, f);
	*entry = (struct ext4_entry){ name->name, name->ino,
	    inode.i_mode & LINUX_S_IFMT };
	return S_ISCHR(entry->mode) || S_ISBLK(entry->mode);
}

/*
 * The list of a folder in bulk, if it is another one than it was.  lost+found
 * of the root is none of the tree's, but stays.
 */
static int
list(struct ext4 *e, ext2_ino_t ino, struct ext4_entry *v, size_t n,
    const struct ext4_names *was, const char *path, unsigned depth,
    struct fail *f)
{
	const struct ext4_name *lost = depth != 0 ? NULL :
	    ext4_names_find(was, "lost+found"), *old;
	size_t i, k, kept = 0;

	for (i = k = 0; i < n; i++) {
		if (v[i].ino == 0)
			continue;
		old = ext4_names_find(was, v[i].name);
		kept += old != NULL && old->ino == v[i].ino;
		v[k++] = v[i];
	}
	if (lost != NULL) {
		v[k++] = (struct ext4_entry){ lost->name, lost->ino, S_IFDIR };
		kept++;
	}
	if (kept == k && k == was->n)
		return 0;
	return ext4_dir_write(e, ino, v, k, path, f);
}

static int
sync_dir(struct sync *s, int fd, ext2_ino_t ino, const char *path,
    unsigned depth, struct fail *f)
{
	struct ext4 *e = s->e;
	struct ext4_names tree = { 0 }, image = { 0 };
	struct ext4_entry *v = NULL;
	char *sub = NULL;
	size_t i, k, n, ahead = 0;
	int r = -1;
	bool bulk;

	if (depth > EXT4_DEPTH_MAX)
		return fail_set(f, EX_DATAERR, "%s%.100s...: more than %d "
		    "folders deep", e->root, path, EXT4_DEPTH_MAX);
	if (tree_names(fd, path, &tree, f) == -1 ||
	    ext4_names_read(e, ino, &image, f) == -1)
		goto out;
	bulk = ext4_dir_bulk(e, ino, image.n, tree.n);
	if ((v = calloc(tree.n + image.n + 1, sizeof(*v))) == NULL) {
		fail_set(f, EX_OSERR, "out of memory");
		goto out;
	}
	/* What goes makes room for what comes. */
	for (i = 0, n = tree.n; i < image.n; i++) {
		if (ext4_names_find(&tree, image.v[i].name) != NULL ||
		    (depth == 0 && strcmp(image.v[i].name,
		    "lost+found") == 0))
			continue;
		if ((r = stays(s, &image.v[i], &v[n], f)) == 1) {
			n++;
			continue;
		}
		if (r == -1 || (r = ext4_remove(e, ino, image.v[i].name,
		    image.v[i].ino, !bulk, f)) == -1)
			goto out;
	}
	r = -1;
	for (i = 0; i < tree.n; i++) {
		if (e->waited) {
			ahead = ahead > i ? ahead : i;
			for (k = 0; ahead < tree.n && k < AHEAD; k++)
				ahead_tell(fd, tree.v[ahead++].name,
				    EXT4_CHUNK);
			e->waited = false;
		}
		if (depth == 0 && strcmp(tree.v[i].name, "lost+found") == 0)
			continue;
		free(sub);
		if (asprintf(&sub, "%s/%s", path, tree.v[i].name) == -1) {
			sub = NULL;
			fail_set(f, EX_OSERR, "out of memory");
			goto out;
		}
		v[i].name = tree.v[i].name;
		v[i].mode = DTTOIF(tree.v[i].type);
		if (sync_entry(s, fd, ino, bulk, &v[i],
		    ext4_names_find(&image, tree.v[i].name), sub, depth,
		    f) == -1)
			goto out;
	}
	r = bulk ? list(e, ino, v, n, &image, path, depth, f) : 0;
out:
	free(v);
	free(sub);
	ext4_names_free(&tree);
	ext4_names_free(&image);
	return r;
}

int
ext4_sync(struct ext4 *e, const char *dir, unsigned how, const char *discard,
    struct qcow2 *snapshot, struct fail *f)
{
	const char *epoch = getenv("SOURCE_DATE_EPOCH");
	struct sync s = { .e = e, .how = how, .discard = -1 };
	struct stat st;
	int fd, r;

	/*
	 * One clock for all that the library stamps; if it was given, no file
	 * is newer (reproducible-builds.org/specs/source-date-epoch).
	 */
	s.clamp = epoch != NULL && *epoch != '\0';
	s.newest = s.clamp ? (time_t)strtoll(epoch, NULL, 10) : 0;
	e->fs->now = s.clamp ? s.newest : e->fs->super->s_mkfs_time != 0 ?
	    (time_t)e->fs->super->s_mkfs_time : 1;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1 || fstat(fd, &st) == -1) {
		fail_sys(f, EX_NOINPUT, "%s", dir);
		if (fd != -1)
			close(fd);
		return -1;
	}
	if (discard != NULL && (s.discard = open(discard,
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1) {
		fail_sys(f, EX_NOINPUT, "%s", discard);
		close(fd);
		return -1;
	}
	s.dev = st.st_dev;
	e->root = dir;
	e->snapshot = snapshot;
	own(&s, &st);
	r = sync_dir(&s, fd, EXT2_ROOT_INO, "", 0, f);
	if (r == 0)
		r = ext4_put_xattrs(e, EXT2_ROOT_INO, fd, NULL, "/", f);
	if (r == 0)
		r = ext4_put_meta(e, EXT2_ROOT_INO, &st, "/", f);
	close(fd);
	if (s.discard != -1)
		close(s.discard);
	tdestroy(s.twins, free);
	tdestroy(s.claims, free);
	return r;
}
