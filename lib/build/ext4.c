#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <dirent.h>
#include <errno.h>
#include <ext2fs/ext2fs.h>
#include <fcntl.h>
#include <inttypes.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "build/ext4.h"
#include "build/tarout.h"
#include "core/buf.h"

#define CHUNK		(1UL << 20)	/* bytes copied at a time */
#define DEPTH_MAX	500		/* of folders: one descriptor each */
#define XATTR_MAX	(64UL << 10)	/* Linux takes no larger value */
/* Bits 32 and 33 of a time, as the kernel's ext4.h keeps them. */
#define SECONDS_HIGH(t)	(((uint64_t)(t) >> 32) & 3)

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

/* One run of blocks of a file. */
struct run {
	uint64_t	logical, physical, count;
};

struct ext4 {
	ext2_filsys	 fs;
	char		*path;
	int		 fd;		/* for file contents, past libext2fs */
	unsigned	 bs;
	void		*twins;		/* tsearch trees */
	void		*claims;
	dev_t		 dev;		/* of the tree that is copied */
	const char	*root;		/* its name */
	bool		 root_owned;
	char		*a, *b;		/* CHUNK bytes each */
	struct run	*runs;		/* of the file at hand */
	size_t		 nruns, runs_cap;
	struct tarout	*tar;
};

struct name {
	char		*name;
	ext2_ino_t	 ino;
	bool		 seen;
};

struct names {
	struct name	*v;
	size_t		 n, cap;
	bool		 failed;
};

static int
failed(struct ext4 *e, errcode_t code, const char *name, struct fail *f)
{
	if (code == EXT2_ET_BLOCK_ALLOC_FAIL ||
	    code == EXT2_ET_INODE_ALLOC_FAIL || code == ENOSPC ||
	    code == EXT2_ET_DIR_NO_SPACE)
		return fail_set(f, EX_CANTCREAT, "no space left in the image: "
		    "it has %llu MiB and %u inodes, and %.200s does not fit",
		    (unsigned long long)(ext2fs_blocks_count(e->fs->super) *
		    e->bs >> 20), e->fs->super->s_inodes_count, name);
	return fail_set(f, code == ENOMEM ? EX_OSERR : EX_IOERR,
	    "%s: %.200s: %s", e->path, name, error_message(code));
}

struct ext4 *
ext4_open(const char *path, bool rw, struct fail *f)
{
	struct ext4 *e = calloc(1, sizeof(*e));
	errcode_t code;

	if (e == NULL || (e->path = strdup(path)) == NULL ||
	    (e->a = malloc(CHUNK)) == NULL || (e->b = malloc(CHUNK)) == NULL) {
		fail_set(f, EX_OSERR, "out of memory");
		goto bad;
	}
	e->fd = open(path, (rw ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	if (e->fd == -1) {
		fail_sys(f, EX_NOINPUT, "%s", path);
		goto bad;
	}
	initialize_ext2_error_table();
	code = ext2fs_open(path, (rw ? EXT2_FLAG_RW : 0) | EXT2_FLAG_64BITS,
	    0, 0, unix_io_manager, &e->fs);
	if (code != 0) {
		fail_set(f, EX_DATAERR, "%s: not an ext4 image: %s", path,
		    error_message(code));
		goto bad;
	}
	e->bs = e->fs->blocksize;
	/*
	 * File contents are written to the file itself: no block may wait in
	 * the library's cache while it changes hands.
	 */
	if (rw)
		io_channel_set_options(e->fs->io, "cache=off");
	if (rw && (code = ext2fs_read_bitmaps(e->fs)) != 0) {
		fail_set(f, EX_DATAERR, "%s: %s", path, error_message(code));
		goto bad;
	}
	return e;
bad:
	if (e != NULL) {
		struct fail quiet;

		ext4_close(e, &quiet);
	}
	return NULL;
}

int
ext4_close(struct ext4 *e, struct fail *f)
{
	errcode_t code = 0;
	int r = 0;

	if (e->fs != NULL && (code = ext2fs_close_free(&e->fs)) != 0)
		r = fail_set(f, EX_IOERR, "%s: %s", e->path,
		    error_message(code));
	tdestroy(e->twins, free);
	tdestroy(e->claims, free);
	if (e->fd > 0)
		close(e->fd);
	free(e->path);
	free(e->a);
	free(e->b);
	free(e->runs);
	free(e);
	return r;
}

/* Names of a folder. */

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct name *)a)->name,
	    ((const struct name *)b)->name);
}

static void
names_add(struct names *l, const char *name, size_t len, ext2_ino_t ino)
{
	struct name *p;

	if (l->n == l->cap) {
		l->cap = l->cap * 2 + 64;
		if ((p = realloc(l->v, l->cap * sizeof(*p))) == NULL) {
			l->failed = true;
			return;
		}
		l->v = p;
	}
	if ((l->v[l->n].name = strndup(name, len)) == NULL) {
		l->failed = true;
		return;
	}
	l->v[l->n].ino = ino;
	l->v[l->n++].seen = false;
}

static void
names_free(struct names *l)
{
	while (l->n > 0)
		free(l->v[--l->n].name);
	free(l->v);
	l->v = NULL;
}

static struct name *
names_find(const struct names *l, const char *name)
{
	struct name key = { .name = (char *)(uintptr_t)name };

	return l->n == 0 ? NULL :
	    bsearch(&key, l->v, l->n, sizeof(key), by_name);
}

