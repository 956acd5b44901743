#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "builder/image/compress.h"
#include "builder/image/qcow2_impl.h"
#include "builder/image/treesum.h"

struct extent {
	int		 fd;
	uint64_t	 size;
	uint64_t	 from, to;	/* data, known so far */
};

struct qcow2 {
	struct extent	 raw, parent;
	int		 out;
	uint64_t	 size, clusters;
	uint64_t	 pos;		/* where the next byte goes */
	unsigned char	*pend;		/* bytes of the unfinished cluster */
	uint64_t	*l1, *l2;
	uint64_t	 l1_size, l2_of;	/* which table l2 is, ~0: none */
	uint16_t	*refs;
	size_t		 refs_cap;
	struct compressor *compressor;
	struct cluster	*batch;		/* of n so far */
	unsigned	 n;
	bool		 discard;
	uint64_t	 discarded;	/* clusters of raw before it are a hole */
};

/* Each hole costs a call and a transaction, so they are made of 64 MiB. */
#define DISCARD_CLUSTERS	1024

static void
put(unsigned char *p, uint64_t v, int bytes)
{
	while (bytes-- > 0) {
		p[bytes] = (unsigned char)v;
		v >>= 8;
	}
}

static uint64_t
be64(uint64_t v)
{
	return __builtin_bswap64(v);
}

static int
write_at(struct qcow2 *q, const void *p, size_t n, uint64_t at, struct fail *f)
{
	ssize_t got;

	while (n > 0) {
		got = pwrite(q->out, p, n, (off_t)at);
		if (got == -1 && errno == EINTR)
			continue;
		if (got == -1)
			return fail_sys(f, EX_IOERR, "writing the snapshot");
		p = (const char *)p + got;
		n -= (size_t)got;
		at += (uint64_t)got;
	}
	return 0;
}

/* A cluster of an image, zeros behind its end. */
static int
read_cluster(const struct extent *e, uint64_t c, unsigned char *buf,
    struct fail *f)
{
	uint64_t at = c * CLUSTER;
	size_t have = 0;
	ssize_t n;

	while (have < CLUSTER && at + have < e->size) {
		n = pread(e->fd, buf + have, CLUSTER - have,
		    (off_t)(at + have));
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return fail_sys(f, EX_IOERR, "reading the image");
		if (n == 0)
			break;
		have += (size_t)n;
	}
	memset(buf + have, 0, CLUSTER - have);
	return 0;
}

/* The first cluster from c on that holds data, or UINT64_MAX. */
static uint64_t
next_data(struct extent *e, uint64_t c)
{
	uint64_t at = c * CLUSTER;
	off_t r;

	if (e->fd == -1 || at >= e->size)
		return UINT64_MAX;
	if (at + CLUSTER <= e->from || at >= e->to) {
		if ((r = lseek(e->fd, (off_t)at, SEEK_DATA)) == -1) {
			if (errno == ENXIO)
				return UINT64_MAX;
			r = (off_t)at;		/* no such call here: read */
		}
		e->from = (uint64_t)r;
		r = lseek(e->fd, r, SEEK_HOLE);
		e->to = r == -1 ? e->size : (uint64_t)r;
	}
	return e->from <= at ? c : e->from / CLUSTER;
}

/* Up to a cluster the image has been read, and is not read again. */
static void
discard(struct qcow2 *q, uint64_t c)
{
	if (!q->discard || c - q->discarded < DISCARD_CLUSTERS)
		return;
	fallocate(q->raw.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
	    (off_t)(q->discarded * CLUSTER),
	    (off_t)((c - q->discarded) * CLUSTER));
	q->discarded = c;
}

static bool
is_zero(const unsigned char *p)
{
	return p[0] == 0 && memcmp(p, p + 1, CLUSTER - 1) == 0;
}

static int
add_ref(struct qcow2 *q, uint64_t cluster, struct fail *f)
{
	if (cluster >= q->refs_cap) {
		size_t cap = (cluster + 1) * 2 + 1024;
		uint16_t *p = realloc(q->refs, cap * sizeof(*p));

		if (p == NULL)
			return fail_set(f, EX_OSERR, "out of memory");
		memset(p + q->refs_cap, 0, (cap - q->refs_cap) * sizeof(*p));
		q->refs = p;
		q->refs_cap = cap;
	}
	q->refs[cluster]++;
	return 0;
}

