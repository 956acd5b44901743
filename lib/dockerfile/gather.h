#ifndef TL_DOCKERFILE_GATHER_H
#define TL_DOCKERFILE_GATHER_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"
#include "core/fail.h"

struct ignore;

/*
 * A build context of our own: numbered folders in a folder, each of which holds
 * what one COPY is to copy, picked from the user's context by hard links, or
 * written.  Names are never followed out of the context: a link at the root of
 * what is copied leads to what it means with the context as /.
 */
struct gather {
	int		 context;	/* a folder, or -1 */
	int		 files;		/* where the folders go, or -1 */
	struct ignore	*ignored;	/* by the context's .dockerignore; NULL */
	int		 setid;		/* is there such a file? -1: not known */
	size_t		 folder;	/* the number of the last one */
	size_t		 found;		/* things in it */
	bool		 one;		/* the only one is no folder */
	char		 name[256];	/* that of the last */
};

/* How the builder knows it. */
#define GATHER_NAME	"tl-files"

#define GATHER_INIT	{ .context = -1, .files = -1, .setid = -1 }

/* Open the two, either may be NULL. */
int	gather_open(struct gather *, const char *context, const char *files,
	    struct fail *);
void	gather_close(struct gather *);

/* The next folder; it is there once something is in it. */
int	gather_folder(struct gather *, struct fail *);

/* A file of its own text. */
int	gather_text(struct gather *, const char *name, const char *text,
	    size_t len, unsigned mode, struct fail *);

/*
 * What a source of COPY means, put into the folder.  exclude: patterns, a line
 * each, or NULL.  EX_DATAERR where a plain name is not in the context; a
 * pattern may match nothing.
 */
int	gather_source(struct gather *, const char *source, bool parents,
	    const struct buf *exclude, struct fail *);

/* The only file in the folder gets another name. */
int	gather_rename(struct gather *, const char *name, struct fail *);

/*
 * Whether an older COPY would not do the same with the source: names with
 * brackets, a pattern that matches nothing, set-id bits.  *archive: among what
 * it means there is a file that ADD unpacks; that is seen for sure only if one
 * is to look.
 */
int	gather_needed(struct gather *, const char *source, bool look,
	    bool *needed, bool *archive, struct fail *);

/* Whether a name would be taken for a pattern. */
bool	gather_is_odd(const char *name);

/* Whether a text holds * ? or [ that are not escaped. */
bool	gather_is_pattern(const char *);

#endif
