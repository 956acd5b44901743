#ifndef TL_DOCKERFILE_LOWERING_H
#define TL_DOCKERFILE_LOWERING_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"
#include "core/fail.h"
#include "dockerfile/buildarg.h"
#include "dockerfile/dockerfile.h"
#include "dockerfile/gather.h"
#include "dockerfile/stages.h"

/*
 * A Dockerfile on its way to an older one, see lower.h: what is known so far,
 * and how a piece of it is written.  For the files behind lower.h:
 *
 *	lower.c		the order of it all, and instructions of a few lines
 *	lower_stages.c	FROM, what needs what, names
 *	lower_run.c	RUN, CMD, ENTRYPOINT
 *	lower_copy.c	COPY, ADD
 *	lower_vars.c	ENV, ARG
 *	lower_expose.c	EXPOSE
 *	lower_volume.c	VOLUME
 *	lower_words.c	variables, quotes and escapes in any of them
 *
 * Each of their functions returns -1 with *f, which lower_at() gives the place
 * in the Dockerfile.
 */

/* Text that lives as long as the whole. */
struct texts {
	char	**list;
	size_t	  n;
};

struct stage_text {
	size_t		 from;		/* its FROM, and what comes behind */
	size_t		 end;
	char		 name[80];	/* what it is called from now on */
	bool		 done;
	ssize_t		 base;		/* the stage it starts at, or -1 */
	bool		 scratch;	/* there is no image below */
	struct buildargs env;		/* what its ENVs say */
	struct buildargs args;		/* its ARGs that have a value */
	/* The same as written, where the base image has a say. */
	struct buildargs env_words, arg_words;
	const char	*shell;		/* JSON, or NULL: nothing was said */
	struct texts	 shells;	/* each that it has had */
	struct texts	 volume;	/* lists in JSON, or words */
	const struct instruction **trigger;	/* its ONBUILDs */
	size_t		 triggers;
};

struct lowering {
	const struct dockerfile *d;
	const char	*name;
	struct gather	*g;
	struct buf	*out;
	struct buf	*lines;		/* or NULL */
	size_t		 told;		/* so much of out has its lines */
	struct fail	*f;
	struct stages	 stages;
	struct stage_text *text;	/* one a stage */
	struct buildargs global;	/* of ARGs before the first FROM */
	struct buildargs platform;
	/* Of the stage at hand; NULL before the first FROM. */
	struct stage_text *s;
	struct buildargs vars;		/* all that is set here */
	struct buildargs hidden;	/* ENVs by an ARG: words that give them back */
	const struct instruction *i;
};

int	texts_add(struct texts *, const char *, size_t n, struct fail *);
void	texts_free(struct texts *);

/* -1, out of memory. */
int	lower_nomem(struct lowering *);

/* -1, "WORD: WHAT" of the instruction at hand. */
int	lower_refuse(struct lowering *, const char *what);

/* -1, what *f says, with the place of the instruction at hand before it. */
int	lower_at(struct lowering *);

/* Append to out. */
int	lower_put(struct lowering *, const char *);
int	lower_put_json(struct lowering *, const char *, size_t n);

/* A blank and a flag as it was read, so that it is read the same again. */
int	lower_put_flag(struct lowering *, const char *flag, size_t n);

#endif
