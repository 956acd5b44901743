#ifndef TL_DOCKERFILE_GATHER_IMPL_H
#define TL_DOCKERFILE_GATHER_IMPL_H

#include <sys/stat.h>

#include "dockerfile/gather.h"
#include "dockerfile/ignore.h"

/*
 * What the files behind gather.h share; for nobody else.
 *
 *	gather_source.c	what a source of COPY means
 *	gather_walk.c	names and patterns, found in the context
 *	gather_folder.c	folders of ours, and what is put into them
 */

/* The folder at hand, open; -1. */
int	gather_folder_open(struct gather *, struct fail *);

/* One more is in it: a file, or else a folder, of that name. */
void	gather_count(struct gather *, const char *name, bool file);

/* Its times, for futimens(2). */
void	gather_times(const struct stat *, struct timespec times[2]);

/*
 * The file, or the link itself, that fd is, of O_PATH: under that name into the
 * folder to, by a hard link where one can be made.
 */
int	gather_put(int fd, int to, const char *name, const struct stat *,
	    struct fail *);

/*
 * A walk is in one of three ways: inside of what is copied (no match), after
 * names that a pattern matches, each of which goes to the top, or after such
 * whose folders above come with them (parents).
 */
struct gather_walk {
	struct gather	*g;
	const struct ignore *match;
	const struct ignore *exclude;	/* NULL: nothing */
	bool		 parents;
	bool		 look;		/* nothing is put anywhere */
	bool		 odd, archive, setid;	/* out: what was seen */
	struct fail	*f;
};

/* A path in the context, links in it followed, under its own last name. */
int	gather_take(struct gather_walk *, const char *path);

/* After what the pattern matches, below a folder of the context. */
int	gather_after(struct gather_walk *, const char *base,
	    const char *pattern);

#endif
