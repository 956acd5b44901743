#ifndef TL_CORE_UTF8_H
#define TL_CORE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The character at the start of n bytes.  Returns its length, 1 to 4, or 0 if
 * they do not begin with well-formed UTF-8 (overlong forms and surrogates are
 * not) or if n is 0.
 */
size_t	utf8_rune(const char *, size_t n, uint32_t *rune);

/* The bytes of a character, which is one (at most 0x10ffff); how many. */
size_t	utf8_put(char [4], uint32_t rune);

/* Whether all n bytes are well-formed. */
bool	utf8_valid(const char *, size_t n);

#endif
