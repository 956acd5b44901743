#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "builder/image/io.h"
#include "builder/image/qcow2_impl.h"

/* A disk image, some of whose bytes are holes. */
struct extent {
	int		 fd;
	uint64_t	 size;
	uint64_t	 from, to;	/* data, known so far */
};

/* A cluster of which only a part has been given. */
#define OPEN_MAX	64
#define PIECE		1024	/* what is given is whole pieces */
struct opened {
	uint64_t	 index;
	uint64_t	 pieces;	/* a bit for each that is there; 0: free */
	uint64_t	 used;		/* when */
	unsigned char	*bytes;
};

struct qcow2 {
	struct extent	 raw, parent;
	uint64_t	 clusters;
	struct qcow2_out out;
	const struct qcow2_extra *extra;
	struct compressor *compressor;
	unsigned char	*old;		/* room for one of the parent */
	unsigned char	*done;		/* a bit for each cluster: was given */
	struct opened	 opened[OPEN_MAX];
	uint64_t	 now;
};

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

static bool
is_zero(const unsigned char *p)
{
	return p[0] == 0 && memcmp(p, p + 1, CLUSTER - 1) == 0;
}

/* Room for the next cluster, made by what has been compressed. */
static int
room(struct qcow2 *q, struct cluster **k, struct fail *f)
{
	struct cluster *c;

	while ((*k = compressor_next(q->compressor)) == NULL)
		if ((c = compressor_take(q->compressor)) != NULL &&
		    qcow2_out_put(&q->out, c, f) == -1)
			return -1;
	return 0;
}

/* A cluster, in its room: it goes if it holds something else than the parent. */
static int
offer(struct qcow2 *q, struct cluster *k, uint64_t c, struct fail *f)
{
	k->index = c;
	k->zero = is_zero(k->in);
	if (next_data(&q->parent, c) == c) {
		if (read_cluster(&q->parent, c, q->old, f) == -1)
			return -1;
		if (memcmp(q->old, k->in, CLUSTER) == 0)
			return 0;
	} else if (k->zero)
		return 0;
	compressor_give(q->compressor);
	return 0;
}

static bool
is_done(const struct qcow2 *q, uint64_t c)
{
	return q->done[c / 8] >> c % 8 & 1;
}

/* What was given of a cluster goes into the image: the rest of it is there. */
static int
settle(struct qcow2 *q, struct opened *o, struct fail *f)
{
	unsigned i, n;

	for (i = 0; i < CLUSTER / PIECE; i += n) {
		for (n = 0; i + n < CLUSTER / PIECE &&
		    (o->pieces >> (i + n) & 1); n++)
			continue;
		if (n == 0) {
			n = 1;
			continue;
		}
		if (io_write(q->raw.fd, o->bytes + i * PIECE, n * PIECE,
		    o->index * CLUSTER + i * PIECE) == -1)
			return fail_sys(f, EX_IOERR, "writing the image");
	}
	o->pieces = 0;
	return 0;
}

/* The one that is begun, or else one in place of that which waits longest. */
static struct opened *
open_cluster(struct qcow2 *q, uint64_t c, struct fail *f)
{
	struct opened *o = q->opened, *oldest = o;

	for (; o < q->opened + OPEN_MAX; o++) {
		if (o->pieces != 0 && o->index == c)
			break;
		if (oldest->pieces != 0 &&
		    (o->pieces == 0 || o->used < oldest->used))
			oldest = o;
	}
	if (o == q->opened + OPEN_MAX) {
		o = oldest;
		if (settle(q, o, f) == -1)
			return NULL;
		if (o->bytes == NULL && (o->bytes = malloc(CLUSTER)) == NULL) {
			fail_set(f, EX_OSERR, "out of memory");
			return NULL;
		}
		o->index = c;
	}
	o->used = ++q->now;
	return o;
}

int
qcow2_give(struct qcow2 *q, const void *bytes, size_t n, uint64_t at,
    struct fail *f)
{
	const unsigned char *p = bytes;
	struct opened *o;
	struct cluster *k;
	unsigned char *swap;
	size_t from, len;