/* Write out the unfinished cluster, zeros behind: pos is aligned then. */
static int
align(struct qcow2 *q, struct fail *f)
{
	size_t have = q->pos % CLUSTER;

	if (have == 0)
		return 0;
	memset(q->pend + have, 0, CLUSTER - have);
	if (write_at(q, q->pend, CLUSTER, q->pos - have, f) == -1)
		return -1;
	q->pos += CLUSTER - have;
	return 0;
}

/* Bytes packed one behind the other; each cluster they touch counts once. */
static int
append(struct qcow2 *q, const unsigned char *p, size_t n, struct fail *f)
{
	uint64_t c;

	for (c = q->pos / CLUSTER; c <= (q->pos + n - 1) / CLUSTER; c++)
		if (add_ref(q, c, f) == -1)
			return -1;
	while (n > 0) {
		size_t have = q->pos % CLUSTER;
		size_t k = n < CLUSTER - have ? n : CLUSTER - have;

		memcpy(q->pend + have, p, k);
		if (have + k == CLUSTER &&
		    write_at(q, q->pend, CLUSTER, q->pos - have, f) == -1)
			return -1;
		q->pos += k;
		p += k;
		n -= k;
	}
	return 0;
}

/* Whole clusters, aligned; where they went. */
static int
append_clusters(struct qcow2 *q, const void *p, size_t n, uint64_t *at,
    struct fail *f)
{
	if (align(q, f) == -1)
		return -1;
	*at = q->pos;
	return append(q, p, n, f);
}

static int
l2_flush(struct qcow2 *q, struct fail *f)
{
	uint64_t at;

	if (q->l2_of == UINT64_MAX)
		return 0;
	if (append_clusters(q, q->l2, CLUSTER, &at, f) == -1)
		return -1;
	q->l1[q->l2_of] = be64(at | COPIED);
	memset(q->l2, 0, CLUSTER);
	q->l2_of = UINT64_MAX;
	return 0;
}

/* What a batch's cluster becomes in the file. */
static int
store(struct qcow2 *q, struct cluster *c, struct fail *f)
{
	uint64_t entry, at;

	if (q->l2_of != c->index / L2_ENTRIES) {
		if (l2_flush(q, f) == -1)
			return -1;
		q->l2_of = c->index / L2_ENTRIES;
	}
	if (c->zero)
		entry = ALL_ZERO;
	else if (c->packed != 0) {
		at = q->pos;
		if (append(q, c->out, c->packed, f) == -1)
			return -1;
		entry = COMPRESSED | at | ((at + c->packed - 1) / 512 -
		    at / 512) << SECTORS_SHIFT;
	} else {
		if (append_clusters(q, c->in, CLUSTER, &at, f) == -1)
			return -1;
		entry = COPIED | at;
	}
	q->l2[c->index % L2_ENTRIES] = be64(entry);
	return 0;
}

static int
flush(struct qcow2 *q, struct fail *f)
{
	unsigned i;

	if (q->n == 0)
		return 0;
	compressor_run(q->compressor, q->n);
	for (i = 0; i < q->n; i++)
		if (store(q, &q->batch[i], f) == -1)
			return -1;
	q->n = 0;
	return 0;
}

/* All clusters that hold something, or something else than the parent. */
static int
clusters(struct qcow2 *q, unsigned char *old, struct fail *f)
{
	uint64_t c = 0, a, b;
	struct cluster *k;

	for (;; c++) {
		a = next_data(&q->raw, c);
		b = next_data(&q->parent, c);
		if ((c = a < b ? a : b) >= q->clusters)
			return flush(q, f);
		discard(q, c);
		k = &q->batch[q->n];
		k->index = c;
		if (read_cluster(&q->raw, c, k->in, f) == -1)
			return -1;
		k->zero = is_zero(k->in);
		if (q->parent.fd == -1) {
			if (k->zero)
				continue;
		} else {
			if (read_cluster(&q->parent, c, old, f) == -1)
				return -1;
			if (memcmp(old, k->in, CLUSTER) == 0)
				continue;
		}
		if (++q->n == COMPRESS_BATCH && flush(q, f) == -1)
			return -1;
	}
}

