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
 * may stand in an instruction is grammar.h's business, what it means plan.h's.
 */
struct instruction {
	size_t		 line;		/* its first, from 1 */
	char		*word;		/* FROM, RUN, ..., in capitals */
	char		**flag;		/* "--key=value", quotes undone */
	size_t		 flags;
	char		*rest;		/* behind the flags, trimmed */
};

struct dockerfile {
	struct instruction *list;
	size_t		 n;
	char		 escape;	/* a backslash, or a backtick */
	bool		 foreign;	/* a parser that is not Docker's */
};

#define DOCKERFILE_INIT	{ .escape = '\\' }

/*
 * EX_DATAERR with "NAME:LINE: ..." for NUL, malformed UTF-8, a wrong or
 * repeated directive, a here-document without end.
 */
int	dockerfile_parse(struct dockerfile *, const char *name,
	    const struct buf *text, struct fail *);
void	dockerfile_free(struct dockerfile *);

/* An instruction of one line, as behind ONBUILD; line stays as it is. */
int	instruction_read(struct instruction *, const char *, size_t len,
	    struct fail *);
void	instruction_free(struct instruction *);

/* What "--NAME=" is followed by in the k-th flag, or NULL. */
const char *instruction_flag(const struct instruction *, size_t k,
	    const char *name);

/* Blanks of ASCII: what cuts an instruction into words. */
bool	dockerfile_blank(char);

/*
 * The next word up to such a blank, whatever the quotes: *p moves behind it.
 * Its length, 0 at the end; *word is where it is.
 */
size_t	dockerfile_word(const char **p, const char **word);

/* The same up to a blank, in Unicode's sense, that is in no quotes. */
size_t	dockerfile_quoted(const char **p, char escape, const char **word);

/* Whether the text is a list of JSON; *texts: of strings, *n of them. */
bool	dockerfile_json(const char *, bool *texts, size_t *n);

/* Whether the word opens a here-document; its end goes into b. */
int	dockerfile_heredoc(const char *word, struct buf *end, bool *tabs,
	    struct fail *);

#endif
