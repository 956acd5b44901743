#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "builder/image/ext4_impl.h"

int
ext4_failed(struct ext4 *e, errcode_t code, const char *name, struct fail *f)
{
	if (code == EXT2_ET_INODE_ALLOC_FAIL)
		return fail_set(f, EX_CANTCREAT, "no inodes left in the image: "
		    "it has %u, one for each file or folder, and %.200s is "
		    "one too many", e->fs->super->s_inodes_count, name);
	if (code == EXT2_ET_BLOCK_ALLOC_FAIL || code == ENOSPC ||
	    code == EXT2_ET_DIR_NO_SPACE)
		return fail_set(f, EX_CANTCREAT, "no space left in the image: "
		    "it has %llu MiB, and %.200s does not fit",
		    (unsigned long long)(ext2fs_blocks_count(e->fs->super) *
		    e->bs >> 20), name);
	return fail_set(f, code == ENOMEM ? EX_OSERR : EX_IOERR,
	    "%s: %.200s: %s", e->path, name, error_message(code));
}

/*
 * ext2fs_punch() does not free the last block of a file system (1.47 takes it
 * for one behind the end), so none is given it: it is held as long as the file
 * system is open.
 */
static void
hold_last(struct ext4 *e, bool hold)
{
	blk64_t last = ext2fs_blocks_count(e->fs->super) - 1;

	if (hold && !ext2fs_test_block_bitmap2(e->fs->block_map, last)) {
		ext2fs_mark_block_bitmap2(e->fs->block_map, last);
		e->held = true;
	} else if (!hold && e->held)
		ext2fs_unmark_block_bitmap2(e->fs->block_map, last);
}

/*
 * The library keeps blocks that it has changed, and file contents are written
 * past it, to the file itself.  So a block that it kept may not become one of a
 * file's contents as long as it is to be written: on_blocks() sees what is given
 * back, and ext4_settle() has all of it written then.
 */
static void
on_blocks(ext2_filsys fs, blk64_t block, blk_t n, int inuse)
{
	struct ext4 *e = fs->priv_data;

	(void)block;
	(void)n;
	if (inuse < 0)
		e->given_back = true;
}

static void
on_block_alone(ext2_filsys fs, blk64_t block, int inuse)
{
	on_blocks(fs, block, 1, inuse);
}

errcode_t
ext4_settle(struct ext4 *e)
{
	errcode_t code;

	if (!e->given_back)
		return 0;
	e->given_back = false;
	/* io_channel_flush() would wait for the disk, too. */
	code = io_channel_set_options(e->fs->io, "cache=off");
	return code != 0 ? code :
	    io_channel_set_options(e->fs->io, "cache=on");
}

struct ext4 *
ext4_open(const char *path, bool rw, struct fail *f)
{
	struct ext4 *e = calloc(1, sizeof(*e));
	struct stat st;
	uint64_t bytes;
	errcode_t code;

	if (e == NULL || (e->path = strdup(path)) == NULL ||
	    (e->a = malloc(EXT4_CHUNK)) == NULL ||
	    (e->b = malloc(EXT4_CHUNK)) == NULL) {
		fail_set(f, EX_OSERR, "out of memory");
		goto bad;
	}
	e->discard = -1;
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
	bytes = ext2fs_blocks_count(e->fs->super) * e->bs;
	/* What is not there would be read as if it were empty. */
	if (fstat(e->fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    (uint64_t)st.st_size < bytes) {
		fail_set(f, EX_DATAERR, "%s: cut short, %jd bytes of %" PRIu64,
		    path, (intmax_t)st.st_size, bytes);
		goto bad;
	}
	if (rw && (code = ext2fs_read_bitmaps(e->fs)) != 0) {
		fail_set(f, EX_DATAERR, "%s: %s", path, error_message(code));
		goto bad;
	}
	if (rw) {
		e->fs->priv_data = e;
		ext2fs_set_block_alloc_stats_callback(e->fs, on_block_alone,
		    NULL);
		ext2fs_set_block_alloc_stats_range_callback(e->fs, on_blocks,
		    NULL);
		hold_last(e, true);
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

	if (e->fs != NULL) {
		hold_last(e, false);
		/* The image is read at once: it need not be on the disk. */
		code = ext2fs_close2(e->fs, EXT2_FLAG_FLUSH_NO_SYNC);
		if (code != 0) {
			r = fail_set(f, EX_IOERR, "%s: %s", e->path,
			    error_message(code));
			ext2fs_free(e->fs);
		}
	}
	if (e->fd > 0)
		close(e->fd);
	free(e->path);
	free(e->a);
	free(e->b);
	free(e->runs);
	free(e);
	return r;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct ext4_name *)a)->name,
	    ((const struct ext4_name *)b)->name);
}

