#ifndef TL_CLIENT_METADATA_H
#define TL_CLIENT_METADATA_H

#include <stdint.h>

#include "client/stages/prepared.h"
#include "core/buf.h"
#include "core/fail.h"
#include "core/span.h"

/*
 * From the builder's metadata.json to the request that completes the build
 * (tl-wire(7), "Metadata and complete").
 *
 * The strings are the struct's own.  Start with COMPLETION_INIT, end with
 * completion_free().
 */
struct completion {
	char		*snapshot_id;
	char		*snapshot_uri;
	char		*format_version;
	uint64_t	 snapshot_bytes;
	uint64_t	 disk_bytes;
	char		*node_kind;
	char		*parent_uri;	/* or NULL */
	char		*rootfs_format;	/* or NULL */
	char		*sha256;	/* of the snapshot, 64 digits, or NULL */
	/* The dataplane's receipt, in a text that outlives this; or at NULL. */
	struct span	 attestation;
};

#define COMPLETION_INIT	{ .snapshot_id = NULL }

/*
 * Read metadata, with the prepared answer for what it leaves out.
 *
 * signed_uri is the upload block's uri, or NULL if nothing was signed or the
 * answer had none.  With it metadata may leave the snapshot's URI out but not
 * differ; without it metadata's counts, then the prepared one.  disk_mb is
 * --disk-mb or NULL, for a format whose metadata does not tell the disk's
 * size.  What is wrong is EX_DATAERR.
 */
int	metadata_read(struct completion *, const struct span *metadata,
	    const struct prepared *, const char *signed_uri,
	    const uint64_t *disk_mb, struct fail *);

/* Only where the snapshot is without a signed upload: a new string. */
int	metadata_uri(const struct span *metadata, const struct prepared *,
	    char **uri, struct fail *);

/* The request's body, members in upstream's order, then our own. */
int	completion_body(const struct completion *, struct buf *,
	    struct fail *);

void	completion_free(struct completion *);

#endif
