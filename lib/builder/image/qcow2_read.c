#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <zstd.h>

#include "builder/image/qcow2_impl.h"

#define THREADS_MAX	8
#define TOGETHER	16UL		/* clusters a thread takes at once */
#define GRAIN		4096UL		/* zeros of this length are a hole */

struct level {
	struct qcow2_head head;
	const char	*name;
	unsigned char	*l1;
};

/* A stretch of the disk, as long as one L2 table says where it is. */
struct stretch {
	struct level	*level;
	size_t		 levels;
	int		 out;
	uint64_t	 disk_size;
	uint64_t	 first, n;		/* clusters */
	uint64_t	*entry;			/* L2_ENTRIES, of the level */
	unsigned char	*which;			/* that has the cluster */
	atomic_uint_fast64_t next;
	pthread_mutex_t	 lock;
	atomic_bool	 failed;
	struct fail	 why;
};

static int
damaged(const struct level *l, uint64_t cluster, struct fail *f)
{
	return fail_set(f, EX_DATAERR, "%.300s: damaged: the 64 KiB of the "
	    "disk at %" PRIu64, l->name, cluster * CLUSTER);
}

static int
bytes(const struct level *l, void *p, size_t n, uint64_t at, struct fail *f)
{
	char *to = p;
	ssize_t got;

	while (n > 0) {
		got = pread(l->head.fd, to, n, (off_t)at);
		if (got == -1 && errno == EINTR)
			continue;
		if (got == -1)
			return fail_sys(f, EX_IOERR, "%.300s: reading",
			    l->name);
		if (got == 0)
			return fail_set(f, EX_DATAERR, "%.300s: damaged: it "
			    "has become shorter", l->name);
		to += got;
		n -= (size_t)got;
		at += (uint64_t)got;
	}
	return 0;
}

/* A cluster that is stored in a level; in has room for two. */
static int
cluster(const struct level *l, uint64_t entry, uint64_t index,
    ZSTD_DCtx *z, unsigned char *in, unsigned char *to, struct fail *f)
{
	uint64_t size = l->head.file_size, at = entry & OFFSET_MASK, n, frame;

	if (!(entry & COMPRESSED)) {
		if (at % CLUSTER != 0 || at == 0 || size < CLUSTER ||
		    at > size - CLUSTER)
			return damaged(l, index, f);
		return bytes(l, to, CLUSTER, at, f);
	}
	at = entry & ((1ULL << SECTORS_SHIFT) - 1);
	n = ((entry & ~(COPIED | COMPRESSED)) >> SECTORS_SHIFT) + 1;
	n = n * 512 - at % 512;
	/* The last sector need not be there whole. */
	if (!l->head.zstd || at >= size || at < CLUSTER)
		return damaged(l, index, f);
	if (n > size - at)
		n = size - at;
	if (bytes(l, in, (size_t)n, at, f) == -1)
		return -1;
	frame = ZSTD_findFrameCompressedSize(in, (size_t)n);
	if (ZSTD_isError(frame) ||
	    ZSTD_decompressDCtx(z, to, CLUSTER, in, frame) != CLUSTER)
		return damaged(l, index, f);
	return 0;
}

static bool
is_zero(const unsigned char *p, size_t n)
{
	return p[0] == 0 && memcmp(p, p + 1, n - 1) == 0;
}

/* Bytes of the disk from a place on; what is zeros stays a hole. */
static int
put(const struct stretch *s, const unsigned char *p, size_t n, uint64_t at,
    struct fail *f)
{
	size_t from, to, k;
	ssize_t done;

	for (from = 0; from < n; from = to) {
		for (to = from; to < n; to += k) {
			k = n - to < GRAIN ? n - to : GRAIN;
			if (is_zero(p + to, k))
				break;
		}
		for (; from < to; from += (size_t)done) {
			done = pwrite(s->out, p + from, to - from,
			    (off_t)(at + from));
			if (done == -1 && errno != EINTR)
				return fail_sys(f, errno == ENOSPC ?
				    EX_CANTCREAT : EX_IOERR,
				    "writing the disk");
			if (done == -1)
				done = 0;
		}
		if (to < n)
			to += n - to < GRAIN ? n - to : GRAIN;
	}
	return 0;
}