static int
on_entry(ext2_ino_t dir, int entry, struct ext2_dir_entry *d, int off,
    int size, char *buf, void *arg)
{
	int len = ext2fs_dirent_name_len(d);

	(void)dir;
	(void)entry;
	(void)off;
	(void)size;
	(void)buf;
	if (d->inode == 0 || (len == 1 && d->name[0] == '.') ||
	    (len == 2 && memcmp(d->name, "..", 2) == 0))
		return 0;
	names_add(arg, d->name, (size_t)len, d->inode);
	return 0;
}

/* A folder of the image, sorted. */
static int
image_names(struct ext4 *e, ext2_ino_t ino, struct names *l, struct fail *f)
{
	errcode_t code = ext2fs_dir_iterate2(e->fs, ino, 0, NULL, on_entry, l);

	if (code == 0 && l->failed)
		code = ENOMEM;
	if (code != 0)
		return failed(e, code, "a folder", f);
	if (l->n > 1)
		qsort(l->v, l->n, sizeof(*l->v), by_name);
	return 0;
}

static int
tree_names(int fd, const char *path, struct names *l, struct fail *f)
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
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
			names_add(l, d->d_name, strlen(d->d_name), 0);
	if (errno != 0)
		fail_sys(f, EX_IOERR, "%s", path);
	else if (l->failed)
		fail_set(f, EX_OSERR, "out of memory");
	else {
		closedir(dir);
		if (l->n > 1)
			qsort(l->v, l->n, sizeof(*l->v), by_name);
		return 0;
	}
	closedir(dir);
	return -1;
}

/* Where a file's blocks are. */

static int
runs_add(struct ext4 *e, const struct ext2fs_extent *x)
{
	struct run *p;

	if (e->nruns == e->runs_cap) {
		e->runs_cap = e->runs_cap * 2 + 64;
		p = realloc(e->runs, e->runs_cap * sizeof(*p));
		if (p == NULL)
			return -1;
		e->runs = p;
	}
	e->runs[e->nruns++] = (struct run){ x->e_lblk, x->e_pblk, x->e_len };
	return 0;
}

static int
on_block(ext2_filsys fs, blk64_t *block, e2_blkcnt_t n, blk64_t ref, int off,
    void *arg)
{
	struct ext2fs_extent x = { .e_lblk = (blk64_t)n, .e_pblk = *block,
	    .e_len = 1 };
	struct ext4 *e = arg;

	(void)fs;
	(void)ref;
	(void)off;
	return n >= 0 && runs_add(e, &x) == -1 ? BLOCK_ABORT : 0;
}

/* Fill e->runs; unwritten extents read as zeros and are left out. */
static errcode_t
runs_read(struct ext4 *e, ext2_ino_t ino, struct ext2_inode *inode)
{
	ext2_extent_handle_t h;
	struct ext2fs_extent x;
	errcode_t code;

	e->nruns = 0;
	if (!(inode->i_flags & EXT4_EXTENTS_FL))
		return ext2fs_block_iterate3(e->fs, ino,
		    BLOCK_FLAG_DATA_ONLY | BLOCK_FLAG_READ_ONLY, NULL,
		    on_block, e);
	if ((code = ext2fs_extent_open2(e->fs, ino, inode, &h)) != 0)
		return code;
	code = ext2fs_extent_get(h, EXT2_EXTENT_ROOT, &x);
	while (code == 0) {
		if ((x.e_flags & EXT2_EXTENT_FLAGS_LEAF) &&
		    !(x.e_flags & EXT2_EXTENT_FLAGS_UNINIT) &&
		    runs_add(e, &x) == -1)
			code = ENOMEM;
		else
			code = ext2fs_extent_get(h, EXT2_EXTENT_NEXT, &x);
	}
	ext2fs_extent_free(h);
	return code == EXT2_ET_EXTENT_NO_NEXT ||
	    code == EXT2_ET_NO_CURRENT_NODE ? 0 : code;
}

static int
io(int fd, char *p, size_t n, uint64_t at, bool write)
{
	ssize_t got;

	while (n > 0) {
		got = write ? pwrite(fd, p, n, (off_t)at) :
		    pread(fd, p, n, (off_t)at);
		if (got == -1 && errno == EINTR)
			continue;
		if (got == 0)
			errno = EIO;
		if (got <= 0)
			return -1;
		p += got;
		n -= (size_t)got;
		at += (uint64_t)got;
	}
	return 0;
}

/* Removal. */

static errcode_t
drop_inode(struct ext4 *e, ext2_ino_t ino, struct ext2_inode *inode,
    bool is_dir)
{
	errcode_t code = 0;

	if (ext2fs_inode_has_valid_blocks2(e->fs, inode))
		code = ext2fs_punch(e->fs, ino, inode, NULL, 0, ~0ULL);
	if (code == 0)
		code = ext2fs_free_ext_attr(e->fs, ino, NULL);
	if (code == 0)
		code = ext2fs_read_inode(e->fs, ino, inode);
	if (code != 0)
		return code;
	inode->i_links_count = 0;
	inode->i_dtime = 1;
	ext2fs_inode_alloc_stats2(e->fs, ino, -1, is_dir);
	return ext2fs_write_inode(e->fs, ino, inode);
}

static int
remove_name(struct ext4 *e, ext2_ino_t dir, const char *name, ext2_ino_t ino,
    struct fail *f)
{
	struct names l = { 0 };
	struct ext2_inode inode, parent;
	errcode_t code;
	size_t i;
	bool is_dir;
	int r = -1;

