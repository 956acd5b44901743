#ifndef TL_CLIENT_BUILDARG_H
#define TL_CLIENT_BUILDARG_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"
#include "core/fail.h"

/*
 * The build arguments in front of the first FROM, and words that use them.
 * Only their defaults are known here: nobody gives values.
 */
struct buildarg {
	char	*name;
	char	*value;		/* NULL: no default, or one that nobody knows */
};

struct buildargs {
	struct buildarg	*list;
	size_t		 n;
};

#define BUILDARGS_INIT	{ NULL, 0 }

/* What follows ARG: "name", "name=word", several of them. */
int	buildargs_declare(struct buildargs *, const char *rest, char escape,
	    struct fail *);
void	buildargs_free(struct buildargs *);

/*
 * Undo quotes and escapes of the word at p and put values in place of $name,
 * ${name}, ${name:-word}, ${name-word}, ${name:+word} and ${name+word}, onto
 * out.  1 if everything was known; 0 if not, out is then the word with quotes
 * and escapes undone only; -1 on failure.  args NULL: the latter always.
 */
int	buildargs_expand(const struct buildargs *, const char *p, size_t len,
	    char escape, struct buf *out, struct fail *);

#endif
