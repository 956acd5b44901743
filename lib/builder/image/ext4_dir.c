#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "builder/image/ext4_impl.h"

/*
 * The layout is the kernel's: a root block that looks
 * like "." and "..", maybe blocks of an index that look like one entry of no
 * name, then leaves, each with the names of a range of hashes.
 */
#define ROOT_INFO	24U	/* where what follows ".." begins */
#define ROOT_INDEX	32U
#define NODE_INDEX	8U
#define INDEX_ENTRY	8U	/* a hash and a block, four bytes each */

struct hashed {
	const struct ext4_entry *entry;
	__u32		 hash, minor;
};

struct dir {
	struct ext4	*e;
	ext2_ino_t	 ino, parent;
	unsigned	 tail;		/* what a checksum takes at the end */
	struct hashed	*v;
	size_t		 n;
	char		*blocks;	/* all of them */
	uint64_t	 nblocks;
};

static int
by_hash(const void *a, const void *b)
{
	const struct hashed *x = a, *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	if (x->minor != y->minor)
		return x->minor < y->minor ? -1 : 1;
	return strcmp(x->entry->name, y->entry->name);
}

static int
type_of(mode_t mode)
{
	return S_ISREG(mode) ? EXT2_FT_REG_FILE : S_ISDIR(mode) ? EXT2_FT_DIR :
	    S_ISLNK(mode) ? EXT2_FT_SYMLINK : S_ISCHR(mode) ? EXT2_FT_CHRDEV :
	    S_ISBLK(mode) ? EXT2_FT_BLKDEV : EXT2_FT_FIFO;
}

static errcode_t
hash(struct dir *d)
{
	struct ext2_super_block *sb = d->e->fs->super;
	int version = sb->s_def_hash_version;
	errcode_t code;
	size_t i;

	if (version <= EXT2_HASH_TEA && (sb->s_flags & EXT2_FLAGS_UNSIGNED_HASH))
		version += 3;
	for (i = 0; i < d->n; i++) {
		code = ext2fs_dirhash(version, d->v[i].entry->name,
		    (int)strlen(d->v[i].entry->name), sb->s_hash_seed,
		    &d->v[i].hash, &d->v[i].minor);
		if (code != 0)
			return code;
	}
	qsort(d->v, d->n, sizeof(*d->v), by_hash);
	return 0;
}

static unsigned
record(const char *name)
{
	return ((unsigned)strlen(name) + 8 + 3) & ~3U;
}

/* One name at a place of a block; its record is len bytes long. */
static void
put_name(const struct dir *d, char *at, ext2_ino_t ino, const char *name,
    int type, unsigned len)
{
	struct ext2_dir_entry *to = (struct ext2_dir_entry *)(void *)at;

	to->inode = ino;
	ext2fs_set_rec_len(d->e->fs, len, to);
	ext2fs_dirent_set_name_len(to, (int)strlen(name));
	ext2fs_dirent_set_file_type(to, type);
	memcpy(to->name, name, strlen(name));
}

/* Names [from, to) into a block from a place on; the last takes the rest. */
static void
put_leaf(const struct dir *d, char *block, unsigned at, size_t from, size_t to)
{
	unsigned end = d->e->bs - d->tail, len;

	if (from == to)
		put_name(d, block + at, 0, "", 0, end - at);
	for (; from < to; from++, at += len) {
		const struct ext4_entry *x = d->v[from].entry;

		len = from + 1 == to ? end - at : record(x->name);
		put_name(d, block + at, x->ino, x->name, type_of(x->mode),
		    len);
	}
	if (d->tail != 0)
		ext2fs_initialize_dirent_tail(d->e->fs,
		    EXT2_DIRENT_TAIL(block, d->e->bs));
}

/* How many names from one on fit into a block. */
static size_t
fits(const struct dir *d, size_t from, unsigned at)
{
	unsigned end = d->e->bs - d->tail;
	size_t i;

	for (i = from; i < d->n; i++) {
		at += record(d->v[i].entry->name);
		if (at > end)
			break;
	}
	return i - from;
}

