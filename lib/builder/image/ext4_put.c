#include <sys/stat.h>
#include <sys/xattr.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "builder/image/ext4_impl.h"
#include "core/ahead.h"
#include "core/clock.h"

#define XATTR_MAX	(64UL << 10)	/* Linux takes no larger value */
/* Bits 32 and 33 of a time, as the kernel's ext4.h keeps them. */
#define SECONDS_HIGH(t)	(((uint64_t)(t) >> 32) & 3)

/*
 * Bring [at, at + n) of the image's file, whose blocks are all there, to what
 * p, a part of e->a, holds.  Of a file that was there before only blocks that differ are
 * written; a new one's are not read, since holes are slow to read.
 */
static int
put_chunk(struct ext4 *e, char *p, uint64_t at, size_t n, bool fresh,
    size_t *hint, const char *name, struct fail *f)
{
	size_t full = (n + e->bs - 1) / e->bs * e->bs, i = 0, k, w;
	const struct ext4_run *r;
	uint64_t phys;
	errcode_t code;

	if ((code = ext4_settle(e)) != 0)
		return ext4_failed(e, code, name, f);
	/* Only the last block of a chunk can be short: there is room. */
	memset(p + n, 0, full - n);
	while (i < full) {
		uint64_t block = (at + i) / e->bs;

		if ((r = ext4_run_at(e, block, hint)) == NULL) {
			errno = EIO;
			goto bad;
		}
		phys = r->physical + (block - r->logical);
		k = (size_t)(r->count - (block - r->logical)) * e->bs;
		if (k > full - i)
			k = full - i;
		if (fresh && e->snapshot != NULL) {
			if (qcow2_give(e->snapshot, p + i, k, phys * e->bs,
			    f) == -1)
				return -1;
		} else if (fresh) {
			if (io_write(e->fd, p + i, k, phys * e->bs) == -1)
				goto bad;
		} else if (io_read(e->fd, e->b, k, phys * e->bs) == -1)
			goto bad;
		else if (memcmp(p + i, e->b, k) != 0)
			for (w = 0; w < k; w += e->bs)
				if (memcmp(p + i + w, e->b + w,
				    e->bs) != 0 && io_write(e->fd, p + i + w,
				    e->bs, phys * e->bs + w) == -1)
					goto bad;
		i += k;
	}
	return 0;
bad:
	return fail_sys(f, EX_IOERR, "%s: %s", e->path, name);
}

/* How many of the first n bytes of p, whole blocks of zeros from at on. */
static size_t
zeros(const struct ext4 *e, const char *p, size_t at, size_t n)
{
	size_t k = at;

	while (k < n && p[k] == 0 && memcmp(p + k, p + k + 1,
	    (n - k < e->bs ? n - k : e->bs) - 1) == 0)
		k += n - k < e->bs ? n - k : e->bs;
	return k - at;
}

/*
 * How much from at on is to be bytes of the image: all up to a run of zeros
 * that is worth a hole.
 */
static size_t
solid(const struct ext4 *e, const char *p, size_t at, size_t n)
{
	size_t k = at, z;

	while (k < n) {
		z = zeros(e, p, k, n);
		if (z >= EXT4_HOLE)
			break;
		k += z;
		if (k < n)
			k += n - k < e->bs ? n - k : e->bs;
	}
	return k - at;
}

/* A stretch of a file on its way into the image. */
struct stretch {
	struct ext4	*e;
	ext2_ino_t	 ino;
	struct ext2_inode *inode;
	uint64_t	 ready, end;	/* blocks that are there; wanted */
	bool		 known;		/* e->runs is right */
	size_t		 hint;
};

static errcode_t
allocate(struct stretch *s, uint64_t first, uint64_t end)
{
	s->known = false;
	s->ready = end;
	return ext2fs_fallocate(s->e->fs, EXT2_FALLOCATE_FORCE_INIT |
	    EXT2_FALLOCATE_INIT_BEYOND_EOF, s->ino, s->inode, ~0ULL, first,
	    end - first);
}

/*
 * Bytes at a place of e->a to their place in the file.  Blocks are taken ahead,
 * since each call makes an extent of its own; what proves to be zeros is given
 * back.
 */
static int
put_run(struct stretch *s, size_t i, size_t n, uint64_t at, bool fresh,
    const char *name, struct fail *f)
{
	struct ext4 *e = s->e;
	uint64_t first = at / e->bs, end = (at + n + e->bs - 1) / e->bs;
	uint64_t ahead = ext2fs_free_blocks_count(e->fs->super) / 4, more;
	errcode_t code = 0;

	if (end > s->ready) {
		if (first < s->ready)
			first = s->ready;
		if (ahead > EXT4_AHEAD / e->bs)
			ahead = EXT4_AHEAD / e->bs;
		more = end + ahead < s->end ? end + ahead : s->end;
		code = allocate(s, first, more);
	}
	if (code == 0 && !s->known) {
		code = ext4_runs_read(e, s->ino, s->inode);
		s->known = true;
		s->hint = 0;
	}
	if (code != 0)
		return ext4_failed(e, code, name, f);
	return put_chunk(e, e->a + i, at, n, fresh, &s->hint, name, f);
}

