#ifndef TL_CLIENT_PLAN_H
#define TL_CLIENT_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"
#include "core/fail.h"
#include "dockerfile/dockerfile.h"

/*
 * What a Dockerfile wants of the server: the image it builds on, the other
 * images that could be templates of ours, and what in it has no effect or
 * cannot be looked up (tl-wire(7), "Dockerfile reading").
 *
 * Where the published client misreads a Dockerfile, this follows BuildKit;
 * tests/11-plan.t has both answers to each such case.
 */
struct plan_reference {
	char		*text;
	size_t		 line;		/* of the first instruction with it */
	bool		 additional;	/* else the base image */
	const char	*reason;	/* cannot be looked up: why; or NULL */
};

struct plan_ignored {
	const char	*word;		/* EXPOSE, ... */
	size_t		 line;
};

struct plan {
	char		*base_image;
	struct plan_reference *reference;	/* in the order of lookup */
	size_t		 references;
	struct plan_reference *unresolvable;	/* in the file's order */
	size_t		 unresolvables;
	struct plan_ignored *ignored;
	size_t		 ignoreds;
};

#define PLAN_INIT	{ .base_image = NULL }

/*
 * name is what messages call the file; the plan's words point into the
 * dockerfile, which must outlive it.  EX_DATAERR with "NAME:LINE: ...".
 */
int	plan_read(struct plan *, const struct dockerfile *, const char *name,
	    struct fail *);
void	plan_free(struct plan *);

/*
 * The plan document.  import NULL: of the plan read from text; else of an
 * import of that reference, for which the plan is a fresh one.
 */
int	plan_write(const struct plan *, const char *name, bool is_public,
	    const struct buf *text, const char *import, struct buf *out,
	    struct fail *);

/*
 * The name an image is registered under if the user gives none
 * (tl-wire(7), "Registered name"): of the file's path, and of the folder it is
 * in; or of an imported reference.  *out is malloc'ed.
 */
int	plan_name(const char *path, char **out, struct fail *);
int	plan_import_name(const char *reference, char **out, struct fail *);

/*
 * Check and trim a reference to import: EX_USAGE if it is empty or holds what
 * would not stay one word of a Dockerfile.  *out is malloc'ed.
 */
int	plan_import_reference(const char *, char **out, struct fail *);

#endif
