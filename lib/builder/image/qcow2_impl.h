#ifndef TL_BUILDER_QCOW2_IMPL_H
#define TL_BUILDER_QCOW2_IMPL_H

/*
 * What the files behind qcow2.h share; for nobody else.  The numbers are those
 * of QEMU's docs/interop/qcow2.txt; what is our own stands in tl-snapshot(5).
 *
 *	qcow2_write.c	the clusters of an image on their way into a snapshot
 *	qcow2_out.c	the file that they are written to
 *	qcow2_read.c	its disk is read, and that of a chain
 *	qcow2_seal.c	its header: what it says, whether the sums are right
 */

#include "builder/image/compress.h"
#include "builder/image/qcow2.h"
#include "builder/image/treesum.h"

#define BITS		16
#define CLUSTER		(1UL << BITS)
#define L2_ENTRIES	(CLUSTER / 8)
#define COPIED		(1ULL << 63)
#define COMPRESSED	(1ULL << 62)
#define SECTORS_SHIFT	(62 - (BITS - 8))
#define OFFSET_MASK	0x00fffffffffffe00ULL
#define ALL_ZERO	1ULL
#define ZSTD_BIT	(1ULL << 3)	/* incompatible: know it or leave it */
#define EXT_FORMAT	0xe2792acaUL
#define EXT_CONFIG	0x746c6366UL	/* "tlcf", our own */
#define EXT_SEAL	0x746c736dUL	/* "tlsm", our own */
#define HEADER		112
#define REFS_A_BLOCK	(CLUSTER / 2)

/*
 * A bit of the compatible features, which readers that do not know it pass
 * over: that there is a seal.  So no one flipped bit takes the seal away.
 */
#define SEALED_BIT	(1ULL << 63)

/* The seal's bytes. */
#define QCOW2_SEAL_VERSION 1
#define SEAL_SIZE	8	/* of the file */
#define SEAL_CONTENTS	16	/* treesum of all behind the first cluster */
#define SEAL_PARENT	48	/* the identity of what it is a diff of, or 0 */
#define SEAL_OWN	80	/* SHA-256 of the first cluster, this being 0 */
#define SEAL_LEN	112

struct qcow2_head {
	int		 fd;
	unsigned char	*h;		/* the first cluster, zeros behind */
	uint64_t	 file_size, disk_size;
	uint64_t	 l1_size, l1_at;
	bool		 zstd, backed;
	const unsigned char *seal;	/* in h, or NULL */
	const unsigned char *config;	/* in h, or NULL */
	size_t		 config_len;
};

/* Read it and see whether its own sum is right; free(h) whatever comes. */
int	qcow2_head_read(int fd, struct qcow2_head *, struct fail *);
/* See whether the rest is right, too, and which snapshot this is. */
int	qcow2_head_verify(const struct qcow2_head *, struct qcow2_id *,
	    struct fail *);
void	qcow2_header_sum(const unsigned char *h, struct qcow2_id *);

/* A snapshot's file, which only grows; its tables are in memory until its end. */
struct qcow2_out {
	int		 fd;
	uint64_t	 size;		/* of the disk */
	uint64_t	 pos;		/* where the next byte goes */
	unsigned char	*pend;		/* bytes of the unfinished cluster */
	uint64_t	 l1_size;
	uint64_t	**l2;		/* each NULL until it has an entry */
	uint16_t	*refs;
	size_t		 refs_cap;
};

/* qcow2_out_free() whatever it returns. */
int	qcow2_out_begin(struct qcow2_out *, int fd, uint64_t size,
	    struct fail *);
/* In any order, each once. */
int	qcow2_out_put(struct qcow2_out *, const struct cluster *,
	    struct fail *);
int	qcow2_out_end(struct qcow2_out *, const struct qcow2_extra *,
	    struct fail *);
void	qcow2_out_free(struct qcow2_out *);

static inline uint64_t
qcow2_get(const unsigned char *p, int bytes)
{
	uint64_t v = 0;

	while (bytes-- > 0)
		v = v << 8 | *p++;
	return v;
}

#endif