/* A cluster that none of its level's bytes are in. */
static bool
is_hole(uint64_t entry)
{
	return entry == 0 || (!(entry & COMPRESSED) && (entry & ALL_ZERO));
}

static int
part(const struct stretch *s, uint64_t i, uint64_t n, ZSTD_DCtx *z,
    unsigned char *in, unsigned char *disk, struct fail *f)
{
	uint64_t at = (s->first + i) * CLUSTER, have = n * CLUSTER, k;

	/* Most of a disk is holes: they cost nothing. */
	for (k = 0; k < n && is_hole(s->entry[i + k]); k++)
		;
	if (k == n)
		return 0;
	for (k = 0; k < n; k++) {
		uint64_t e = s->entry[i + k];

		if (is_hole(e)) {
			memset(disk + k * CLUSTER, 0, CLUSTER);
			continue;
		}
		if (cluster(&s->level[s->which[i + k]], e, s->first + i + k,
		    z, in, disk + k * CLUSTER, f) == -1)
			return -1;
	}
	if (have > s->disk_size - at)
		have = s->disk_size - at;
	return s->out == -1 ? 0 : put(s, disk, have, at, f);
}

static void
fails(struct stretch *s, const struct fail *f)
{
	pthread_mutex_lock(&s->lock);
	if (!s->failed)
		s->why = *f;
	s->failed = true;
	pthread_mutex_unlock(&s->lock);
}

static void *
worker(void *arg)
{
	struct stretch *s = arg;
	ZSTD_DCtx *z = ZSTD_createDCtx();
	unsigned char *in = malloc(2 * CLUSTER);
	unsigned char *disk = malloc(TOGETHER * CLUSTER);
	uint64_t i, n;
	struct fail f;

	if (z == NULL || in == NULL || disk == NULL) {
		fail_set(&f, EX_OSERR, "out of memory");
		fails(s, &f);
	}
	while (!s->failed &&
	    (i = atomic_fetch_add(&s->next, TOGETHER)) < s->n) {
		n = s->n - i < TOGETHER ? s->n - i : TOGETHER;
		if (part(s, i, n, z, in, disk, &f) == -1)
			fails(s, &f);
	}
	ZSTD_freeDCtx(z);
	free(in);
	free(disk);
	return NULL;
}

/* Where each cluster of a stretch is: in the first level that has it. */
static int
resolve(struct stretch *s, uint64_t table, unsigned char *l2, bool *any,
    struct fail *f)
{
	uint64_t clusters, at, i;
	struct level *l;
	size_t k;

	memset(s->entry, 0, L2_ENTRIES * sizeof(*s->entry));
	for (k = 0; k < s->levels; k++) {
		l = &s->level[k];
		clusters = (l->head.disk_size + CLUSTER - 1) / CLUSTER;
		if (s->first >= clusters)
			continue;
		at = qcow2_get(l->l1 + table * 8, 8) & OFFSET_MASK;
		if (at == 0)
			continue;
		if (at % CLUSTER != 0 || l->head.file_size < CLUSTER ||
		    at > l->head.file_size - CLUSTER)
			return damaged(l, s->first, f);
		if (bytes(l, l2, CLUSTER, at, f) == -1)
			return -1;
		for (i = 0; i < s->n && s->first + i < clusters; i++)
			if (s->entry[i] == 0 && (s->entry[i] =
			    qcow2_get(l2 + i * 8, 8)) != 0) {
				s->which[i] = (unsigned char)k;
				*any = true;
			}
	}
	return 0;
}

