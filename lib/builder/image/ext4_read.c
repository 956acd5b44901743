#include <sys/stat.h>

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <limits.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "builder/image/ext4_impl.h"
#include "core/buf.h"

#define HOLES_TOLD	(1UL << 20)	/* bytes of a file */

/* In an inode a block's place in the file has 32 bits. */
#define FILE_BLOCKS_MAX	(UINT64_C(1) << 32)

/* The first name under which an inode came by. */
struct first {
	ext2_ino_t	 ino;
	char		*name;
};

struct tar {
	struct ext4	*e;
	struct archive	*archive;
	int		 fd;
	void		*names;		/* tsearch tree of struct first */
	ext2fs_inode_bitmap folders;	/* those that came by */
	struct fail	 stop;		/* why nothing more is written, or 0 */
};

/* A file's bytes in order, to what takes them. */
static int
read_contents(struct ext4 *e, ext2_ino_t ino, struct ext2_inode *inode,
    const char *name, int (*take)(void *, const char *, size_t,
    struct fail *), void *arg, struct fail *f)
{
	uint64_t size = EXT2_I_SIZE(inode), at = 0;
	const struct ext4_run *r;
	size_t hint = 0, zeros = 0, n;
	errcode_t code;
	unsigned got;
	ext2_file_t file;

	if (size > FILE_BLOCKS_MAX * e->bs)
		return fail_set(f, EX_DATAERR, "%s: %s: a broken file",
		    e->path, name);
	if (inode->i_flags & EXT4_INLINE_DATA_FL) {
		e->nruns = 0;
		if ((code = ext2fs_file_open(e->fs, ino, 0, &file)) != 0)
			return ext4_failed(e, code, name, f);
		code = ext2fs_file_read(file, e->a, EXT4_CHUNK, &got);
		ext2fs_file_close(file);
		if (code != 0)
			return ext4_failed(e, code, name, f);
		/* So much room there is; behind it zeros are meant. */
		at = got < size ? got : size;
		if (take(arg, e->a, (size_t)at, f) == -1)
			return -1;
	} else if ((code = ext4_runs_read(e, ino, inode)) != 0)
		return ext4_failed(e, code, name, f);
	while (at < size) {
		uint64_t block = at / e->bs, left = size - at;

		r = ext4_run_at(e, block, &hint);
		if (r != NULL)
			left = (r->count - (block - r->logical)) * e->bs;
		else if (hint < e->nruns)
			left = (e->runs[hint].logical - block) * e->bs;
		if (left > size - at)
			left = size - at;
		n = left < EXT4_CHUNK ? (size_t)left : EXT4_CHUNK;
		if (r == NULL && n > zeros)
			memset(e->a, 0, n);
		zeros = r != NULL ? 0 : n > zeros ? n : zeros;
		if (r != NULL && io_read(e->fd, e->a, n, (r->physical + (block -
		    r->logical)) * e->bs) == -1)
			return fail_sys(f, EX_IOERR, "%s: %s", e->path, name);
		if (take(arg, e->a, n, f) == -1)
			return -1;
		at += n;
	}
	return 0;
}

/* Whether libarchive did it, and what it had written was taken. */
static int
tar_done(const struct tar *t, bool done, struct fail *f)
{
	if (t->stop.status != 0) {
		*f = t->stop;
		return -1;
	}
	if (done)
		return 0;
	return fail_set(f, archive_errno(t->archive) == ENOMEM ? EX_OSERR :
	    EX_IOERR, "tar: %s", archive_error_string(t->archive));
}

static la_ssize_t
tar_write(struct archive *a, void *arg, const void *p, size_t n)
{
	struct buf b = { .data = (char *)(uintptr_t)p, .len = n };
	struct tar *t = arg;

	(void)a;
	/* Told of a failure libarchive does not free its buffer any more. */
	if (t->stop.status == 0)
		buf_write(&b, t->fd, "stdout", &t->stop);
	return (la_ssize_t)n;
}

