#ifndef TL_DOCKERFILE_STAGES_H
#define TL_DOCKERFILE_STAGES_H

#include <sys/types.h>

#include <stddef.h>

#include "core/fail.h"
#include "dockerfile/dockerfile.h"

/*
 * The stages of a Dockerfile, numbered from 0: their names, which have no
 * case, and which of them need which.
 */
struct stages {
	struct stage {
		char	*name;		/* "" for one without */
		size_t	 line;
		size_t	 waits;		/* stages_circle()'s own */
	}		*list;
	size_t		 n;
	struct stage_need {
		size_t	 who, what;
	}		*need;
	size_t		 needs;
};

/*
 * Those of a Dockerfile, each instruction of which is one that BuildKit takes.
 * EX_DATAERR with "NAME:LINE: ..." if not.
 */
int	stages_read(struct stages *, const struct dockerfile *,
	    const char *name, struct fail *);
int	stages_add(struct stages *, const char *name, size_t len, size_t line,
	    struct fail *);
void	stages_free(struct stages *);

/* The last of that name among the first n, or -1. */
ssize_t	stages_find(const struct stages *, const char *name, size_t n);

/*
 * *stage is the number that the text is, and -1 if it is none.  EX_DATAERR for
 * one that no stage has.
 */
int	stages_number(const struct stages *, const char *text, ssize_t *stage,
	    struct fail *);

/* One needs what another makes. */
int	stages_need(struct stages *, size_t who, size_t what, struct fail *);

/* *line is that of a stage that needs itself in the end; 0: there is none. */
int	stages_circle(struct stages *, size_t *line, struct fail *);

#endif
