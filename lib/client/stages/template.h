#ifndef TL_CLIENT_TEMPLATE_H
#define TL_CLIENT_TEMPLATE_H

#include <stdbool.h>

#include "client/cloud/cloud.h"
#include "client/cloud/retry.h"
#include "core/http.h"
#include "core/json.h"
#include "core/span.h"

/*
 * A sandbox template, what is read of the server's
 * (tl-wire(7), "Template lookup").  Start with TEMPLATE_INIT, end with
 * template_free().
 */
struct template {
	char	*id;
	char	*name;			/* what the server calls it */
	char	*snapshot_id;
	char	*format;		/* snapshotFormatVersion, or NULL */
	bool	 is_public;
};

#define TEMPLATE_INIT	{ .id = NULL }

/* Out of an answer; a wrong one is EX_PROTOCOL. */
int	template_parse(struct template *, const struct span *, struct fail *);
void	template_free(struct template *);

/*
 * Whether a build may start from it, or copy from it: EX_DATAERR with advice
 * if its snapshot is one that a builder cannot read.
 */
int	template_eligible(const struct template *, const char *reference,
	    struct fail *);

/* As prepare wants it: with the reference that the user wrote. */
void	template_write(const struct template *, const char *reference,
	    struct jout *);

/*
 * Ask for a template by the reference's text: 1 and the template if there is
 * one, 0 if not.  A text that cannot stand in a URL's path is EX_DATAERR.
 */
int	template_lookup(struct http *, const struct cloud *,
	    const char *reference, void (*note)(const char *),
	    struct template *, struct fail *);

#endif
