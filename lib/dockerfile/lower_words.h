#ifndef TL_DOCKERFILE_LOWER_WORDS_H
#define TL_DOCKERFILE_LOWER_WORDS_H

#include "dockerfile/lowering.h"

/*
 * Words as an older reader takes them: its escape is the backslash, whatever
 * the directive says, and of ${name...} it knows no more than :- and :+.
 * Other substitutions become their value, which must be known: EX_DATAERR where
 * it may come from the base image.
 */
int	lower_words(struct lowering *, const char *, size_t n, struct buf *);
int	lower_put_words(struct lowering *, const char *, size_t n);

/* A value as a word, or inside of quotes, that is read as that value again. */
int	lower_quoted(struct lowering *, const char *value, size_t n, bool in,
	    struct buf *);

/* The instruction as it is, but for its words. */
int	lower_plainly(struct lowering *, const struct instruction *);

/*
 * What the text is in the end.  *known is false where a variable may have its
 * value from the base image; the text is then without it.  *sure is false also
 * where it would have one in place of what ${name-text} and kin say.
 */
int	lower_value(struct lowering *, const char *, size_t n, struct buf *,
	    bool *known, bool *sure);

#endif
