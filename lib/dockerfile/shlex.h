#ifndef TL_DOCKERFILE_SHLEX_H
#define TL_DOCKERFILE_SHLEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/fail.h"
#include "dockerfile/buildarg.h"

/*
 * Words of a Dockerfile as BuildKit's shell lexer takes them: quotes and
 * escapes are undone, $name and ${name} with all that may stand behind the
 * name (:- - :+ + :? ? # ## % %% / //) are put in.  A variable without a value
 * is empty, unless keep_unset leaves it as it is written.
 */
struct shlex {
	const struct buildargs *args;	/* NULL: none has a value */
	char		 escape;	/* a backslash, or a backtick */
	bool		 keep_quotes;
	bool		 keep_escapes;
	bool		 keep_unset;
	bool		 no_quotes;	/* they are text, as in here-documents */
	bool		 unset;		/* out: one without a value was used */
	bool		 asked;		/* out: or one of ${name-...} and kin */
};

/* Append what the text is in the end.  EX_DATAERR, with the reason. */
int	shlex_text(struct shlex *, const char *, size_t len, struct buf *out,
	    struct fail *);

/* Append the words that it is cut into, each with a NUL behind it. */
int	shlex_words(struct shlex *, const char *, size_t len,
	    struct buf *words, struct fail *);

/*
 * The one substitution that begins with the $ at *p, which moves behind it: its
 * value is appended.
 */
int	shlex_variable(struct shlex *, const char **p, size_t len,
	    struct buf *out, struct fail *);

/* The length of the blank at p, in Unicode's sense, or 0. */
size_t	shlex_blank(const char *p, size_t n);

#endif