static void
put32(char *at, uint32_t v)
{
	memcpy(at, &v, sizeof(v));
}

/* An index of n blocks from one on; the first has no hash but the counts. */
static void
put_index(const struct dir *d, char *block, unsigned at, const uint32_t *hashes,
    uint32_t first, unsigned n)
{
	struct ext2_dx_countlimit *c = (void *)(block + at);
	unsigned i;

	c->limit = (__u16)((d->e->bs - at - (d->tail == 0 ? 0 : 8)) /
	    INDEX_ENTRY);
	c->count = (__u16)n;
	for (i = 0; i < n; i++) {
		if (i > 0)
			put32(block + at + i * INDEX_ENTRY, hashes[i]);
		put32(block + at + i * INDEX_ENTRY + 4, first + i);
	}
}

static void
put_root(const struct dir *d, unsigned levels, const uint32_t *hashes,
    unsigned n)
{
	struct ext2_dx_root_info info = { .hash_version =
	    d->e->fs->super->s_def_hash_version, .info_length = 8,
	    .indirect_levels = (__u8)levels };

	put_name(d, d->blocks, d->ino, ".", EXT2_FT_DIR, 12);
	put_name(d, d->blocks + 12, d->parent, "..", EXT2_FT_DIR,
	    d->e->bs - 12);
	memcpy(d->blocks + ROOT_INFO, &info, sizeof(info));
	put_index(d, d->blocks, ROOT_INDEX, hashes, 1, n);
}

/*
 * All blocks, in memory.  A folder that needs more than two levels of index
 * (25 million names) is said not to fit.
 */
static errcode_t
htree(struct dir *d)
{
	unsigned bs = d->e->bs, csum = d->tail == 0 ? 0 : 8;
	size_t root = (bs - ROOT_INDEX - csum) / INDEX_ENTRY, i, k, leaves;
	size_t each = (bs - NODE_INDEX - csum) / INDEX_ENTRY, nodes = 0;
	uint32_t *hashes, *tops;
	errcode_t code = ENOMEM;

	/* Never more leaves than names. */
	hashes = calloc(d->n, sizeof(*hashes));
	tops = calloc(d->n, sizeof(*tops));
	if (hashes == NULL || tops == NULL)
		goto out;
	for (i = leaves = 0; i < d->n; i += k) {
		k = fits(d, i, 0);
		hashes[leaves] = d->v[i].hash;
		/* What began in the leaf before goes on here. */
		if (i > 0 && d->v[i - 1].hash == d->v[i].hash)
			hashes[leaves] |= 1;
		leaves++;
	}
	if (leaves > root)
		nodes = (leaves + each - 1) / each;
	if (nodes > root) {
		code = EXT2_ET_DIR_NO_SPACE;
		goto out;
	}
	d->nblocks = 1 + nodes + leaves;
	if ((d->blocks = calloc(d->nblocks, bs)) == NULL)
		goto out;
	for (i = 0; i < nodes; i++) {
		char *block = d->blocks + (1 + i) * bs;

		tops[i] = hashes[i * each];
		put_name(d, block, 0, "", 0, bs);
		k = leaves - i * each < each ? leaves - i * each : each;
		put_index(d, block, NODE_INDEX, hashes + i * each,
		    (uint32_t)(1 + nodes + i * each), (unsigned)k);
	}
	put_root(d, nodes != 0, nodes == 0 ? hashes : tops,
	    (unsigned)(nodes == 0 ? leaves : nodes));
	for (i = leaves = 0; i < d->n; i += k, leaves++) {
		k = fits(d, i, 0);
		put_leaf(d, d->blocks + (1 + nodes + leaves) * bs, 0, i,
		    i + k);
	}
	code = 0;
out:
	free(hashes);
	free(tops);
	return code;
}