	if ((code = ext2fs_read_inode(e->fs, ino, &inode)) != 0)
		return failed(e, code, name, f);
	is_dir = LINUX_S_ISDIR(inode.i_mode);
	if (is_dir) {
		if (image_names(e, ino, &l, f) == -1)
			goto out;
		for (i = 0; i < l.n; i++)
			if (remove_name(e, ino, l.v[i].name, l.v[i].ino,
			    f) == -1)
				goto out;
		if ((code = ext2fs_read_inode(e->fs, ino, &inode)) != 0)
			goto bad;
	}
	if ((code = ext2fs_unlink(e->fs, dir, name, ino, 0)) != 0)
		goto bad;
	if (is_dir) {
		if ((code = ext2fs_read_inode(e->fs, dir, &parent)) != 0)
			goto bad;
		parent.i_links_count--;
		if ((code = ext2fs_write_inode(e->fs, dir, &parent)) != 0)
			goto bad;
		code = drop_inode(e, ino, &inode, true);
	} else if (inode.i_links_count > 1) {
		inode.i_links_count--;
		code = ext2fs_write_inode(e->fs, ino, &inode);
	} else
		code = drop_inode(e, ino, &inode, false);
	if (code == 0) {
		r = 0;
		goto out;
	}
bad:
	failed(e, code, name, f);
out:
	names_free(&l);
	return r;
}

/* Contents. */

/* The runs that cover block n of the file, or NULL. */
static const struct run *
run_at(const struct ext4 *e, uint64_t n, size_t *hint)
{
	const struct run *r;

	while (*hint < e->nruns) {
		r = &e->runs[*hint];
		if (n < r->logical)
			return NULL;
		if (n < r->logical + r->count)
			return r;
		(*hint)++;
	}
	return NULL;
}

/*
 * Bring [at, at + n) of the image's file, whose blocks are all there, to what
 * e->a holds.  Of a file that was there before only blocks that differ are
 * written; a new one's are not read, since holes are slow to read.
 */
static int
put_chunk(struct ext4 *e, uint64_t at, size_t n, bool fresh, size_t *hint)
{
	size_t full = (n + e->bs - 1) / e->bs * e->bs, i = 0, k, w;
	const struct run *r;
	uint64_t phys;

	memset(e->a + n, 0, full - n);
	while (i < full) {
		uint64_t block = (at + i) / e->bs;

		if ((r = run_at(e, block, hint)) == NULL) {
			errno = EIO;
			return -1;
		}
		phys = r->physical + (block - r->logical);
		k = (size_t)(r->count - (block - r->logical)) * e->bs;
		if (k > full - i)
			k = full - i;
		if (fresh) {
			if (io(e->fd, e->a + i, k, phys * e->bs, true) == -1)
				return -1;
		} else if (io(e->fd, e->b, k, phys * e->bs, false) == -1)
			return -1;
		else if (memcmp(e->a + i, e->b, k) != 0)
			for (w = 0; w < k; w += e->bs)
				if (memcmp(e->a + i + w, e->b + w,
				    e->bs) != 0 && io(e->fd, e->a + i + w,
				    e->bs, phys * e->bs + w, true) == -1)
					return -1;
		i += k;
	}
	return 0;
}

/* A stretch of source bytes that are there: blocks for them, then bytes. */
static int
put_data(struct ext4 *e, ext2_ino_t ino, struct ext2_inode *inode, int fd,
    uint64_t from, uint64_t to, bool fresh, const char *name, struct fail *f)
{
	uint64_t first = from / e->bs, last = (to + e->bs - 1) / e->bs, at;
	size_t hint = 0, n;
	errcode_t code;

	code = ext2fs_fallocate(e->fs, EXT2_FALLOCATE_FORCE_INIT |
	    EXT2_FALLOCATE_INIT_BEYOND_EOF, ino, inode, ~0ULL, first,
	    last - first);
	if (code == 0)
		code = runs_read(e, ino, inode);
	if (code != 0)
		return failed(e, code, name, f);
	for (at = first * e->bs; at < to; at += n) {
		n = to - at < CHUNK ? (size_t)(to - at) : CHUNK;
		if (io(fd, e->a, n, at, false) == -1)
			return fail_sys(f, EX_IOERR, "%s%s: reading", e->root,
			    name);
		if (put_chunk(e, at, n, fresh, &hint) == -1)
			return fail_sys(f, EX_IOERR, "%s: %s", e->path, name);
	}
	return 0;
}

static int
put_contents(struct ext4 *e, ext2_ino_t ino, int fd, uint64_t size,
    bool fresh, const char *name, struct fail *f)
{
	struct ext2_inode inode;
	uint64_t at = 0, from, to, first, end;
	uint64_t blocks = (size + e->bs - 1) / e->bs;
	errcode_t code;
	off_t r;

	if ((code = ext2fs_read_inode(e->fs, ino, &inode)) != 0)
		return failed(e, code, name, f);
	while (at < size) {
		r = lseek(fd, (off_t)at, SEEK_DATA);
		from = r != -1 ? (uint64_t)r : errno == ENXIO ? size : at;
		r = from < size ? lseek(fd, (off_t)from, SEEK_HOLE) : -1;
		to = r != -1 ? (uint64_t)r : size;
		if (to > size)
			to = size;
		/* A hole: whole blocks of it stay or become one. */
		first = (at + e->bs - 1) / e->bs;
		end = from == size ? blocks : from / e->bs;
		if (end > first && (code = ext2fs_punch(e->fs, ino, &inode,
		    NULL, first, end - 1)) != 0)
			return failed(e, code, name, f);
		if (from < to && put_data(e, ino, &inode, fd, from, to,
		    fresh, name, f) == -1)
			return -1;
		at = to > from ? to : size;
	}
	if (EXT2_I_SIZE(&inode) > size && (code = ext2fs_punch(e->fs, ino,
	    &inode, NULL, blocks, ~0ULL)) != 0)
		return failed(e, code, name, f);
	if ((code = ext2fs_inode_size_set(e->fs, &inode,
	    (ext2_off64_t)size)) == 0)
		code = ext2fs_write_inode(e->fs, ino, &inode);
	return code == 0 ? 0 : failed(e, code, name, f);
}

