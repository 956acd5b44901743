#ifndef TL_CLIENT_LEAVE_H
#define TL_CLIENT_LEAVE_H

#include <sys/stat.h>

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"
#include "core/fail.h"

/*
 * What is to stay out by its name, whether it is there yet or not: a list of
 * paths, one a line, each from the current folder.  So a Makefile's targets,
 * which are made, replaced and made again while others are sent, are in none of
 * its images.  A path's folder is known by device and inode, however it is
 * named, and the last name is compared; an empty line, or one whose folder is
 * not there, says nothing.
 *
 * Whoever makes such a file puts it on the list first.  So who finds a file and
 * looks at the list after that knows about it, if leave_again() has been asked.
 */
struct leave_name {
	dev_t		 dev;		/* of the folder */
	ino_t		 ino;
	const char	*name;		/* in it */
};

struct leave {
	struct leave_name	*name;
	size_t			 n;
	struct buf		 text;
	const char		*path;		/* of the list; borrowed */
};

/* More than a million targets of 60 bytes. */
#define LEAVE_MAX	(64UL << 20)
#define LEAVE_INIT	{ NULL, 0, BUF_INIT(LEAVE_MAX), NULL }

/* Read the list at path, which must last.  Missing: EX_NOINPUT. */
int	leave_load(struct leave *, const char *path, struct fail *);
/* Read it again if it is a file that has grown since. */
int	leave_again(struct leave *, struct fail *);
void	leave_free(struct leave *);

/* Whether this name of that folder is to stay out. */
bool	leave_has(const struct leave *, const struct stat *folder,
	    const char *name);

#endif
