#ifndef TL_DOCKERFILE_H
#define TL_DOCKERFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"
#include "core/fail.h"

/*
 * A Dockerfile cut into instructions, the way BuildKit cuts it: continued
 * lines are joined, comments and blank lines inside them dropped, the parser
 * directives at the top obeyed, the bodies of here-documents set apart.  What
 * may stand in an instruction is grammar.h's business, what it means lower.h's
 * and plan.h's.
 */
struct heredoc {
	char		*name;		/* what ends it, quotes undone */
	bool		 tabs;		/* <<-: those at its lines' starts go */
	bool		 literal;	/* its name is quoted: nothing is put in */
	struct buf	 body;		/* as it stands, tabs and all */
};

struct instruction {
	size_t		 line;		/* its first, from 1 */
	char		*word;		/* FROM, RUN, ..., in capitals */
	char		**flag;		/* "--key=value", quotes undone */
	size_t		 flags;
	char		*rest;		/* behind the flags, trimmed */
	struct heredoc	*doc;		/* in the order of their words */
	size_t		 docs;
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

/* Whether the k-th flag is "--NAME", with a value or without. */
bool	instruction_has(const struct instruction *, size_t k,
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

/* Whether the word opens a here-document; its name goes into end. */
int	dockerfile_heredoc(const char *word, struct buf *end, bool *tabs,
	    bool *literal, struct fail *);

/* Append the body, of <<- without the tabs in front of its lines. */
int	heredoc_text(const struct heredoc *, struct buf *, struct fail *);

#endif
