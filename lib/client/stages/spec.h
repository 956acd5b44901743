#ifndef TL_CLIENT_SPEC_H
#define TL_CLIENT_SPEC_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/fail.h"
#include "core/map.h"
#include "core/span.h"

/*
 * Where everything lies in the sandbox (tl-wire(7), "Builder process" and
 * "Spec").
 */
#define SPEC_BUILD_DIR	"/var/lib/tensorlake/rootfs-builder/build"

struct spec_options {
	const struct map *prepared;
	const struct map *signed_blocks; /* tl-sign's document */
	const struct map *plan;		/* NULL: set signed blocks only */
	const struct map *docker;	/* its configuration; NULL: none */
	const uint64_t	*disk_mb;	/* --disk-mb, or NULL */
	bool		 docker_compat;
	bool		 no_cache;
	const char	*epoch;		/* digits, or NULL */
};

/*
 * The builder's input, spec.json: the prepared text with members set
 * (tl-wire(7), "Splicing" and "Spec").  A member that is there has its value's
 * bytes replaced; one that is not is added at the end of its object.  Every
 * other byte stays, and a signed block goes in as it came.
 *
 * A spec is a list of pieces of the texts it was made from, which must outlive
 * it: nothing long is copied.  Start with SPEC_INIT, end with spec_free().
 */
struct spec {
	struct span	*piece;
	size_t		 pieces;
	size_t		 len;		/* of all of them, in bytes */
	struct buf	 own;		/* bytes that are in none of the texts */
};

/* Twice a Docker configuration, all escaped, and a number. */
#define SPEC_INIT	{ NULL, 0, 0, BUF_INIT(2 * BUF_SMALL_MAX + 32) }

/*
 * EX_DATAERR, naming text and member, for a text that is not JSON, a member
 * that we set or read and that is there twice or of the wrong type, and signed
 * blocks that do not fit the prepared text: missing ones on the new path, any
 * on the legacy one.
 */
int	spec_splice(struct spec *, const struct spec_options *, struct fail *);

/* Write it.  A write that fails is EX_IOERR. */
int	spec_write(const struct spec *, int fd, const char *name,
	    struct fail *);
void	spec_free(struct spec *);

#endif
