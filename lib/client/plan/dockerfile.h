#ifndef TL_CLIENT_DOCKERFILE_H
#define TL_CLIENT_DOCKERFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"
#include "core/fail.h"

/*
 * A Dockerfile cut into instructions, the way BuildKit cuts it: continued
 * lines are joined, comments and blank lines inside them dropped, the parser
 * directives at the top obeyed, the bodies of here-documents left out.  What
 * the instructions mean is plan.h's business.
 */
struct instruction {
	size_t		 line;		/* its first, from 1 */
	char		*word;		/* FROM, RUN, ..., in capitals */
	char		*rest;		/* trimmed; may be empty */
};

struct dockerfile {
	struct instruction *list;
	size_t		 n;
	char		 escape;	/* a backslash, or a backtick */
	bool		 syntax;	/* names a parser of its own choice */
};

#define DOCKERFILE_INIT	{ .escape = '\\' }

/*
 * EX_DATAERR with "NAME:LINE: ..." for NUL, malformed UTF-8, a wrong escape
 * directive, a here-document without end.
 */
int	dockerfile_parse(struct dockerfile *, const char *name,
	    const struct buf *text, struct fail *);
void	dockerfile_free(struct dockerfile *);

/*
 * The next flag in front of an instruction's values: *rest moves behind it
 * and its trailing blanks.  "--key=value" with quotes and escapes undone goes
 * into flag.  A flag without '=' that may_split is put together with the word
 * behind it, as the published client does.  1, 0 if there is no flag, -1 with
 * EX_DATAERR if there is nothing to put together.
 */
int	dockerfile_flag(const char **rest, char escape, bool may_split,
	    struct buf *flag, struct fail *);

/* Blanks between words, as BuildKit has them. */
bool	dockerfile_blank(char);

/*
 * The length of the word at p: up to a blank outside quotes.  0 if a quote is
 * not closed or p is at the end.
 */
size_t	dockerfile_word(const char *p, char escape);

#endif
