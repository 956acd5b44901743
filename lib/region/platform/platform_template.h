#ifndef TL_REGION_PLATFORM_TEMPLATE_H
#define TL_REGION_PLATFORM_TEMPLATE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/json.h"
#include "core/span.h"

/*
 * A sandbox template: a name that stands for a snapshot
 * (tl-wire(7), "Template lookup").
 *
 * The strings are the struct's own; NULL is absent, as is 0 of a size.  Start
 * with PLATFORM_TEMPLATE_INIT, end with platform_template_free(), which may be
 * called twice.
 */
struct platform_template {
	char		*id;
	char		*project;	/* "" is nobody's */
	char		*name;
	char		*snapshot_id;
	char		*snapshot_sandbox_id;
	char		*snapshot_uri;
	char		*snapshot_format;
	char		*snapshot_sha256;
	uint64_t	 snapshot_bytes;
	uint64_t	 rootfs_bytes;
	char		*node_kind;
	char		*rootfs_format;
	char		*parent_uri;
	char		*base_image;
	char		*dockerfile;
	bool		 public;
	int64_t		 created_at;	/* seconds since 1970 */
	int64_t		 row;		/* where it stands in a list */
};

#define PLATFORM_TEMPLATE_INIT	{ .id = NULL }

/* Sizes end at what SQLite keeps exactly. */
#define PLATFORM_TEMPLATE_SIZE_MAX	((uint64_t)INT64_MAX)

void	platform_template_free(struct platform_template *);

/* Write it as the server's answer has it. */
void	platform_template_json(const struct platform_template *,
	    struct jout *);

/*
 * Read one from an object with these member names: name, snapshotId and
 * snapshotUri must be there, the rest may.  Project, row and createdAt are not
 * read.  On failure (EX_DATAERR) nothing is held.
 */
int	platform_template_read(struct platform_template *,
	    const struct span *, struct fail *);

/* The rule for names: 1 to 255 bytes, no control characters. */
int	platform_template_name_check(const char *, struct fail *);

/* A SHA-256 of 64 digits in lower case, or NULL. */
int	platform_template_sum_check(const char *, struct fail *);

#endif
