#ifndef TL_CORE_USAGE_H
#define TL_CORE_USAGE_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"
#include "core/fail.h"

/*
 * A usage text as the table of a program's options.
 *
 * A line that begins with two blanks or more and a dash lists options; two
 * blanks end the list, and behind them more options or words about these may
 * stand:
 *
 *	  -f, --file FILE       the Dockerfile (-d, --dockerfile)
 *	      --cpus N, --memory-mb SIZE
 *	      --label [TEXT]    TEXT may be empty
 *	      --reach PORT...   may be given more than once
 *	  -h, --help  -V, --version
 *
 * A short option means the long one behind it.  What brackets hold that begin
 * with a dash are other spellings of the line's first option.  An underscore
 * for a dash is one more; getopt_long(3) adds what is short for one.
 *
 * The words behind a list are about all of it; so are the next line's, if it is
 * far to the right, or the list ended with a comma.  A line that begins with two
 * blanks and a small letter is a verb's, with its operands:
 *
 *	  show NAME|ID          one, as the server has it
 */
struct usage_option {
	char	*name;	/* "file" */
	char	 letter;	/* 'f'; NUL if it has none */
	bool	 value;
	bool	 empty;	/* that value may be empty */
	bool	 more;	/* each time one more, not in the last one's place */
	char	*word;	/* "FILE"; NULL without a value */
	char	*text;	/* the words about it, in one line; NULL if there are none */
};

struct usage_verb {
	char	*name;		/* "show" */
	char	*operands;	/* "NAME|ID"; may be empty */
	char	*text;		/* as above */
};

struct usage {
	struct usage_option	*option;
	size_t			 n;
	struct usage_verb	*verb;
	size_t			 nverbs;
	/* For getopt_long(); each long one's val is USAGE_LONG and its index. */
	struct option		*longs;
	size_t			 nlongs;
	struct buf		 shorts, letters;
};

#define USAGE_INIT	{ .shorts = BUF_INIT(1024), .letters = BUF_INIT(1024) }
#define USAGE_LONG	256

/* A text that has an option without a name, or one twice, is EX_SOFTWARE. */
int	usage_read(struct usage *, const char *text, struct fail *);
/* The option that getopt_long() has found; NULL: none, '?' or ':'. */
const struct usage_option *
	usage_found(const struct usage *, int ch);
void	usage_free(struct usage *);

#endif
