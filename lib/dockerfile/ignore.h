#ifndef TL_DOCKERFILE_IGNORE_H
#define TL_DOCKERFILE_IGNORE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/fail.h"

/*
 * The patterns of an ignore file, with Docker's meaning
 * (tl-wire(7), "Ignore files"):
 *
 *	a line that starts with # is a comment; a byte order mark, a CR at
 *	the end of a line, blanks around a pattern are dropped; a pattern is
 *	cleaned as a path (a//b/./c/../ is a/b) and a leading / means nothing
 *	* and ? match within a name, [a-z] and [^a-z] one character, ** any
 *	number of folders, \ takes the next character as it is
 *	a pattern that matches a folder matches all that is below it
 *	! before a pattern makes an exception; the last pattern that matches
 *	a name decides.  An exception that matches a folder brings back what
 *	kept the folder out, not what only keeps out something below it
 *
 * Matching follows a walk from the root down: a struct ignore_pos holds what
 * the patterns have seen of the path to a folder, so a name costs its own
 * length and patterns that cannot match any more cost nothing.
 */
struct ignore;
struct ignore_pos;

/*
 * Read patterns; name is what messages call the text ("name:LINE: ...").  A
 * pattern that has no meaning is EX_DATAERR.
 */
int	ignore_parse(struct ignore **, const char *text, size_t len,
	    const char *name, struct fail *);
void	ignore_free(struct ignore *);

/* The root of the tree, or NULL without memory; free() ends it. */
struct ignore_pos *ignore_root(const struct ignore *);

/*
 * Go from a folder to a name in it.  Returns whether the name stays out, and
 * in *line where the pattern that decided stands (0: none matched).  next is
 * overwritten; it comes from ignore_root() and is not folder.
 */
bool	ignore_step(const struct ignore *, const struct ignore_pos *folder,
	    const char *name, size_t len, struct ignore_pos *next,
	    size_t *line);

/*
 * Having gone to a folder's name, go into it.  Returns whether anything below
 * can be let in by an exception that the folder itself does not meet; a
 * folder that stays out needs no walk if not.
 */
bool	ignore_enter(const struct ignore *, struct ignore_pos *);

#endif