static int
tar_data(void *arg, const char *p, size_t n, struct fail *f)
{
	struct tar *t = arg;

	return tar_done(t, archive_write_data(t->archive, p, n) ==
	    (la_ssize_t)n, f);
}

struct xattr_copy {
	struct archive_entry *to;
	struct ext2_xattr_handle *from;
	bool		 access, heritage;	/* out: it has such an ACL */
};

static int
tar_xattr(char *name, char *value, size_t len, void *arg)
{
	struct xattr_copy *c = arg;
	void *acl;

	c->access = c->access || strcmp(name, "system.posix_acl_access") == 0;
	c->heritage = c->heritage ||
	    strcmp(name, "system.posix_acl_default") == 0;
	/* Only get() turns an ACL into what setxattr(2) takes. */
	if (strncmp(name, "system.posix_acl_", 17) == 0) {
		if (ext2fs_xattr_get(c->from, name, &acl, &len) != 0)
			return 0;
		archive_entry_xattr_add_entry(c->to, name, acl, len);
		ext2fs_free_mem(&acl);
	} else
		archive_entry_xattr_add_entry(c->to, name, value, len);
	return 0;
}

/*
 * What was unpacked may have inherited an ACL from its folder: those that say
 * no more than the mode, and nothing, take it away (acl(5)).
 */
static void
tar_no_acl(struct archive_entry *to, mode_t mode, const struct xattr_copy *has)
{
	unsigned char acl[] = { 2, 0, 0, 0,
	    1, 0, (mode >> 6) & 7, 0, 0xff, 0xff, 0xff, 0xff,	/* owner */
	    4, 0, (mode >> 3) & 7, 0, 0xff, 0xff, 0xff, 0xff,	/* group */
	    32, 0, mode & 7, 0, 0xff, 0xff, 0xff, 0xff };	/* others */

	if (S_ISLNK(mode))
		return;
	if (!has->access)
		archive_entry_xattr_add_entry(to, "system.posix_acl_access",
		    acl, sizeof(acl));
	if (S_ISDIR(mode) && !has->heritage)
		archive_entry_xattr_add_entry(to, "system.posix_acl_default",
		    acl, 4);
}

/*
 * heir: whether a folder above has an ACL that is inherited; then, whether this
 * one has, too.
 */
static int
tar_xattrs(struct ext4 *e, ext2_ino_t ino, struct archive_entry *to,
    bool *heir, const char *name, struct fail *f)
{
	struct xattr_copy copy = { .to = to };
	errcode_t code;

	if ((code = ext2fs_xattrs_open(e->fs, ino, &copy.from)) == 0) {
		if ((code = ext2fs_xattrs_read(copy.from)) == 0)
			ext2fs_xattrs_iterate(copy.from, tar_xattr, &copy);
		ext2fs_xattrs_close(&copy.from);
	}
	if (*heir)
		tar_no_acl(to, archive_entry_mode(to), &copy);
	*heir = *heir || copy.heritage;
	return code == 0 ? 0 : ext4_failed(e, code, name, f);
}

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
first_name(struct tar *t, ext2_ino_t ino, const char *name, const char **was,
    struct fail *f)
{
	struct first *n = calloc(1, sizeof(*n)), **p;

	*was = NULL;
	if (n == NULL || (n->name = strdup(name)) == NULL)
		goto memory;
	n->ino = ino;
	if ((p = tsearch(n, &t->names, by_inode)) == NULL)
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

static int64_t
mtime_of(const struct ext2_inode_large *in)
{
	int64_t t = (int32_t)in->i_mtime;

	if (in->i_extra_isize >= 8)
		t += (int64_t)(in->i_mtime_extra & 3) << 32;
	return t;
}

/* What an inode says of itself. */
static int
tar_fields(struct ext4 *e, ext2_ino_t ino, struct ext2_inode_large *large,
    struct archive_entry *to, const char *name, struct fail *f)
{
	struct ext2_inode *in = (struct ext2_inode *)large;
	char target[PATH_MAX + 1];
	errcode_t code;

