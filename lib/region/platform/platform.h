#ifndef TL_REGION_PLATFORM_H
#define TL_REGION_PLATFORM_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/fail.h"
#include "region/platform/platform_template.h"

/*
 * What platform-api keeps: templates, and builds on their way to become one.
 * An SQLite file of mode 0600; any number of threads may call, and several
 * processes may share the file.
 *
 * Rows belong to a project and every question names the project that asks:
 * another one's builds and private templates are not there for it.
 *
 * Failing is EX_TEMPFAIL when the file stays locked, EX_IOERR when it cannot
 * be written, EX_CONFIG when it is no database of this kind.
 */
struct platform;

struct platform	*platform_open(const char *path, struct fail *);
void		 platform_close(struct platform *);

/*
 * Templates.  A name means, in this order: the project's own, one put there at
 * start, the oldest public one of another project.  1 and the template, 0 if
 * there is none, -1.
 */
int	platform_template_named(struct platform *, const char *project,
	    const char *name, struct platform_template *, struct fail *);
int	platform_template_by_id(struct platform *, const char *project,
	    const char *id, struct platform_template *, struct fail *);
/* The project's own, the oldest that stands for a snapshot. */
int	platform_template_by_snapshot(struct platform *, const char *project,
	    const char *snapshot_id, struct platform_template *, struct fail *);
/* Those that a name of theirs finds, in order, behind a row; at most limit. */
int	platform_template_list(struct platform *, const char *project,
	    int64_t behind, unsigned limit,
	    void (*each)(void *arg, const struct platform_template *),
	    void *arg, struct fail *);
/*
 * Put one there, in place of the project's template of that name, whose id it
 * then takes.  Sets id and created_at.
 */
int	platform_template_put(struct platform *, struct platform_template *,
	    struct fail *);
/* Only the project's own: 1 gone, 0 not there. */
int	platform_template_delete(struct platform *, const char *project,
	    const char *name, struct fail *);
/* These, and no others, are nobody's from now on.  Each has an id. */
int	platform_seed(struct platform *, struct platform_template *, size_t n,
	    struct fail *);

/*
 * Snapshots.  One that was a template's stays known though the template is
 * deleted or gets another: what is built on it holds differences against it.
 * The URI of the one that a snapshot holds differences against, a new string:
 * 2 and the URI, 1 if it is whole, 0 if it is not known, or not against what,
 * -1.
 */
int	platform_snapshot_below(struct platform *, const char *project,
	    const char *uri, char **below, struct fail *);
/*
 * Whether a project may build on one: it was its own template's or nobody's,
 * or is a public one's.  1, 0, -1.
 */
int	platform_snapshot_visible(struct platform *, const char *project,
	    const char *uri, struct fail *);

/*
 * An answer that is given again when the request comes again under the same
 * Idempotency-Key.  The print is a hash of what was asked.
 */
struct platform_once {
	const char	*key;		/* NULL: none was sent */
	const char	*print;
};

#define PLATFORM_OTHER	2	/* the key was used for something else */

/* 1 and the answer that was given, 0 if there is none, PLATFORM_OTHER, -1. */
int	platform_again(struct platform *, const char *project,
	    const struct platform_once *, struct buf *answer, struct fail *);

/*
 * Builds.  The strings are the struct's own.
 */
struct build {
	char		*id;
	char		*project;
	char		*name;
	char		*dockerfile;
	char		*base_image;	/* or NULL */
	bool		 public;
	char		*node_kind;
	char		*parent_uri;	/* or NULL */
	char		*snapshot_id;
	char		*rel_path;
	char		*upload_id;	/* legacy answers; or NULL */
	int64_t		 created_at;
	/* Once completed: what completed it, and the answer. */
	char		*request;
	char		*answer;
};

#define BUILD_INIT	{ .id = NULL }

void	build_free(struct build *);

/* "PREFIX" and 20 random characters. */
char	*platform_new_id(const char *prefix, struct fail *);

/*
 * Keep a new build and the answer it was given.  0 if the key was used in the
 * meantime (nothing is kept), 1 if it is kept.
 */
int	platform_build_add(struct platform *, const struct build *,
	    const struct platform_once *, const struct buf *answer,
	    struct fail *);
int	platform_build_get(struct platform *, const char *project,
	    const char *id, struct build *, struct fail *);
/*
 * Turn a build into the template t: its id and time are set, and the answer is
 * its JSON.  1 done; 0 if the build was completed or removed meanwhile.
 */
int	platform_build_complete(struct platform *, const char *id,
	    const char *request, struct platform_template *t,
	    const struct platform_once *, struct buf *answer, struct fail *);
/*
 * Forget builds never completed, and answers, from before a time.  each() gets
 * every such build whose answer opened an upload; it may keep its strings if
 * it leaves BUILD_INIT behind.
 */
int	platform_expire(struct platform *, int64_t before,
	    void (*each)(void *arg, struct build *), void *arg,
	    struct fail *);

#endif