/* Extended attributes. */

static bool
xattr_wanted(const char *name)
{
	/* An overlay's bookkeeping and a host's labels are not the tree's. */
	return strncmp(name, "trusted.overlay.", 16) != 0 &&
	    strncmp(name, "user.overlay.", 13) != 0 &&
	    strcmp(name, "security.selinux") != 0;
}

struct stale {
	const char	*list;		/* NUL-separated names of the source */
	size_t		 len;
	char		*name;		/* one that is not among them */
};

static int
on_xattr(char *name, char *value, size_t len, void *arg)
{
	struct stale *s = arg;
	const char *p;

	(void)value;
	(void)len;
	for (p = s->list; p < s->list + s->len; p += strlen(p) + 1)
		if (strcmp(p, name) == 0 && xattr_wanted(p))
			return 0;
	free(s->name);
	s->name = strdup(name);
	return XATTR_ABORT;
}

/* path leads to the file itself, through /proc/self/fd, links not followed. */
static int
put_xattrs(struct ext4 *e, ext2_ino_t ino, const char *path, const char *name,
    struct fail *f)
{
	struct ext2_xattr_handle *h = NULL;
	struct stale s = { .list = e->a };
	size_t count = 0, have_len;
	errcode_t code = 0;
	ssize_t n, len;
	void *have;
	char *p;

	if ((n = llistxattr(path, e->a, XATTR_MAX)) == -1) {
		if (errno != ENOTSUP)
			return fail_sys(f, EX_IOERR, "%s%s: listxattr",
			    e->root, name);
		n = 0;
	}
	s.len = (size_t)n;
	if ((code = ext2fs_xattrs_open(e->fs, ino, &h)) != 0 ||
	    (code = ext2fs_xattrs_read(h)) != 0 ||
	    (code = ext2fs_xattrs_count(h, &count)) != 0)
		goto out;
	while (count > 0 && code == 0) {
		ext2fs_xattrs_iterate(h, on_xattr, &s);
		if (s.name == NULL)
			break;
		code = ext2fs_xattr_remove(h, s.name);
		free(s.name);
		s.name = NULL;
	}
	for (p = e->a; code == 0 && p < e->a + n; p += strlen(p) + 1) {
		if (!xattr_wanted(p))
			continue;
		if ((len = lgetxattr(path, p, e->b, XATTR_MAX)) == -1) {
			fail_sys(f, EX_IOERR, "%s%s: %s", e->root, name, p);
			ext2fs_xattrs_close(&h);
			return -1;
		}
		have = NULL;
		if (ext2fs_xattr_get(h, p, &have, &have_len) != 0 ||
		    have_len != (size_t)len ||
		    memcmp(have, e->b, have_len) != 0)
			code = ext2fs_xattr_set(h, p, e->b, (size_t)len);
		if (have != NULL)
			ext2fs_free_mem(&have);
	}
out:
	if (h != NULL)
		ext2fs_xattrs_close(&h);
	return code == 0 ? 0 : failed(e, code, name, f);
}

/* Inodes. */

static int
put_meta(struct ext4 *e, ext2_ino_t ino, const struct stat *st,
    const char *name, struct fail *f)
{
	struct ext2_inode_large want, have;
	struct ext2_inode *in = (struct ext2_inode *)&want;
	uid_t uid = e->root_owned ? 0 : st->st_uid;
	gid_t gid = e->root_owned ? 0 : st->st_gid;
	time_t t = st->st_mtim.tv_sec;
	errcode_t code;

	code = ext2fs_read_inode_full(e->fs, ino, in, sizeof(want));
	if (code != 0)
		return failed(e, code, name, f);
	have = want;
	want.i_mode = (__u16)((want.i_mode & LINUX_S_IFMT) |
	    (st->st_mode & 07777));
	want.i_uid = (__u16)uid;
	want.osd2.linux2.l_i_uid_high = (__u16)(uid >> 16);
	want.i_gid = (__u16)gid;
	want.osd2.linux2.l_i_gid_high = (__u16)(gid >> 16);
	want.i_atime = want.i_ctime = want.i_mtime = (__u32)t;
	want.i_dtime = 0;
	if (want.i_extra_isize >= 24) {
		want.i_crtime = (__u32)t;
		want.i_atime_extra = want.i_ctime_extra = want.i_mtime_extra =
		    want.i_crtime_extra = (__u32)SECONDS_HIGH(t -
		    (time_t)(int32_t)t);
	}
	if (memcmp(&want, &have, sizeof(want)) == 0)
		return 0;
	code = ext2fs_write_inode_full(e->fs, ino, in, sizeof(want));
	return code == 0 ? 0 : failed(e, code, name, f);
}

static errcode_t
link_name(struct ext4 *e, ext2_ino_t dir, const char *name, ext2_ino_t ino,
    mode_t mode)
{
	int type = S_ISREG(mode) ? EXT2_FT_REG_FILE :
	    S_ISLNK(mode) ? EXT2_FT_SYMLINK : S_ISCHR(mode) ? EXT2_FT_CHRDEV :
	    S_ISBLK(mode) ? EXT2_FT_BLKDEV : EXT2_FT_FIFO;
	errcode_t code = ext2fs_link(e->fs, dir, name, ino, type);

	if (code == EXT2_ET_DIR_NO_SPACE &&
	    (code = ext2fs_expand_dir(e->fs, dir)) == 0)
		code = ext2fs_link(e->fs, dir, name, ino, type);
	return code;
}