	code = ext2fs_read_inode_full(e->fs, ino, in, sizeof(*large));
	if (code != 0)
		return ext4_failed(e, code, name, f);
	archive_entry_copy_pathname(to, name);
	archive_entry_set_mode(to, in->i_mode);
	archive_entry_set_uid(to, inode_uid(*in));
	archive_entry_set_gid(to, inode_gid(*in));
	archive_entry_set_mtime(to, mtime_of(large), 0);
	archive_entry_set_size(to, S_ISREG(in->i_mode) ?
	    (la_int64_t)EXT2_I_SIZE(in) : 0);
	if (S_ISLNK(in->i_mode)) {
		if (ext4_link(e, ino, in, target, sizeof(target), name,
		    f) == -1)
			return -1;
		archive_entry_copy_symlink(to, target);
	}
	if (S_ISCHR(in->i_mode) || S_ISBLK(in->i_mode)) {
		uint32_t d = in->i_block[0], n = in->i_block[1];

		archive_entry_set_rdevmajor(to, d != 0 ? d >> 8 & 0xff :
		    n >> 8 & 0xfff);
		archive_entry_set_rdevminor(to, d != 0 ? d & 0xff :
		    (n & 0xff) | (n >> 12 & 0xfff00));
	}
	return 0;
}

/*
 * Where a file has data, if its holes are worth being told: readers then make
 * them again.  Small ones are not, so that most archives are plain.
 */
static int
tar_holes(struct ext4 *e, ext2_ino_t ino, struct ext2_inode *in,
    struct archive_entry *to, const char *name, struct fail *f)
{
	uint64_t size = EXT2_I_SIZE(in), data = 0, from, end;
	errcode_t code;
	size_t i;

