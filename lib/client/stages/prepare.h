#ifndef TL_CLIENT_PREPARE_H
#define TL_CLIENT_PREPARE_H

#include <stdbool.h>
#include <stddef.h>

#include "client/cloud/cloud.h"
#include "client/stages/template.h"
#include "core/http.h"
#include "core/span.h"

/*
 * From a plan to the server's answer: look the plan's references up in their
 * order, ask the server to prepare the build (tl-wire(7), "Template lookup"
 * and "Prepare").
 *
 * The strings are the struct's own.  Start with PREPARE_INIT, end with
 * prepare_free().
 */
struct prepare_reference {
	char		*text;		/* as the user wrote it */
	bool		 base;
	bool		 found;
	struct template	 template;	/* if found */
};

struct prepare {
	char		*name;
	char		*dockerfile;
	char		*base_image;
	bool		 is_public;
	struct prepare_reference *refs;
	size_t		 nrefs;
};

#define PREPARE_INIT	{ .name = NULL }

/* Read a plan (tl-documents(5)); EX_DATAERR if it is none. */
int	prepare_plan(struct prepare *, const struct span *plan, struct fail *);

/* Ask for each reference once; refuse what a build cannot use. */
int	prepare_lookup(struct prepare *, struct http *, const struct cloud *,
	    void (*note)(const char *), struct fail *);

/* The request's body: all seven members. */
int	prepare_body(const struct prepare *, struct buf *, struct fail *);

/*
 * Send it with this Idempotency-Key line; the answer, checked, goes onto out
 * as it came.  A lost answer is asked for again: a server that does not know
 * the header begins another build then, and the one that nobody was told of
 * ends unused.
 */
int	prepare_post(const struct prepare *, struct http *,
	    const struct cloud *, const char *key_line,
	    void (*note)(const char *), struct buf *out, struct fail *);

void	prepare_free(struct prepare *);

#endif
