#ifndef TL_CORE_CONF_H
#define TL_CORE_CONF_H

#include "core/buf.h"
#include "core/fail.h"

/*
 * A text of "name = value" lines, as programs have for their settings: blanks
 * around the two mean nothing, and neither does an empty line or one that
 * begins with '#', nor a byte order mark before all.  A value is never empty and holds no control byte.
 *
 * The text, which holds no NUL (core/private.h sees to that), is taken apart
 * in its place; set is told each line in turn, with strings that live in it.
 * It returns 0; CONF_UNKNOWN if there is no such name; -1 if the value is not
 * right.  EX_CONFIG names path, line and name, and never a value: it may be a
 * secret.
 */
#define CONF_UNKNOWN	1

int	conf_parse(struct buf *text, const char *path,
	    int (*set)(void *arg, const char *name, const char *value,
	    unsigned line, struct fail *), void *arg, struct fail *);

/*
 * A text of lines of words with blanks between them; a word that begins with
 * '#' begins a comment.  each is told the words of a line that has some, the
 * first CONF_WORDS_MAX of them.  Else as conf_parse().
 */
#define CONF_WORDS_MAX	8

int	conf_words(struct buf *text, const char *path,
	    int (*each)(void *arg, char *word[], unsigned n, struct fail *),
	    void *arg, struct fail *);

#endif
