#include <sys/sysmacros.h>

#include <limits.h>
#include <string.h>

#include "builder/image/ext4_impl.h"

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

int
ext4_remove(struct ext4 *e, ext2_ino_t dir, const char *name, ext2_ino_t ino,
    bool listed, struct fail *f)
{
	struct ext4_names l = { 0 };
	struct ext2_inode inode, parent;
	errcode_t code;
	size_t i;
	bool is_dir;
	int r = -1;

	if ((code = ext2fs_read_inode(e->fs, ino, &inode)) != 0)
		return ext4_failed(e, code, name, f);
	is_dir = LINUX_S_ISDIR(inode.i_mode);
	if (is_dir) {
		if (ext4_names_read(e, ino, &l, f) == -1)
			goto out;
		for (i = 0; i < l.n; i++)
			/* The folder goes, so its names need not. */
			if (ext4_remove(e, ino, l.v[i].name, l.v[i].ino,
			    false, f) == -1)
				goto out;
		if ((code = ext2fs_read_inode(e->fs, ino, &inode)) != 0)
			goto bad;
	}
	if (listed && (code = ext2fs_unlink(e->fs, dir, name, ino, 0)) != 0)
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
	ext4_failed(e, code, name, f);
out:
	ext4_names_free(&l);
	return r;
}

errcode_t
ext4_enter(struct ext4 *e, ext2_ino_t dir, const char *name, ext2_ino_t ino,
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

/* The kernel's old_encode_dev() and new_encode_dev(). */
static void
encode_device(struct ext2_inode *in, dev_t dev)
{
	unsigned hi = major(dev), lo = minor(dev);

	in->i_block[0] = in->i_block[1] = 0;
	if (hi < 256 && lo < 256)
		in->i_block[0] = hi << 8 | lo;
	else
		in->i_block[1] = (lo & 0xff) | hi << 8 | (lo & ~0xffU) << 12;
}

errcode_t
ext4_make(struct ext4 *e, ext2_ino_t dir, const char *name,
    const struct stat *st, const char *target, ext2_ino_t *ino)
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
	if (name != NULL &&
	    (code = ext4_enter(e, dir, name, *ino, st->st_mode)) != 0)
		return code;
	ext2fs_inode_alloc_stats2(e->fs, *ino, 1, 0);
	inode.i_mode = (__u16)st->st_mode;
	inode.i_links_count = 1;
	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
		encode_device(in, st->st_rdev);
	if (S_ISREG(st->st_mode)) {
		/* The root of its extents, of which it has none. */
		in->i_flags |= EXT4_EXTENTS_FL;
		if ((code = ext2fs_extent_open2(e->fs, *ino, in, &h)) != 0)
			return code;
		ext2fs_extent_free(h);
	}
	return ext2fs_write_new_inode(e->fs, *ino, in);
}

int
ext4_same_kind(struct ext4 *e, ext2_ino_t ino, const struct stat *st,
    const char *target, const char *name, struct fail *f)
{
	char have[PATH_MAX + 1];
	struct ext2_inode inode, want;
	errcode_t code;

	if ((code = ext2fs_read_inode(e->fs, ino, &inode)) != 0)
		return ext4_failed(e, code, name, f);
	if ((inode.i_mode & LINUX_S_IFMT) != (st->st_mode & S_IFMT))
		return 0;
	if (S_ISREG(st->st_mode))
		return (inode.i_flags & (EXT4_EXTENTS_FL |
		    EXT4_INLINE_DATA_FL)) == EXT4_EXTENTS_FL;
	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode)) {
		encode_device(&want, st->st_rdev);
		return inode.i_block[0] == want.i_block[0] &&
		    (inode.i_block[0] != 0 ||
		    inode.i_block[1] == want.i_block[1]);
	}
	if (!S_ISLNK(st->st_mode))
		return 1;
	if (EXT2_I_SIZE(&inode) != strlen(target))
		return 0;
	if (ext4_link(e, ino, &inode, have, sizeof(have), name, f) == -1)
		return -1;
	return strcmp(have, target) == 0;
}