/* A new folder, link, file or device, empty, with one name. */
static errcode_t
make(struct ext4 *e, ext2_ino_t dir, const char *name, const struct stat *st,
    const char *target, ext2_ino_t *ino)
{
	struct ext2_inode_large inode = { 0 };
	struct ext2_inode *in = (struct ext2_inode *)&inode;
	ext2_extent_handle_t h;
	errcode_t code;

	code = ext2fs_new_inode(e->fs, dir, (int)st->st_mode, NULL, ino);
	if (code != 0)
		return code;
	if (S_ISDIR(st->st_mode)) {
		code = ext2fs_mkdir(e->fs, dir, *ino, name);
		if (code == EXT2_ET_DIR_NO_SPACE &&
		    (code = ext2fs_expand_dir(e->fs, dir)) == 0)
			code = ext2fs_mkdir(e->fs, dir, *ino, name);
		return code;
	}
	if (S_ISLNK(st->st_mode)) {
		code = ext2fs_symlink(e->fs, dir, *ino, name, target);
		if (code == EXT2_ET_DIR_NO_SPACE &&
		    (code = ext2fs_expand_dir(e->fs, dir)) == 0)
			code = ext2fs_symlink(e->fs, dir, *ino, name, target);
		return code;
	}
	if ((code = link_name(e, dir, name, *ino, st->st_mode)) != 0)
		return code;
	ext2fs_inode_alloc_stats2(e->fs, *ino, 1, 0);
	inode.i_mode = (__u16)st->st_mode;
	inode.i_links_count = 1;
	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode)) {
		unsigned hi = major(st->st_rdev), lo = minor(st->st_rdev);

		/* The kernel's old_encode_dev() and new_encode_dev(). */
		if (hi < 256 && lo < 256)
			inode.i_block[0] = hi << 8 | lo;
		else
			inode.i_block[1] = (lo & 0xff) | hi << 8 |
			    (lo & ~0xffU) << 12;
	}
	if ((code = ext2fs_write_new_inode(e->fs, *ino, in)) != 0)
		return code;
	if (!S_ISREG(st->st_mode))
		return 0;
	if ((code = ext2fs_read_inode(e->fs, *ino, in)) != 0)
		return code;
	in->i_flags |= EXT4_EXTENTS_FL;
	if ((code = ext2fs_extent_open2(e->fs, *ino, in, &h)) != 0)
		return code;
	ext2fs_extent_free(h);
	return ext2fs_write_inode(e->fs, *ino, in);
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
twin_find(const struct ext4 *e, const struct stat *st)
{
	struct twin key = { .dev = st->st_dev, .ino = st->st_ino };
	struct twin **p = tfind(&key, &e->twins, by_source);

	return p == NULL ? NULL : *p;
}

static int
twin_add(struct ext4 *e, const struct stat *st, ext2_ino_t to, struct fail *f)
{
	struct twin *t = malloc(sizeof(*t));

	if (t != NULL) {
		*t = (struct twin){ st->st_dev, st->st_ino, to };
		if (tsearch(t, &e->twins, by_source) != NULL)
			return 0;
		free(t);
	}
	return fail_set(f, EX_OSERR, "out of memory");
}

/* Take an inode for one source file: false if another one has it. */
static int
claim(struct ext4 *e, ext2_ino_t to, struct fail *f)
{
	struct claim *c = malloc(sizeof(*c)), **p;

	if (c == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	c->to = to;
	if ((p = tsearch(c, &e->claims, by_claim)) == NULL) {
		free(c);
		return fail_set(f, EX_OSERR, "out of memory");
	}
	if (*p != c) {
		free(c);
		return 0;
	}
	return 1;
}

/* Whether what the image has under a name can become what the tree has. */
static int
same_kind(struct ext4 *e, ext2_ino_t ino, const struct stat *st,
    const char *target, const char *name, struct fail *f)
{
	char have[PATH_MAX + 1];
	struct ext2_inode inode, want;
	ext2_file_t file;
	unsigned got = 0;
	errcode_t code;
	unsigned hi, lo;

	if ((code = ext2fs_read_inode(e->fs, ino, &inode)) != 0)
		return failed(e, code, name, f);
	if ((inode.i_mode & LINUX_S_IFMT) != (st->st_mode & S_IFMT))
		return 0;
	if (S_ISREG(st->st_mode))
		return (inode.i_flags & (EXT4_EXTENTS_FL |
		    EXT4_INLINE_DATA_FL)) == EXT4_EXTENTS_FL;
	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode)) {
		memset(&want, 0, sizeof(want));
		hi = major(st->st_rdev);
		lo = minor(st->st_rdev);
		if (hi < 256 && lo < 256)
			want.i_block[0] = hi << 8 | lo;
		else
			want.i_block[1] = (lo & 0xff) | hi << 8 |
			    (lo & ~0xffU) << 12;
		return inode.i_block[0] == want.i_block[0] &&
		    (inode.i_block[0] != 0 ||
		    inode.i_block[1] == want.i_block[1]);
	}
	if (!S_ISLNK(st->st_mode))
		return 1;
	if (EXT2_I_SIZE(&inode) != strlen(target))
		return 0;
	if (ext2fs_is_fast_symlink(&inode))
		return memcmp(inode.i_block, target, strlen(target)) == 0;
	if ((code = ext2fs_file_open(e->fs, ino, 0, &file)) != 0)
		return failed(e, code, name, f);
	code = ext2fs_file_read(file, have, PATH_MAX, &got);
	ext2fs_file_close(file);
	if (code != 0)
		return failed(e, code, name, f);
	return got == strlen(target) && memcmp(have, target, got) == 0;
}

static int	sync_dir(struct ext4 *, int, ext2_ino_t, const char *, unsigned,
		    struct fail *);

