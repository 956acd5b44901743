#include <sys/stat.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "builder/image/io.h"
#include "builder/image/qcow2_impl.h"

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
write_at(struct qcow2_out *q, const void *p, size_t n, uint64_t at,
    struct fail *f)
{
	return io_write(q->fd, p, n, at) == 0 ? 0 :
	    fail_sys(f, EX_IOERR, "writing the snapshot");
}

static int
add_ref(struct qcow2_out *q, uint64_t cluster, struct fail *f)
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
align(struct qcow2_out *q, struct fail *f)
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
append(struct qcow2_out *q, const unsigned char *p, size_t n, struct fail *f)
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
append_clusters(struct qcow2_out *q, const void *p, size_t n, uint64_t *at,
    struct fail *f)
{
	if (align(q, f) == -1)
		return -1;
	*at = q->pos;
	return append(q, p, n, f);
}

/* The table that has a cluster's entry. */
static uint64_t *
table_of(struct qcow2_out *q, uint64_t cluster, struct fail *f)
{
	uint64_t **l2 = &q->l2[cluster / L2_ENTRIES];

	if (*l2 == NULL && (*l2 = calloc(1, CLUSTER)) == NULL)
		fail_set(f, EX_OSERR, "out of memory");
	return *l2;
}

int
qcow2_out_put(struct qcow2_out *q, const struct cluster *c, struct fail *f)
{
	uint64_t *l2 = table_of(q, c->index, f), entry, at;

	if (l2 == NULL)
		return -1;
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
	l2[c->index % L2_ENTRIES] = be64(entry);
	return 0;
}

/* The tables, and the one of where these are. */
static int
tables(struct qcow2_out *q, uint64_t *l1_at, struct fail *f)
{
	size_t bytes = (q->l1_size * 8 + CLUSTER - 1) / CLUSTER * CLUSTER;
	uint64_t *l1 = calloc(1, bytes), at = 0, i;
	int r = 0;

	if (l1 == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	for (i = 0; r == 0 && i < q->l1_size; i++) {
		if (q->l2[i] == NULL)
			continue;
		r = append_clusters(q, q->l2[i], CLUSTER, &at, f);
		l1[i] = be64(at | COPIED);
	}
	if (r == 0)
		r = append_clusters(q, l1, bytes, l1_at, f);
	free(l1);
	return r;
}

/*
 * The refcounts count themselves, so their number is found step by step.
 * They are the last of the file.
 */
static int
refcounts(struct qcow2_out *q, uint64_t *table_at, uint64_t *table_clusters,
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
seal(struct qcow2_out *q, const struct qcow2_id *parent, unsigned char *at,
    struct fail *f)
{
	struct qcow2_id own;

	put(at, QCOW2_SEAL_VERSION, 4);
	put(at + SEAL_SIZE, q->pos, 8);
	if (parent != NULL)
		memcpy(at + SEAL_PARENT, parent->sum, TREESUM_LEN);
	if (treesum_file(q->fd, CLUSTER, q->pos, at + SEAL_CONTENTS, f) == -1)
		return fail_in(f, "the snapshot");
	qcow2_header_sum(q->pend, &own);
	memcpy(at + SEAL_OWN, own.sum, TREESUM_LEN);
	return 0;
}

static int
header(struct qcow2_out *q, const struct qcow2_extra *x, uint64_t l1_at,
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

int
qcow2_out_begin(struct qcow2_out *q, int fd, uint64_t size, struct fail *f)
{
	uint64_t clusters = (size + CLUSTER - 1) / CLUSTER;
	struct stat st;

	*q = (struct qcow2_out){ .fd = fd, .size = size,
	    .l1_size = (clusters + L2_ENTRIES - 1) / L2_ENTRIES };
	/* A file cut to nothing is written to the disk when it is closed. */
	if (fstat(fd, &st) == -1 || (st.st_size != 0 && ftruncate(fd, 0) == -1))
		return fail_sys(f, EX_CANTCREAT, "snapshot");
	q->l2 = calloc(q->l1_size + 1, sizeof(*q->l2));
	q->pend = malloc(CLUSTER);
	if (q->l2 == NULL || q->pend == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	/* The header's cluster comes last: until then this is no qcow2. */
	q->pos = CLUSTER;
	return add_ref(q, 0, f);
}

int
qcow2_out_end(struct qcow2_out *q, const struct qcow2_extra *x,
    struct fail *f)
{
	uint64_t l1_at = 0, rt_at = 0, rt_clusters = 0;

	if (tables(q, &l1_at, f) == -1 ||
	    refcounts(q, &rt_at, &rt_clusters, f) == -1)
		return -1;
	return header(q, x, l1_at, rt_at, rt_clusters, f);
}

void
qcow2_out_free(struct qcow2_out *q)
{
	uint64_t i;

	for (i = 0; q->l2 != NULL && i < q->l1_size; i++)
		free(q->l2[i]);
	free(q->l2);
	free(q->refs);
	free(q->pend);
}