static int
stretch(struct stretch *s, struct fail *f)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	pthread_t thread[THREADS_MAX];
	unsigned n = 0;

	s->next = 0;
	while (n + 1 < THREADS_MAX && (long)n + 1 < cpus &&
	    pthread_create(&thread[n], NULL, worker, s) == 0)
		n++;
	worker(s);
	while (n > 0)
		pthread_join(thread[--n], NULL);
	if (s->failed)
		*f = s->why;
	return s->failed ? -1 : 0;
}

static int
disk(struct stretch *s, struct fail *f)
{
	uint64_t clusters = (s->disk_size + CLUSTER - 1) / CLUSTER, table;
	unsigned char *l2 = malloc(CLUSTER);
	bool any;
	int r = -1;

	s->entry = malloc(L2_ENTRIES * sizeof(*s->entry));
	s->which = malloc(L2_ENTRIES);
	if (l2 == NULL || s->entry == NULL || s->which == NULL) {
		fail_set(f, EX_OSERR, "out of memory");
		goto out;
	}
	if (s->out != -1 && ftruncate(s->out, (off_t)s->disk_size) == -1) {
		fail_sys(f, EX_CANTCREAT, "a disk of %" PRIu64 " bytes",
		    s->disk_size);
		goto out;
	}
	for (table = 0; table * L2_ENTRIES < clusters; table++) {
		s->first = table * L2_ENTRIES;
		s->n = clusters - s->first < L2_ENTRIES ?
		    clusters - s->first : L2_ENTRIES;
		any = false;
		if (resolve(s, table, l2, &any, f) == -1 ||
		    (any && stretch(s, f) == -1))
			goto out;
	}
	r = 0;
out:
	free(l2);
	free(s->entry);
	free(s->which);
	return r;
}

/* One of the chain: sound in itself, and the parent of the one before it. */
static int
open_level(struct level *l, const struct level *above, bool last,
    struct qcow2_id *id, struct fail *f)
{
	static const unsigned char none[TREESUM_LEN];
	const unsigned char *want = above == NULL || above->head.seal == NULL ?
	    none : above->head.seal + SEAL_PARENT;
	const struct qcow2_head *q = &l->head;
	size_t n;

	if (qcow2_head_read(q->fd, &l->head, f) == -1)
		return fail_in(f, l->name);
	if (q->backed && last)
		return fail_set(f, EX_DATAERR, "%.300s: it holds differences "
		    "only; name its parent", l->name);
	if (!q->backed && !last)
		return fail_set(f, EX_DATAERR, "%.300s: it is whole and takes "
		    "no parent", l->name);
	if (qcow2_head_verify(q, id, f) == -1)
		return fail_in(f, l->name);
	if (memcmp(want, none, TREESUM_LEN) != 0 &&
	    memcmp(want, id->sum, TREESUM_LEN) != 0)
		return fail_set(f, EX_DATAERR, "%.200s: not the parent that "
		    "%.200s was made against", l->name, above->name);
	n = (size_t)q->l1_size * 8;
	if ((l->l1 = malloc(n + 1)) == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	return bytes(l, l->l1, n, q->l1_at, f);
}

int
qcow2_read(const int *fds, char *const *names, size_t n, int out_fd,
    struct qcow2_id *ids, struct fail *f)
{
	struct level level[QCOW2_CHAIN_MAX] = { 0 };
	struct stretch s = { .level = level, .levels = n, .out = out_fd,
	    .lock = PTHREAD_MUTEX_INITIALIZER };
	size_t i;
	int r = 0;

	if (n == 0 || n > QCOW2_CHAIN_MAX)
		return fail_set(f, EX_USAGE, "more than %d snapshots in a "
		    "chain", QCOW2_CHAIN_MAX);
	for (i = 0; r == 0 && i < n; i++) {
		level[i].name = names[i];
		level[i].head.fd = fds[i];
		r = open_level(&level[i], i == 0 ? NULL : &level[i - 1],
		    i + 1 == n, &ids[i], f);
	}
	if (r == 0) {
		s.disk_size = level[0].head.disk_size;
		r = disk(&s, f);
	}
	for (i = 0; i < n; i++) {
		free(level[i].head.h);
		free(level[i].l1);
	}
	return r;
}