/*
 * The entry's inode: 1 if it was kept, 2 if it was made; 0 if this is another
 * name of a file already done.
 */
static int
settle(struct ext4 *e, ext2_ino_t dir, const struct name *old,
    const char *base, const struct stat *st, const char *target,
    const char *path, ext2_ino_t *ino, struct fail *f)
{
	struct twin *t = NULL;
	struct ext2_inode inode;
	bool twins = !S_ISDIR(st->st_mode) && st->st_nlink > 1;
	errcode_t code;
	int keep = 0;

	if (twins && (t = twin_find(e, st)) != NULL) {
		*ino = t->to;
		if (old != NULL && old->ino == t->to)
			return 0;
		if (old != NULL &&
		    remove_name(e, dir, base, old->ino, f) == -1)
			return -1;
		if ((code = link_name(e, dir, base, t->to,
		    st->st_mode)) != 0 || (code = ext2fs_read_inode(e->fs,
		    t->to, &inode)) != 0)
			return failed(e, code, path, f);
		inode.i_links_count++;
		code = ext2fs_write_inode(e->fs, t->to, &inode);
		return code == 0 ? 0 : failed(e, code, path, f);
	}
	if (old != NULL) {
		keep = same_kind(e, old->ino, st, target, path, f);
		/* An inode with several names serves one source only. */
		if (keep == 1 && !S_ISDIR(st->st_mode))
			keep = claim(e, old->ino, f);
		if (keep == -1)
			return -1;
		*ino = old->ino;
		if (keep == 0 && remove_name(e, dir, base, old->ino, f) == -1)
			return -1;
	}
	if (keep == 0) {
		if ((code = make(e, dir, base, st, target, ino)) != 0)
			return failed(e, code, path, f);
		if (!S_ISDIR(st->st_mode) && claim(e, *ino, f) == -1)
			return -1;
	}
	if (twins && twin_add(e, st, *ino, f) == -1)
		return -1;
	return keep == 1 ? 1 : 2;
}