/*
 * The refcounts count themselves, so their number is found step by step.
 * They are the last of the file.
 */
static int
refcounts(struct qcow2 *q, uint64_t *table_at, uint64_t *table_clusters,
    struct fail *f)
{
	uint64_t total, blocks, tables, first, i;
	unsigned char *p;
	int r = -1;

	if (align(q, f) == -1)
		return -1;
	first = q->pos / CLUSTER;
	for (total = first, blocks = tables = 0;; total = first + blocks +
	    tables) {
		uint64_t nb = (total + REFS_A_BLOCK - 1) / REFS_A_BLOCK;
		uint64_t nt = (nb * 8 + CLUSTER - 1) / CLUSTER;

		if (nb == blocks && nt == tables)
			break;
		blocks = nb;
		tables = nt;
	}
	for (i = first; i < total; i++)
		if (add_ref(q, i, f) == -1)
			return -1;
	if ((p = malloc(CLUSTER)) == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	for (i = 0; i < blocks; i++) {
		uint64_t k, c = i * REFS_A_BLOCK;

		memset(p, 0, CLUSTER);
		for (k = 0; k < REFS_A_BLOCK && c + k < total; k++)
			put(p + 2 * k, q->refs[c + k], 2);
		if (write_at(q, p, CLUSTER, (first + i) * CLUSTER, f) == -1)
			goto out;
	}
	for (i = 0; i < tables; i++) {
		uint64_t k, b = i * L2_ENTRIES;

		memset(p, 0, CLUSTER);
		for (k = 0; k < L2_ENTRIES && b + k < blocks; k++)
			put(p + 8 * k, (first + b + k) * CLUSTER, 8);
		if (write_at(q, p, CLUSTER, (first + blocks + i) * CLUSTER,
		    f) == -1)
			goto out;
	}
	*table_at = (first + blocks) * CLUSTER;
	*table_clusters = tables;
	q->pos = total * CLUSTER;
	r = 0;
out:
	free(p);
	return r;
}

/* An extension of the header, padded with the zeros that are there. */
static size_t
extension(unsigned char *p, uint64_t type, const void *text, size_t n)
{
	put(p, type, 4);
	put(p + 4, n, 4);
	if (text != NULL)
		memcpy(p + 8, text, n);
	return 8 + (n + 7) / 8 * 8;
}

/* The sums, where qcow2_impl.h says; the header's own is the last. */
static int
seal(struct qcow2 *q, const struct qcow2_id *parent, unsigned char *at,
    struct fail *f)
{
	struct qcow2_id own;

