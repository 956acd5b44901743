#include <sys/stat.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <nettle/sha2.h>

#include "builder/image/qcow2_impl.h"

void
qcow2_header_sum(const unsigned char *h, struct qcow2_id *id)
{
	static const unsigned char none[TREESUM_LEN];
	const unsigned char *at = h + HEADER;
	struct sha256_ctx c;

	while (qcow2_get(at, 4) != EXT_SEAL)
		at += 8 + (qcow2_get(at + 4, 4) + 7) / 8 * 8;
	at += 8 + SEAL_OWN;
	sha256_init(&c);
	sha256_update(&c, (size_t)(at - h), h);
	sha256_update(&c, TREESUM_LEN, none);
	at += TREESUM_LEN;
	sha256_update(&c, CLUSTER - (size_t)(at - h), at);
	sha256_digest(&c, TREESUM_LEN, id->sum);
	id->sealed = true;
}

static int
first_cluster(struct qcow2_head *q, struct fail *f)
{
	size_t have = 0;
	ssize_t n;

	while (have < CLUSTER) {
		n = pread(q->fd, q->h + have, CLUSTER - have, (off_t)have);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return fail_sys(f, EX_IOERR, "reading");
		if (n == 0)
			break;
		have += (size_t)n;
	}
	return 0;
}

/* The extensions; false: they do not fit together. */
static bool
extensions(struct qcow2_head *q)
{
	size_t at = (size_t)qcow2_get(q->h + 100, 4), len;
	uint64_t type;

	for (;; at += 8 + (len + 7) / 8 * 8) {
		if (at > CLUSTER - 8)
			return false;
		if ((type = qcow2_get(q->h + at, 4)) == 0)
			return true;
		len = (size_t)qcow2_get(q->h + at + 4, 4);
		if (len > CLUSTER - at - 8)
			return false;
		if (type == EXT_CONFIG) {
			q->config = q->h + at + 8;
			q->config_len = len;
		} else if (type == EXT_SEAL) {
			if (len < SEAL_LEN || q->seal != NULL)
				return false;
			q->seal = q->h + at + 8;
		}
	}
}

/* Whether the lengths in the header fit each other and the file. */
static bool
fits(const struct qcow2_head *q)
{
	uint64_t clusters, most = q->file_size / 8;

	if (q->disk_size > INT64_MAX || q->l1_at % CLUSTER != 0 ||
	    q->l1_at > q->file_size || q->l1_size > most ||
	    q->l1_size * 8 > q->file_size - q->l1_at)
		return false;
	clusters = q->disk_size / CLUSTER + (q->disk_size % CLUSTER != 0);
	return q->l1_size >= clusters / L2_ENTRIES +
	    (clusters % L2_ENTRIES != 0);
}

static int
sealed(const struct qcow2_head *q, struct fail *f)
{
	uint64_t version = qcow2_get(q->seal, 4);
	struct qcow2_id own;

	qcow2_header_sum(q->h, &own);
	if (memcmp(own.sum, q->seal + SEAL_OWN, TREESUM_LEN) != 0)
		return fail_set(f, EX_DATAERR, "damaged: its header is not "
		    "what was written");
	if (version != QCOW2_SEAL_VERSION)
		return fail_set(f, EX_DATAERR, "its sums are of version %ju, "
		    "made by a later tl-snapshot", (uintmax_t)version);
	if (qcow2_get(q->seal + SEAL_SIZE, 8) != q->file_size)
		return fail_set(f, EX_DATAERR, "damaged: it has %ju bytes of "
		    "%ju", (uintmax_t)q->file_size,
		    (uintmax_t)qcow2_get(q->seal + SEAL_SIZE, 8));
	return 0;
}

int
qcow2_head_read(int fd, struct qcow2_head *q, struct fail *f)
{
	uint64_t bits, header, features;
	struct stat st;

	*q = (struct qcow2_head){ .fd = fd, .h = calloc(1, CLUSTER) };
	if (q->h == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	if (fstat(fd, &st) == -1)
		return fail_sys(f, EX_IOERR, "reading");
	if (!S_ISREG(st.st_mode) || st.st_size < HEADER)
		return fail_set(f, EX_DATAERR, "not a snapshot");
	q->file_size = (uint64_t)st.st_size;
	if (first_cluster(q, f) == -1)
		return -1;
	bits = qcow2_get(q->h + 72, 8);
	features = qcow2_get(q->h + 80, 8);
	header = qcow2_get(q->h + 100, 4);
	if (memcmp(q->h, "QFI\xfb", 4) != 0 || qcow2_get(q->h + 4, 4) != 3 ||
	    header < HEADER - 8 || header % 8 != 0)
		return fail_set(f, EX_DATAERR, "not a snapshot");
	if (!extensions(q))
		return fail_set(f, EX_DATAERR, "damaged: its header does not "
		    "fit together");
	if ((q->seal != NULL) != ((features & SEALED_BIT) != 0) ||
	    (q->seal != NULL && header != HEADER))
		return fail_set(f, EX_DATAERR, "damaged: its header is not "
		    "what was written");
	if (q->seal != NULL && sealed(q, f) == -1)
		return -1;
	/* No encryption, no snapshots inside, no file beside it. */
	if (qcow2_get(q->h + 20, 4) != BITS || qcow2_get(q->h + 32, 4) != 0 ||
	    qcow2_get(q->h + 60, 4) != 0 || (bits & ~ZSTD_BIT) != 0 ||
	    ((bits & ZSTD_BIT) != 0 && (header < HEADER || q->h[104] != 1)))
		return fail_set(f, EX_DATAERR, "not a snapshot: a qcow2 of "
		    "another kind");
	q->zstd = (bits & ZSTD_BIT) != 0;
	q->disk_size = qcow2_get(q->h + 24, 8);
	q->l1_size = qcow2_get(q->h + 36, 4);
	q->l1_at = qcow2_get(q->h + 40, 8);
	q->backed = qcow2_get(q->h + 8, 8) != 0;
	if (!fits(q))
		return fail_set(f, EX_DATAERR, "damaged: its tables do not "
		    "fit the disk and the file");
	return 0;
}

int
qcow2_head_verify(const struct qcow2_head *q, struct qcow2_id *id,
    struct fail *f)
{
	unsigned char sum[TREESUM_LEN];

	id->sealed = q->seal != NULL;
	if (!id->sealed)
		return treesum_file(q->fd, 0, q->file_size, id->sum, f);
	memcpy(id->sum, q->seal + SEAL_OWN, TREESUM_LEN);
	if (treesum_file(q->fd, CLUSTER, q->file_size, sum, f) == -1)
		return -1;
	if (memcmp(sum, q->seal + SEAL_CONTENTS, TREESUM_LEN) != 0)
		return fail_set(f, EX_DATAERR, "damaged: its contents are not "
		    "what was written");
	return 0;
}

int
qcow2_identify(int fd, struct qcow2_id *id, struct fail *f)
{
	struct qcow2_head q;
	int r = qcow2_head_read(fd, &q, f);

	if (r == 0 && q.seal == NULL)
		r = qcow2_head_verify(&q, id, f);
	else if (r == 0) {
		memcpy(id->sum, q.seal + SEAL_OWN, TREESUM_LEN);
		id->sealed = true;
	}
	free(q.h);
	return r;
}

int
qcow2_config(int fd, struct buf *config, struct fail *f)
{
	struct qcow2_head q;
	int r = qcow2_head_read(fd, &q, f);

	if (r == 0 && q.config != NULL)
		r = buf_add(config, q.config, q.config_len, f) == -1 ? -1 : 1;
	free(q.h);
	return r;
}