	if (in->i_flags & EXT4_INLINE_DATA_FL)
		return 0;
	if ((code = ext4_runs_read(e, ino, in)) != 0)
		return ext4_failed(e, code, name, f);
	for (i = 0; i < e->nruns; i++)
		data += e->runs[i].count * e->bs;
	if (data >= size || size - data < HOLES_TOLD)
		return 0;
	for (i = 0; i < e->nruns; i++) {
		from = e->runs[i].logical * e->bs;
		end = from + e->runs[i].count * e->bs;
		for (; i + 1 < e->nruns && e->runs[i + 1].logical * e->bs ==
		    end; i++)
			end += e->runs[i + 1].count * e->bs;
		if (from < size)
			archive_entry_sparse_add_entry(to, (la_int64_t)from,
			    (la_int64_t)((end < size ? end : size) - from));
	}
	/* An end in a hole has to be said, too. */
	archive_entry_sparse_add_entry(to, (la_int64_t)size, 0);
	return 0;
}

static int
tar_header(struct tar *t, struct archive_entry *entry, struct fail *f)
{
	/*
	 * A warning is a name that is not ASCII: it is kept byte for byte and
	 * marked hdrcharset=BINARY.
	 */
	return tar_done(t, archive_write_header(t->archive, entry) >=
	    ARCHIVE_WARN, f);
}

static bool
is_kind(mode_t mode)
{
	return S_ISREG(mode) || S_ISDIR(mode) || S_ISLNK(mode) ||
	    S_ISCHR(mode) || S_ISBLK(mode) || S_ISFIFO(mode);
}

static int	tar_dir(struct tar *, ext2_ino_t, const char *, unsigned, bool,
		    struct fail *);

static int
tar_entry(struct tar *t, ext2_ino_t ino, const char *name, unsigned depth,
    bool heir, struct fail *f)
{
	struct archive_entry *entry = archive_entry_new();
	struct ext2_inode_large large;
	struct ext2_inode *in = (struct ext2_inode *)&large;
	const char *was = NULL;
	int r = -1;

	if (entry == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	if (tar_fields(t->e, ino, &large, entry, name, f) == -1)
		goto out;
	if (S_ISSOCK(in->i_mode)) {
		r = 0;
		goto out;
	}
	if (!is_kind(in->i_mode)) {
		fail_set(f, EX_DATAERR, "%s: %s: a file of an unknown type",
		    t->e->path, name);
		goto out;
	}
	if (!S_ISDIR(in->i_mode) && in->i_links_count > 1 &&
	    first_name(t, ino, name, &was, f) == -1)
		goto out;
	if (was != NULL) {
		archive_entry_copy_hardlink(entry, was);
		archive_entry_set_size(entry, 0);
		r = tar_header(t, entry, f);
		goto out;
	}
	if (S_ISREG(in->i_mode) &&
	    tar_holes(t->e, ino, in, entry, name, f) == -1)
		goto out;
	if (tar_xattrs(t->e, ino, entry, &heir, name, f) == -1 ||
	    tar_header(t, entry, f) == -1)
		goto out;
	archive_entry_free(entry);
	if (S_ISREG(in->i_mode))
		return read_contents(t->e, ino, in, name, tar_data, t, f);
	if (S_ISDIR(in->i_mode))
		return tar_dir(t, ino, name, depth, heir, f);
	return 0;
out:
	archive_entry_free(entry);
	return r;
}

/*
 * A folder has one name: by two in each of thirty, one in the other, there
 * would be as many paths as no disk holds.
 */
static int
tar_dir(struct tar *t, ext2_ino_t ino, const char *path, unsigned depth,
    bool heir, struct fail *f)
{
	struct ext4 *e = t->e;
	struct ext4_names l = { 0 };
	char *sub;
	size_t i;
	int r = -1;

	if (depth > EXT4_DEPTH_MAX)
		return fail_set(f, EX_DATAERR, "%s: more than %d folders deep",
		    e->path, EXT4_DEPTH_MAX);
	if (ext2fs_mark_inode_bitmap2(t->folders, ino) != 0)
		return fail_set(f, EX_DATAERR, "%s: %s: a folder that has "
		    "another name, too", e->path, path);
	if (ext4_names_read(e, ino, &l, f) == -1)
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
		r = tar_entry(t, l.v[i].ino, sub, depth + 1, heir, f);
		free(sub);
		if (r == -1)
			goto out;
	}
	r = 0;
out:
	ext4_names_free(&l);
	return r;
}

int
ext4_tar(struct ext4 *e, int fd, struct fail *f)
{
	struct tar t = { .e = e, .archive = archive_write_new(), .fd = fd };
	int r = -1;

	if (t.archive == NULL || ext2fs_allocate_inode_bitmap(e->fs,
	    "folders", &t.folders) != 0) {
		archive_write_free(t.archive);
		return fail_set(f, EX_OSERR, "out of memory");
	}
	/*
	 * Plain headers, and pax records only for what does not fit them: not
	 * for inode numbers, which are nobody's business.
	 */
	if (archive_write_set_format_pax_restricted(t.archive) != ARCHIVE_OK ||
	    archive_write_set_format_option(t.archive, "pax", "xattrheader",
	    "SCHILY") != ARCHIVE_OK ||
	    archive_write_set_bytes_per_block(t.archive, EXT4_CHUNK) !=
	    ARCHIVE_OK ||
	    archive_write_set_bytes_in_last_block(t.archive, 1) !=
	    ARCHIVE_OK ||
	    archive_write_open(t.archive, &t, NULL, tar_write, NULL) !=
	    ARCHIVE_OK)
		tar_done(&t, false, f);
	else if (tar_entry(&t, EXT2_ROOT_INO, ".", 0, false, f) == 0)
		r = tar_done(&t, archive_write_close(t.archive) == ARCHIVE_OK,
		    f);
	/* Freeing it must not write an end to what is not whole. */
	if (r == -1)
		t.stop = *f;
	archive_write_free(t.archive);
	ext2fs_free_inode_bitmap(t.folders);
	tdestroy(t.names, first_free);
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
		return ext4_failed(e, code, path, f);
	if (!LINUX_S_ISREG(inode.i_mode))
		return fail_set(f, EX_NOINPUT, "%s: not a regular file", path);
	return read_contents(e, ino, &inode, path, fd_data, &fd, f);
}