/* The image has a source up to there.  Where it cannot have holes, it has none. */
static void
discard_to(struct ext4 *e, uint64_t to)
{
	if (e->discard == -1 || to < e->discarded + EXT4_DISCARD)
		return;
	fallocate(e->discard, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
	    (off_t)e->discarded, (off_t)(to - e->discarded));
	e->discarded = to;
}

/*
 * A stretch of source bytes that are there: blocks for them, then bytes.  Long
 * runs of zeros become holes, whatever they were.
 */
static int
put_data(struct ext4 *e, ext2_ino_t ino, struct ext2_inode *inode, int fd,
    uint64_t from, uint64_t to, bool fresh, const char *name, struct fail *f)
{
	uint64_t first = from / e->bs, at;
	struct stretch s = { .e = e, .ino = ino, .inode = inode,
	    .ready = first, .end = (to + e->bs - 1) / e->bs };
	size_t n, i, k;
	int64_t begun;
	errcode_t code;

	for (at = first * e->bs; at < to; at += n) {
		n = to - at < EXT4_CHUNK ? (size_t)(to - at) : EXT4_CHUNK;
		begun = clock_ns();
		if (io_read(fd, e->a, n, at) == -1)
			return fail_sys(f, EX_IOERR, "%s%s: reading", e->root,
			    name);
		e->waited = ahead_waited(begun);
		for (i = 0; i < n; i += k) {
			if ((k = solid(e, e->a, i, n)) > 0) {
				if (put_run(&s, i, k, at + i, fresh, name,
				    f) == -1)
					return -1;
				continue;
			}
			k = zeros(e, e->a, i, n);
			s.known = false;
			if ((code = ext2fs_punch(e->fs, ino, inode, NULL,
			    (at + i) / e->bs, (at + i + k + e->bs - 1) /
			    e->bs - 1)) != 0)
				return ext4_failed(e, code, name, f);
		}
		discard_to(e, at + n);
	}
	return 0;
}

int
ext4_put_contents(struct ext4 *e, ext2_ino_t ino, int fd,
    const struct stat *st, bool fresh, const char *name, struct fail *f)
{
	struct ext2_inode inode;
	uint64_t size = (uint64_t)st->st_size, at = 0, from, to, first, end;
	uint64_t blocks = (size + e->bs - 1) / e->bs;
	bool dense = (uint64_t)st->st_blocks * 512 >= blocks * e->bs;
	errcode_t code;
	off_t r;

	if ((code = ext2fs_read_inode(e->fs, ino, &inode)) != 0)
		return ext4_failed(e, code, name, f);
	/* What has bytes for all of it has no holes to be looked for. */
	if (dense && size > 0 && put_data(e, ino, &inode, fd, 0, size, fresh,
	    name, f) == -1)
		return -1;
	while (!dense && at < size) {
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
			return ext4_failed(e, code, name, f);
		if (from < to && put_data(e, ino, &inode, fd, from, to,
		    fresh, name, f) == -1)
			return -1;
		at = to > from ? to : size;
	}
	if (EXT2_I_SIZE(&inode) > size && (code = ext2fs_punch(e->fs, ino,
	    &inode, NULL, blocks, ~0ULL)) != 0)
		return ext4_failed(e, code, name, f);
	if ((code = ext2fs_inode_size_set(e->fs, &inode,
	    (ext2_off64_t)size)) == 0)
		code = ext2fs_write_inode(e->fs, ino, &inode);
	return code == 0 ? 0 : ext4_failed(e, code, name, f);
}

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

static ssize_t
list(int fd, const char *path, char *to)
{
	return fd != -1 ? flistxattr(fd, to, XATTR_MAX) :
	    llistxattr(path, to, XATTR_MAX);
}

int
ext4_put_xattrs(struct ext4 *e, ext2_ino_t ino, int fd, const char *path,
    const char *name, struct fail *f)
{
	struct ext2_xattr_handle *h = NULL;
	struct stale s = { .list = e->a };
	size_t count = 0, have_len;
	errcode_t code = 0;
	ssize_t n, len;
	void *have;
	char *p;

	if ((n = list(fd, path, e->a)) == -1) {
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
		len = fd != -1 ? fgetxattr(fd, p, e->b, XATTR_MAX) :
		    lgetxattr(path, p, e->b, XATTR_MAX);
		if (len == -1) {
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
	return code == 0 ? 0 : ext4_failed(e, code, name, f);
}

int
ext4_put_meta(struct ext4 *e, ext2_ino_t ino, const struct stat *st,
    const char *name, struct fail *f)
{
	struct ext2_inode_large want, have;
	struct ext2_inode *in = (struct ext2_inode *)&want;
	time_t t = st->st_mtim.tv_sec;
	errcode_t code;

	code = ext2fs_read_inode_full(e->fs, ino, in, sizeof(want));
	if (code != 0)
		return ext4_failed(e, code, name, f);
	have = want;
	want.i_mode = (__u16)((want.i_mode & LINUX_S_IFMT) |
	    (st->st_mode & 07777));
	want.i_uid = (__u16)st->st_uid;
	want.osd2.linux2.l_i_uid_high = (__u16)(st->st_uid >> 16);
	want.i_gid = (__u16)st->st_gid;
	want.osd2.linux2.l_i_gid_high = (__u16)(st->st_gid >> 16);
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
	return code == 0 ? 0 : ext4_failed(e, code, name, f);
}
