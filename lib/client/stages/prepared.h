#ifndef TL_CLIENT_PREPARED_H
#define TL_CLIENT_PREPARED_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/fail.h"
#include "core/span.h"

/*
 * The server's answer to prepare: what the client needs of it
 * (tl-wire(7), "Prepare"), checked, and where the rest lies.  The text itself
 * is never changed or printed anew.
 *
 * The strings are the struct's own; the spans point into the text that was
 * read, which must outlive it.  Start with PREPARED_INIT, end with
 * prepared_free(), which may be called twice.
 */
struct prepared {
	struct span	 doc;		/* the whole object */
	char		*build_id;	/* stands in a URL's path as it is */
	char		*snapshot_id;
	char		*node_kind;	/* "base", "diff", or a word to come */
	struct {
		char		*image;
		char		*command;
		double		 cpus;
		int64_t		 memory_mb;
		uint64_t	 disk_mb;
	} builder;

	/*
	 * The switch: there (even empty) means the new path, whose blobs are
	 * signed through the sandbox; NULL means the legacy path.
	 */
	char		*rel_path;
	char		*snapshot_uri;	/* the legacy path's; or NULL */

	bool		 has_parent;	/* an object, not null */
	struct span	 parent;
	char		*parent_uri;	/* its parentManifestUri */
	bool		 has_parent_disk;
	uint64_t	 parent_disk_bytes;

	bool		 has_local_images;	/* an array, maybe empty */
	struct span	 local_images;
};

#define PREPARED_INIT	{ .build_id = NULL }

/*
 * Read a text.  What is wrong with it gets the status bad: EX_PROTOCOL for a
 * server's answer, EX_DATAERR for a file.  On failure nothing is held.
 */
int	prepared_parse(struct prepared *, const struct buf *text, int bad,
	    struct fail *);

/*
 * The same for a file ("-" is stdin): its bytes go into text.  An empty one
 * is a stage that failed.
 */
int	prepared_load(struct prepared *, struct buf *text, const char *path,
	    struct fail *);

void	prepared_free(struct prepared *);

#endif
