#ifndef TL_DOCKERFILE_PATTERN_H
#define TL_DOCKERFILE_PATTERN_H

#include <stdbool.h>

#include "core/buf.h"
#include "core/fail.h"

/*
 * Patterns of ${name#pattern} and its like, as BuildKit has them: * is any
 * text, ? one character; a backslash takes their meaning, and its own; others
 * are not escaped but / and }.  EX_DATAERR for a wrong one, and where pattern
 * or value are longer than a reference to an image can be.
 */

/*
 * Append the value without what the pattern matches at its start (kind '#') or
 * end ('%'): the least of it, or the most if the pattern begins with kind.
 */
int	pattern_trim(const struct buf *pattern, const char *value, char kind,
	    struct buf *out, struct fail *);

/* Append the value with the first, or each, longest match replaced. */
int	pattern_replace(const struct buf *pattern, const char *value,
	    const struct buf *with, bool all, struct buf *out, struct fail *);

#endif
