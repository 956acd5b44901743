#ifndef TL_CLIENT_CONTEXT_H
#define TL_CLIENT_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "client/context/gzip.h"
#include "client/context/record.h"
#include "client/context/sum.h"
#include "client/context/walk.h"

/*
 * A build context: a folder, the ignore file that counts for it, and what of
 * it goes to the builder (tl-wire(7), "Build context").
 *
 * It is listed first, so that what is wrong is found before a byte is sent,
 * and read afterwards.  What changes in between: a folder that became a link
 * is not followed and fails the run, as does a file that vanished, became
 * something else, or shrinks while it is read; a file that grows is sent with
 * the size it had when it was opened.  What need not be read, such as a folder
 * with nothing to read in it, counts as it was when it was listed.
 */
struct context {
	char		*dir;
	int		 root;		/* the open folder */
	char		*ignore_name;	/* NULL: there is none */
	struct walk	 walk;
};

#define CONTEXT_INIT	{ NULL, -1, NULL, WALK_INIT }

/*
 * List the context.  dir NULL is the Dockerfile's folder, or "." without one;
 * dockerfile NULL is dir/Dockerfile, of which only the ignore file beside it
 * matters here and which need not exist.  Patterns are EX_DATAERR, what is
 * missing or may not be read is EX_NOINPUT.
 */
int	context_list(struct context *, const char *dir,
	    const char *dockerfile, const struct walk_never *, struct fail *);
void	context_free(struct context *);

/*
 * Send it as a tar in gzip to a descriptor that messages call name.  No entry
 * is newer than epoch if that is not NULL; sum, if not NULL, is that of all of
 * it (client/context/sum.h).  With records, which were begun, files and links
 * that are in the old one are left out, and the new one is of all of it.
 */
int	context_send(const struct context *, enum gzip_with, int fd,
	    const char *name, const int64_t *epoch, uint8_t sum[SUM_SIZE],
	    struct records *, struct fail *);

/* What sum would be now; all is read, nothing sent. */
int	context_sum(const struct context *, const int64_t *epoch,
	    uint8_t sum[SUM_SIZE], struct fail *);

/* Why an entry stays out, such as ".dockerignore:3" or "socket". */
int	context_why(const struct context *, size_t entry, struct buf *,
	    struct fail *);

#endif
