#ifndef TL_BUILDER_BLOCK_H
#define TL_BUILDER_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/fail.h"
#include "core/span.h"

/*
 * A signed block (tl-wire(7), "Signed block") as who sends a file through it
 * reads it: the URLs of a multipart upload, or the one of a single_put.
 */
#define BLOCK_PARTS_MAX		10000	/* S3's own limit */
#define BLOCK_PART_DEFAULT	(64UL << 20)	/* what the client asks for */
#define BLOCK_HEADERS_MAX	16	/* of a single_put block */

struct block {
	bool		 single;
	char		*uri, *upload_id, *method, *expires;	/* or NULL */
	struct span	*urls;		/* still JSON strings of the text */
	size_t		 nurls;
	struct buf	 complete, abort;	/* of a multipart upload */
	char		*headers[BLOCK_HEADERS_MAX];	/* "Name: value" */
	size_t		 nheaders;
	uint64_t	 part_size;
	size_t		 nparts;	/* block_fit(): that the file makes */
};

#define BLOCK_INIT	{ .complete = BUF_INIT(BUF_SMALL_MAX),		\
			  .abort = BUF_INIT(BUF_SMALL_MAX) }

/* Read one; the text must outlive it.  EX_DATAERR where it is malformed. */
int	block_read(struct block *, const struct span *text, struct fail *);
/*
 * For a file of this name and size; again, if that has become larger.  EX_DATAERR
 * where there are too few URLs for it.
 */
int	block_fit(struct block *, const char *name, uint64_t size,
	    struct fail *);
/* The URL of part k, in place of what is in the buf. */
int	block_url(const struct block *, size_t k, struct buf *, struct fail *);
void	block_free(struct block *);

#endif