static int
sync_entry(struct ext4 *e, int at, ext2_ino_t dir, const char *base,
    const struct name *old, const char *path, unsigned depth, struct fail *f)
{
	char target[PATH_MAX] = "", self[64 + NAME_MAX];
	struct stat st;
	ext2_ino_t ino = 0;
	int fd = -1, r = -1, flags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
	bool fresh;
	ssize_t n;

	if (fstatat(at, base, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return fail_sys(f, EX_IOERR, "%s%s", e->root, path);
	if (S_ISSOCK(st.st_mode)) {
		if (old == NULL)
			return 0;
		return remove_name(e, dir, base, old->ino, f);
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
	r = settle(e, dir, old, base, &st, target, path, &ino, f);
	if (r < 1)
		goto out;
	fresh = r == 2;
	r = -1;
	if (S_ISREG(st.st_mode) && put_contents(e, ino, fd,
	    (uint64_t)st.st_size, fresh, path, f) == -1)
		goto out;
	if (S_ISDIR(st.st_mode) && st.st_dev == e->dev &&
	    sync_dir(e, fd, ino, path, depth + 1, f) == -1)
		goto out;
	snprintf(self, sizeof(self), "/proc/self/fd/%d/%s", at, base);
	if (put_xattrs(e, ino, self, path, f) == -1 ||
	    put_meta(e, ino, &st, path, f) == -1)
		goto out;
	r = 0;
out:
	if (fd != -1)
		close(fd);
	return r;
}

static int
sync_dir(struct ext4 *e, int fd, ext2_ino_t ino, const char *path,
    unsigned depth, struct fail *f)
{
	struct names tree = { 0 }, image = { 0 };
	struct name *old;
	char *sub = NULL;
	int r = -1;
	size_t i;

	if (depth > DEPTH_MAX)
		return fail_set(f, EX_DATAERR, "%s%.100s...: more than %d "
		    "folders deep", e->root, path, DEPTH_MAX);
	if (tree_names(fd, path, &tree, f) == -1 ||
	    image_names(e, ino, &image, f) == -1)
		goto out;
	/* What goes makes room for what comes. */
	for (i = 0; i < image.n; i++) {
		if (names_find(&tree, image.v[i].name) != NULL ||
		    (depth == 0 && strcmp(image.v[i].name,
		    "lost+found") == 0))
			continue;
		if (remove_name(e, ino, image.v[i].name, image.v[i].ino,
		    f) == -1)
			goto out;
	}
	for (i = 0; i < tree.n; i++) {
		if (depth == 0 && strcmp(tree.v[i].name, "lost+found") == 0)
			continue;
		free(sub);
		if (asprintf(&sub, "%s/%s", path, tree.v[i].name) == -1) {
			sub = NULL;
			fail_set(f, EX_OSERR, "out of memory");
			goto out;
		}
		old = names_find(&image, tree.v[i].name);
		if (sync_entry(e, fd, ino, tree.v[i].name, old, sub, depth,
		    f) == -1)
			goto out;
	}
	r = 0;
out:
	free(sub);
	names_free(&tree);
	names_free(&image);
	return r;
}

int
ext4_sync(struct ext4 *e, const char *dir, bool root_owned, struct fail *f)
{
	const char *epoch = getenv("SOURCE_DATE_EPOCH");
	char self[64];
	struct stat st;
	int fd, r;

	/* One clock for all that the library stamps. */
	e->fs->now = epoch != NULL && *epoch != '\0' ? (time_t)strtoll(epoch,
	    NULL, 10) : e->fs->super->s_mkfs_time != 0 ?
	    (time_t)e->fs->super->s_mkfs_time : 1;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1 || fstat(fd, &st) == -1) {
		fail_sys(f, EX_NOINPUT, "%s", dir);
		if (fd != -1)
			close(fd);
		return -1;
	}
	e->dev = st.st_dev;
	e->root = dir;
	e->root_owned = root_owned;
	snprintf(self, sizeof(self), "/proc/self/fd/%d/.", fd);
	r = sync_dir(e, fd, EXT2_ROOT_INO, "", 0, f);
	if (r == 0)
		r = put_xattrs(e, EXT2_ROOT_INO, self, "/", f);
	if (r == 0)
		r = put_meta(e, EXT2_ROOT_INO, &st, "/", f);
	close(fd);
	return r;
}

/* Reading. */

static uint32_t
uid_of(const struct ext2_inode *in)
{
	return in->i_uid | (uint32_t)in->osd2.linux2.l_i_uid_high << 16;
}

static uint32_t
gid_of(const struct ext2_inode *in)
{
	return in->i_gid | (uint32_t)in->osd2.linux2.l_i_gid_high << 16;
}

static int64_t
mtime_of(const struct ext2_inode_large *in)
{
	int64_t t = (int32_t)in->i_mtime;

	if (in->i_extra_isize >= 8)
		t += (int64_t)(in->i_mtime_extra & 3) << 32;
	return t;
}

/* A file's bytes in order, to what takes them. */
static int
read_contents(struct ext4 *e, ext2_ino_t ino, struct ext2_inode *inode,
    const char *name, int (*take)(void *, const char *, size_t,
    struct fail *), void *arg, struct fail *f)
{
	uint64_t size = EXT2_I_SIZE(inode), at = 0;
	const struct run *r;
	size_t hint = 0, n;
	errcode_t code;
	unsigned got;
	ext2_file_t file;

	if (inode->i_flags & EXT4_INLINE_DATA_FL) {
		if ((code = ext2fs_file_open(e->fs, ino, 0, &file)) != 0)
			return failed(e, code, name, f);
		code = ext2fs_file_read(file, e->a, CHUNK, &got);
		ext2fs_file_close(file);
		if (code != 0)
			return failed(e, code, name, f);
		return take(arg, e->a, got, f);
	}
	if ((code = runs_read(e, ino, inode)) != 0)
		return failed(e, code, name, f);
	while (at < size) {
		uint64_t block = at / e->bs, left = size - at;

		r = run_at(e, block, &hint);
		if (r != NULL)
			left = (r->count - (block - r->logical)) * e->bs;
		else if (hint < e->nruns)
			left = (e->runs[hint].logical - block) * e->bs;
		if (left > size - at)
			left = size - at;
		n = left < CHUNK ? (size_t)left : CHUNK;
		if (r == NULL)
			memset(e->a, 0, n);
		else if (io(e->fd, e->a, n, (r->physical + (block -
		    r->logical)) * e->bs, false) == -1)
			return fail_sys(f, EX_IOERR, "%s: %s", e->path, name);
		if (take(arg, e->a, n, f) == -1)
			return -1;
		at += n;
	}
	return 0;
}

static int
link_target(struct ext4 *e, ext2_ino_t ino, struct ext2_inode *inode,
    char *dst, size_t size, const char *name, struct fail *f)
{
	uint64_t len = EXT2_I_SIZE(inode);
	ext2_file_t file;
	errcode_t code;
	unsigned got = 0;

	if (len >= size)
		return fail_set(f, EX_DATAERR, "%s: %s: a link of %ju bytes",
		    e->path, name, (uintmax_t)len);
	if (ext2fs_is_fast_symlink(inode)) {
		if (len > sizeof(inode->i_block))
			return fail_set(f, EX_DATAERR, "%s: %s: a broken link",
			    e->path, name);
		memcpy(dst, inode->i_block, len);
	} else {
		if ((code = ext2fs_file_open(e->fs, ino, 0, &file)) != 0)
			return failed(e, code, name, f);
		code = ext2fs_file_read(file, dst, (unsigned)len, &got);
		ext2fs_file_close(file);
		if (code != 0)
			return failed(e, code, name, f);
		len = got;
	}
	dst[len] = '\0';
	return 0;
}

struct xattr_copy {
	struct tarout	*tar;
	struct ext2_xattr_handle *from;
	struct fail	*f;
	int		 r;
};

static int
tar_xattr(char *name, char *value, size_t len, void *arg)
{
	struct xattr_copy *c = arg;
	void *acl;

	/* Only get() turns an ACL into what setxattr(2) takes. */
	if (strncmp(name, "system.posix_acl_", 17) == 0) {
		if (ext2fs_xattr_get(c->from, name, &acl, &len) != 0)
			return 0;
		c->r = tarout_xattr(c->tar, name, acl, len, c->f);
		ext2fs_free_mem(&acl);
	} else
		c->r = tarout_xattr(c->tar, name, value, len, c->f);
	return c->r == -1 ? XATTR_ABORT : 0;
}

static int
tar_data(void *arg, const char *p, size_t n, struct fail *f)
{
	return tarout_data(arg, p, n, f);
}

static int	tar_dir(struct ext4 *, ext2_ino_t, const char *, unsigned,
		    struct fail *);

/* The first name under which an inode came by. */
struct first {
	ext2_ino_t	 ino;
	char		*name;
};

static int
by_inode(const void *a, const void *b)
{
	const struct first *x = a, *y = b;

	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

static void
first_free(void *p)
{
	free(((struct first *)p)->name);
	free(p);
}

/* The name an inode was archived under before; NULL if this is the first. */
static int
first_name(struct ext4 *e, ext2_ino_t ino, const char *name, const char **was,
    struct fail *f)
{
	struct first *n = calloc(1, sizeof(*n)), **p;

	*was = NULL;
	if (n == NULL || (n->name = strdup(name)) == NULL)
		goto memory;
	n->ino = ino;
	if ((p = tsearch(n, &e->twins, by_inode)) == NULL)
		goto memory;
	if (*p != n) {
		first_free(n);
		*was = (*p)->name;
	}
	return 0;
memory:
	if (n != NULL)
		first_free(n);
	return fail_set(f, EX_OSERR, "out of memory");
}

static int
tar_entry(struct ext4 *e, ext2_ino_t ino, const char *name, unsigned depth,
    struct fail *f)
{
	struct ext2_inode_large large;
	struct ext2_inode *in = (struct ext2_inode *)&large;
	struct tarout_entry t = { .name = name };
	struct xattr_copy copy = { .tar = e->tar, .f = f };
	struct ext2_xattr_handle *h;
	char target[PATH_MAX + 1];
	const char *was;
	errcode_t code;

	code = ext2fs_read_inode_full(e->fs, ino, in, sizeof(large));
	if (code != 0)
		return failed(e, code, name, f);
	t.mode = in->i_mode;
	t.uid = uid_of(in);
	t.gid = gid_of(in);
	t.mtime = mtime_of(&large);
	if (S_ISSOCK(t.mode))
		return 0;
	if (S_ISREG(t.mode))
		t.size = EXT2_I_SIZE(in);
	if (S_ISLNK(t.mode)) {
		if (link_target(e, ino, in, target, sizeof(target), name,
		    f) == -1)
			return -1;
		t.link = target;
	}
	if (S_ISCHR(t.mode) || S_ISBLK(t.mode)) {
		uint32_t d = in->i_block[0], n = in->i_block[1];

		t.major = d != 0 ? d >> 8 & 0xff : n >> 8 & 0xfff;
		t.minor = d != 0 ? d & 0xff : (n & 0xff) | (n >> 12 &
		    0xfff00);
	}
	if (!S_ISDIR(t.mode) && in->i_links_count > 1) {
		if (first_name(e, ino, name, &was, f) == -1)
			return -1;
		if (was != NULL) {
			t.hard = true;
			t.link = was;
			t.size = 0;
			return tarout_begin(e->tar, &t, f);
		}
	}
	if ((code = ext2fs_xattrs_open(e->fs, ino, &h)) == 0) {
		copy.from = h;
		if ((code = ext2fs_xattrs_read(h)) == 0)
			ext2fs_xattrs_iterate(h, tar_xattr, &copy);
		ext2fs_xattrs_close(&h);
	}
	if (code != 0)
		return failed(e, code, name, f);
	if (copy.r == -1 || tarout_begin(e->tar, &t, f) == -1)
		return -1;
	if (S_ISREG(t.mode))
		return read_contents(e, ino, in, name, tar_data, e->tar, f);
	if (S_ISDIR(t.mode))
		return tar_dir(e, ino, name, depth, f);
	return 0;
}

static int
tar_dir(struct ext4 *e, ext2_ino_t ino, const char *path, unsigned depth,
    struct fail *f)
{
	struct names l = { 0 };
	char *sub;
	size_t i;
	int r = -1;

	if (depth > DEPTH_MAX)
		return fail_set(f, EX_DATAERR, "%s: more than %d folders deep",
		    e->path, DEPTH_MAX);
	if (image_names(e, ino, &l, f) == -1)
		goto out;
	for (i = 0; i < l.n; i++) {
		if (depth == 0 && strcmp(l.v[i].name, "lost+found") == 0)
			continue;
		/* A name with a slash is no name: the image is hostile. */
		if (l.v[i].name[0] == '\0' || strchr(l.v[i].name, '/')) {
			fail_set(f, EX_DATAERR, "%s: a broken folder",
			    e->path);
			goto out;
		}
		if (asprintf(&sub, "%s/%s", path, l.v[i].name) == -1) {
			fail_set(f, EX_OSERR, "out of memory");
			goto out;
		}
		r = tar_entry(e, l.v[i].ino, sub, depth + 1, f);
		free(sub);
		if (r == -1)
			goto out;
	}
	r = 0;
out:
	names_free(&l);
	return r;
}

int
ext4_tar(struct ext4 *e, int fd, struct fail *f)
{
	int r = -1;

	if ((e->tar = tarout_new(fd, f)) == NULL)
		return -1;
	r = tar_entry(e, EXT2_ROOT_INO, ".", 0, f);
	if (r == 0)
		r = tarout_end(e->tar, f);
	tdestroy(e->twins, first_free);
	e->twins = NULL;
	tarout_free(e->tar);
	e->tar = NULL;
	return r;
}

static int
fd_data(void *arg, const char *p, size_t n, struct fail *f)
{
	struct buf b = { .data = (char *)(uintptr_t)p, .len = n };

	return buf_write(&b, *(int *)arg, "stdout", f);
}

int
ext4_cat(struct ext4 *e, const char *path, int fd, struct fail *f)
{
	struct ext2_inode inode;
	ext2_ino_t ino;
	errcode_t code;

	code = ext2fs_namei_follow(e->fs, EXT2_ROOT_INO, EXT2_ROOT_INO, path,
	    &ino);
	if (code == EXT2_ET_FILE_NOT_FOUND)
		return fail_set(f, EX_NOINPUT, "%s: no such file in the image",
		    path);
	if (code != 0 || (code = ext2fs_read_inode(e->fs, ino, &inode)) != 0)
		return failed(e, code, path, f);
	if (!LINUX_S_ISREG(inode.i_mode))
		return fail_set(f, EX_NOINPUT, "%s: not a regular file", path);
	return read_contents(e, ino, &inode, path, fd_data, &fd, f);
}