/* The few names of a folder without an index. */
static errcode_t
linear(struct dir *d)
{
	d->nblocks = 1;
	if ((d->blocks = calloc(1, d->e->bs)) == NULL)
		return ENOMEM;
	put_name(d, d->blocks, d->ino, ".", EXT2_FT_DIR, 12);
	put_name(d, d->blocks + 12, d->parent, "..", EXT2_FT_DIR, d->n == 0 ?
	    d->e->bs - d->tail - 12 : 12);
	if (d->n > 0)
		put_leaf(d, d->blocks, 24, 0, d->n);
	else if (d->tail != 0)
		ext2fs_initialize_dirent_tail(d->e->fs,
		    EXT2_DIRENT_TAIL(d->blocks, d->e->bs));
	return 0;
}

/* The blocks into the folder, which has as many from now on. */
static errcode_t
put_blocks(struct dir *d, struct ext2_inode *inode, bool indexed)
{
	struct ext4 *e = d->e;
	const struct ext4_run *r;
	size_t hint = 0;
	errcode_t code;
	uint64_t i;

	code = ext2fs_fallocate(e->fs, EXT2_FALLOCATE_FORCE_INIT |
	    EXT2_FALLOCATE_INIT_BEYOND_EOF, d->ino, inode, ~0ULL, 0,
	    d->nblocks);
	if (code == 0)
		code = ext2fs_punch(e->fs, d->ino, inode, NULL, d->nblocks,
		    ~0ULL);
	if (code == 0)
		code = ext4_runs_read(e, d->ino, inode);
	for (i = 0; code == 0 && i < d->nblocks; i++) {
		if ((r = ext4_run_at(e, i, &hint)) == NULL)
			return EXT2_ET_DIR_CORRUPTED;
		code = ext2fs_write_dir_block4(e->fs, r->physical +
		    (i - r->logical), d->blocks + i * e->bs, 0, d->ino);
	}
	if (code == 0)
		code = ext2fs_inode_size_set(e->fs, inode,
		    (ext2_off64_t)(d->nblocks * e->bs));
	if (code != 0)
		return code;
	inode->i_flags &= ~(__u32)EXT2_INDEX_FL;
	if (indexed)
		inode->i_flags |= EXT2_INDEX_FL;
	return ext2fs_write_inode(e->fs, d->ino, inode);
}

bool
ext4_dir_bulk(struct ext4 *e, ext2_ino_t ino, size_t was, size_t names)
{
	struct ext2_inode inode;

	return ext2fs_read_inode(e->fs, ino, &inode) == 0 &&
	    (was > EXT4_DIR_BULK || names > EXT4_DIR_BULK ||
	    (was == 0 && names > 1) || (inode.i_flags & EXT2_INDEX_FL) != 0) &&
	    ext2fs_has_feature_dir_index(e->fs->super) &&
	    (inode.i_flags & (EXT4_EXTENTS_FL | EXT4_INLINE_DATA_FL |
	    EXT4_ENCRYPT_FL | EXT4_CASEFOLD_FL)) == EXT4_EXTENTS_FL;
}

int
ext4_dir_write(struct ext4 *e, ext2_ino_t ino, const struct ext4_entry *v,
    size_t n, const char *name, struct fail *f)
{
	struct dir d = { .e = e, .ino = ino, .n = n, .tail =
	    ext2fs_has_feature_metadata_csum(e->fs->super) ?
	    sizeof(struct ext2_dir_entry_tail) : 0 };
	struct ext2_inode inode;
	errcode_t code;
	bool indexed;
	size_t i;

	if ((code = ext2fs_read_inode(e->fs, ino, &inode)) != 0 ||
	    (code = ext2fs_lookup(e->fs, ino, "..", 2, NULL,
	    &d.parent)) != 0)
		return ext4_failed(e, code, name, f);
	if ((d.v = calloc(n + 1, sizeof(*d.v))) == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	for (i = 0; i < n; i++)
		d.v[i].entry = &v[i];
	code = hash(&d);
	indexed = fits(&d, 0, 24) < n;
	if (code == 0)
		code = indexed ? htree(&d) : linear(&d);
	if (code == 0)
		code = put_blocks(&d, &inode, indexed);
	free(d.blocks);
	free(d.v);
	return code == 0 ? 0 : ext4_failed(e, code, name, f);
}