	put(at, QCOW2_SEAL_VERSION, 4);
	put(at + SEAL_SIZE, q->pos, 8);
	if (parent != NULL)
		memcpy(at + SEAL_PARENT, parent->sum, TREESUM_LEN);
	if (treesum_file(q->out, CLUSTER, q->pos, at + SEAL_CONTENTS, f) == -1)
		return fail_in(f, "the snapshot");
	qcow2_header_sum(q->pend, &own);
	memcpy(at + SEAL_OWN, own.sum, TREESUM_LEN);
	return 0;
}

static int
header(struct qcow2 *q, const struct qcow2_extra *x, uint64_t l1_at,
    uint64_t rt_at, uint64_t rt_clusters, struct fail *f)
{
	unsigned char *h = q->pend;	/* no cluster is unfinished now */
	size_t n = HEADER, at;

	memset(h, 0, CLUSTER);
	memcpy(h, "QFI\xfb", 4);
	put(h + 4, 3, 4);
	put(h + 20, BITS, 4);
	put(h + 24, q->size, 8);
	put(h + 36, q->l1_size, 4);
	put(h + 40, l1_at, 8);
	put(h + 48, rt_at, 8);
	put(h + 56, rt_clusters, 4);
	put(h + 72, ZSTD_BIT, 8);
	put(h + 80, SEALED_BIT, 8);
	put(h + 96, 4, 4);		/* refcounts of 16 bits */
	put(h + 100, HEADER, 4);
	h[104] = 1;			/* zstd */
	if (x->backing != NULL)
		n += extension(h + n, EXT_FORMAT, "qcow2", 5);
	at = n + 8;
	n += extension(h + n, EXT_SEAL, NULL, SEAL_LEN);
	if (x->config != NULL)
		n += extension(h + n, EXT_CONFIG, x->config->at,
		    x->config->len);
	n += 8;				/* the end of the extensions */
	if (x->backing != NULL) {
		put(h + 8, n, 8);
		put(h + 16, strlen(x->backing), 4);
		memcpy(h + n, x->backing, strlen(x->backing));
	}
	if (seal(q, x->parent, h + at, f) == -1)
		return -1;
	return write_at(q, h, CLUSTER, 0, f);
}

static int
body(struct qcow2 *q, const struct qcow2_extra *x, struct fail *f)
{
	uint64_t l1_at, rt_at = 0, rt_clusters = 0;
	unsigned char *old = malloc(CLUSTER);
	size_t l1_bytes;
	int r = -1;

	if (old == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	/* The header's cluster comes last: until then this is no qcow2. */
	if (add_ref(q, 0, f) == -1)
		goto out;
	q->pos = CLUSTER;
	l1_bytes = (q->l1_size * 8 + CLUSTER - 1) / CLUSTER * CLUSTER;
	if (clusters(q, old, f) == -1 || l2_flush(q, f) == -1 ||
	    append_clusters(q, q->l1, l1_bytes, &l1_at, f) == -1 ||
	    refcounts(q, &rt_at, &rt_clusters, f) == -1)
		goto out;
	r = header(q, x, l1_at, rt_at, rt_clusters, f);
out:
	free(old);
	return r;
}

static int
image(struct extent *e, int fd, struct fail *f)
{
	struct stat st;

	e->fd = fd;
	if (fd == -1)
		return 0;
	if (fstat(fd, &st) == -1)
		return fail_sys(f, EX_NOINPUT, "image");
	if (!S_ISREG(st.st_mode) || st.st_size % 512 != 0)
		return fail_set(f, EX_DATAERR, "image: not a disk image: not "
		    "a file of whole sectors");
	e->size = (uint64_t)st.st_size;
	return 0;
}

int
qcow2_write(int raw_fd, int parent_fd, const struct qcow2_extra *x,
    int out_fd, struct fail *f)
{
	struct qcow2 q = { .out = out_fd, .l2_of = UINT64_MAX,
	    .discard = x->discard };
	int r = -1;

	if (image(&q.raw, raw_fd, f) == -1 ||
	    image(&q.parent, parent_fd, f) == -1)
		return -1;
	if (q.parent.size > q.raw.size)
		return fail_set(f, EX_DATAERR, "the parent's disk is larger");
	if (x->backing != NULL && strlen(x->backing) > QCOW2_BACKING_MAX)
		return fail_set(f, EX_DATAERR, "the parent's name is too long");
	if (x->config != NULL && x->config->len > QCOW2_CONFIG_MAX)
		return fail_set(f, EX_DATAERR, "the configuration has more "
		    "than %lu bytes", QCOW2_CONFIG_MAX);
	if (ftruncate(out_fd, 0) == -1)
		return fail_sys(f, EX_CANTCREAT, "snapshot");
	q.size = q.raw.size;
	q.clusters = (q.size + CLUSTER - 1) / CLUSTER;
	q.l1_size = (q.clusters + L2_ENTRIES - 1) / L2_ENTRIES;
	q.l1 = calloc((q.l1_size * 8 / CLUSTER + 1), CLUSTER);
	q.l2 = calloc(1, CLUSTER);
	q.pend = malloc(CLUSTER);
	if (q.l1 == NULL || q.l2 == NULL || q.pend == NULL)
		fail_set(f, EX_OSERR, "out of memory");
	else if ((q.compressor = compressor_new(CLUSTER, &q.batch, f)) != NULL)
		r = body(&q, x, f);
	compressor_free(q.compressor);
	free(q.refs);
	free(q.pend);
	free(q.l1);
	free(q.l2);
	return r;
}
