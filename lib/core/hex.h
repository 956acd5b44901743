#ifndef TL_CORE_HEX_H
#define TL_CORE_HEX_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"
#include "core/fail.h"

/*
 * Hexadecimal digits, and the percent escapes of URLs, which are made of them.
 */

/* The value of a digit of either case, or -1. */
static inline int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* n bytes as 2n digits, lower case, and a NUL. */
void	hex_encode(char *out, const void *in, size_t n);

/*
 * n bytes out of 2n digits of either case.  -1 if one of them is none, a NUL
 * say; out then holds anything.
 */
int	hex_decode(void *out, const char *in, size_t n);

/*
 * Append n bytes, each as %XX but A-Z a-z 0-9 - _ . ~ (RFC 3986 2.3) and those
 * in keep.  The buf is unchanged if this fails.
 */
int	hex_escape(struct buf *, const char *, size_t n, const char *keep,
	    struct fail *);

/*
 * Append n bytes with their escapes undone; plus: '+' is a space, as in forms.
 * A broken escape or a NUL, escaped or not, is EX_DATAERR.  The buf is
 * unchanged if this fails.
 */
int	hex_unescape(struct buf *, const char *, size_t n, bool plus,
	    struct fail *);

#endif