	for (; n > 0; n -= len, p += len, at += len) {
		from = at % CLUSTER;
		len = n < CLUSTER - from ? n : CLUSTER - from;
		if ((o = open_cluster(q, at / CLUSTER, f)) == NULL)
			return -1;
		memcpy(o->bytes + from, p, len);
		o->pieces |= (~0ULL >> (64 - len / PIECE)) << from / PIECE;
		if (o->pieces != ~0ULL)
			continue;
		o->pieces = 0;
		q->done[o->index / 8] |= (unsigned char)(1 << o->index % 8);
		if (room(q, &k, f) == -1)
			return -1;
		swap = k->in;
		k->in = o->bytes;
		o->bytes = swap;
		if (offer(q, k, o->index, f) == -1)
			return -1;
	}
	return 0;
}

/* All clusters of the image that were not given. */
static int
rest(struct qcow2 *q, struct fail *f)
{
	uint64_t c, a, b;
	struct cluster *k;

	for (c = 0;; c++) {
		a = next_data(&q->raw, c);
		b = next_data(&q->parent, c);
		if ((c = a < b ? a : b) >= q->clusters)
			break;
		if (is_done(q, c))
			continue;
		if (room(q, &k, f) == -1 ||
		    read_cluster(&q->raw, c, k->in, f) == -1 ||
		    offer(q, k, c, f) == -1)
			return -1;
	}
	while ((k = compressor_take(q->compressor)) != NULL)
		if (qcow2_out_put(&q->out, k, f) == -1)
			return -1;
	return 0;
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

static int
begin(struct qcow2 *q, int raw_fd, int parent_fd, int out_fd, struct fail *f)
{
	const struct qcow2_extra *x = q->extra;

	if (image(&q->raw, raw_fd, f) == -1 ||
	    image(&q->parent, parent_fd, f) == -1)
		return -1;
	if (q->parent.size > q->raw.size)
		return fail_set(f, EX_DATAERR, "the parent's disk is larger");
	if (x->backing != NULL && strlen(x->backing) > QCOW2_BACKING_MAX)
		return fail_set(f, EX_DATAERR, "the parent's name is too long");
	if (x->config != NULL && x->config->len > QCOW2_CONFIG_MAX)
		return fail_set(f, EX_DATAERR, "the configuration has more "
		    "than %lu bytes", QCOW2_CONFIG_MAX);
	q->clusters = (q->raw.size + CLUSTER - 1) / CLUSTER;
	q->old = malloc(CLUSTER);
	q->done = calloc(1, q->clusters / 8 + 1);
	if (q->old == NULL || q->done == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	if (qcow2_out_begin(&q->out, out_fd, q->raw.size, f) == -1)
		return -1;
	q->compressor = compressor_new(CLUSTER, f);
	return q->compressor == NULL ? -1 : 0;
}

struct qcow2 *
qcow2_begin(int raw_fd, int parent_fd, const struct qcow2_extra *x,
    int out_fd, struct fail *f)
{
	struct qcow2 *q = calloc(1, sizeof(*q));

	if (q == NULL) {
		fail_set(f, EX_OSERR, "out of memory");
		return NULL;
	}
	q->extra = x;
	if (begin(q, raw_fd, parent_fd, out_fd, f) == 0)
		return q;
	qcow2_free(q);
	return NULL;
}

int
qcow2_end(struct qcow2 *q, struct fail *f)
{
	unsigned i;

	for (i = 0; i < OPEN_MAX; i++)
		if (settle(q, &q->opened[i], f) == -1)
			return -1;
	if (rest(q, f) == -1)
		return -1;
	return qcow2_out_end(&q->out, q->extra, f);
}

void
qcow2_free(struct qcow2 *q)
{
	unsigned i;

	if (q == NULL)
		return;
	for (i = 0; i < OPEN_MAX; i++)
		free(q->opened[i].bytes);
	compressor_free(q->compressor);
	qcow2_out_free(&q->out);
	free(q->old);
	free(q->done);
	free(q);
}

int
qcow2_write(int raw_fd, int parent_fd, const struct qcow2_extra *x,
    int out_fd, struct fail *f)
{
	struct qcow2 *q = qcow2_begin(raw_fd, parent_fd, x, out_fd, f);
	int r = q == NULL ? -1 : qcow2_end(q, f);

	qcow2_free(q);
	return r;
}
