#ifndef TL_DOCKERFILE_GRAMMAR_H
#define TL_DOCKERFILE_GRAMMAR_H

#include "core/fail.h"
#include "dockerfile/dockerfile.h"

/*
 * What BuildKit's parser takes: the instructions there are, their flags, how
 * many words and of which form stand behind them.  EX_DATAERR with "WORD: ..."
 * for what it refuses.  With foreign set, for another parser's Dockerfile, an
 * instruction that is unknown passes, and so does an unknown flag.
 */
int	grammar_check(const struct instruction *, char escape, bool foreign,
	    struct fail *);

/* Whether there is an instruction of that name, in capitals. */
bool	grammar_knows(const char *word);

#endif