void
ext4_names_add(struct ext4_names *l, const char *name, size_t len,
    ext2_ino_t ino)
{
	struct ext4_name *p;

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
	l->v[l->n++].ino = ino;
}

void
ext4_names_sort(struct ext4_names *l)
{
	if (l->n > 1)
		qsort(l->v, l->n, sizeof(*l->v), by_name);
}

void
ext4_names_free(struct ext4_names *l)
{
	while (l->n > 0)
		free(l->v[--l->n].name);
	free(l->v);
	l->v = NULL;
}

struct ext4_name *
ext4_names_find(const struct ext4_names *l, const char *name)
{
	struct ext4_name key = { .name = (char *)(uintptr_t)name };

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
	ext4_names_add(arg, d->name, (size_t)len, d->inode);
	return 0;
}

int
ext4_names_read(struct ext4 *e, ext2_ino_t ino, struct ext4_names *l,
    struct fail *f)
{
	errcode_t code = ext2fs_dir_iterate2(e->fs, ino, 0, NULL, on_entry, l);

	if (code == 0 && l->failed)
		code = ENOMEM;
	if (code != 0)
		return ext4_failed(e, code, "a folder", f);
	ext4_names_sort(l);
	return 0;
}

static int
runs_add(struct ext4 *e, const struct ext2fs_extent *x)
{
	struct ext4_run *p;

	if (e->nruns == e->runs_cap) {
		e->runs_cap = e->runs_cap * 2 + 64;
		p = realloc(e->runs, e->runs_cap * sizeof(*p));
		if (p == NULL)
			return -1;
		e->runs = p;
	}
	e->runs[e->nruns++] = (struct ext4_run){ x->e_lblk, x->e_pblk,
	    x->e_len };
	return 0;
}

struct blocks {
	struct ext4	*e;
	errcode_t	 code;
};

static int
on_block(ext2_filsys fs, blk64_t *block, e2_blkcnt_t n, blk64_t ref, int off,
    void *arg)
{
	struct ext2fs_extent x = { .e_lblk = (blk64_t)n, .e_pblk = *block,
	    .e_len = 1 };
	struct blocks *b = arg;

	(void)ref;
	(void)off;
	/* libext2fs passes over a list of blocks that is nowhere. */
	if (n < 0 && (*block < fs->super->s_first_data_block ||
	    *block >= ext2fs_blocks_count(fs->super)))
		b->code = EXT2_ET_BAD_IND_BLOCK;
	else if (n >= 0 && runs_add(b->e, &x) == -1)
		b->code = ENOMEM;
	return b->code == 0 ? 0 : BLOCK_ABORT;
}

errcode_t
ext4_runs_read(struct ext4 *e, ext2_ino_t ino, struct ext2_inode *inode)
{
	ext2_extent_handle_t h;
	struct blocks b = { .e = e };
	struct ext2fs_extent x;
	errcode_t code;

	e->nruns = 0;
	if (!(inode->i_flags & EXT4_EXTENTS_FL)) {
		code = ext2fs_block_iterate3(e->fs, ino,
		    BLOCK_FLAG_READ_ONLY, NULL, on_block, &b);
		return code != 0 ? code : b.code;
	}
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

const struct ext4_run *
ext4_run_at(const struct ext4 *e, uint64_t n, size_t *hint)
{
	const struct ext4_run *r;

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

int
ext4_link(struct ext4 *e, ext2_ino_t ino, struct ext2_inode *inode,
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
			return ext4_failed(e, code, name, f);
		code = ext2fs_file_read(file, dst, (unsigned)len, &got);
		ext2fs_file_close(file);
		if (code != 0)
			return ext4_failed(e, code, name, f);
		len = got;
	}
	dst[len] = '\0';
	return 0;
}
