#ifndef TL_CORE_MASK_H
#define TL_CORE_MASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/*
 * Text from outside, made fit to be shown.  Control characters could move a
 * terminal's cursor, make a second line, or answer in the user's name: bytes
 * below a space, DEL, U+0080 to U+009F.  So could bytes that are no UTF-8,
 * where a terminal takes each for a character.  Each of them becomes '?'; all
 * else passes.
 */

/* The length of what stands first of n > 0 bytes, and whether it passes. */
size_t	mask_next(const char *, size_t n, bool *passes);

/* In place: it only becomes shorter.  Returns it. */
char	*mask_text(char *);

/* All n bytes of what may have tabs and newlines; 0, or -1 with errno. */
int	mask_write(FILE *, const char *, size_t);

#endif
