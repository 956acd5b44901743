#ifndef TL_CLIENT_MASK_H
#define TL_CLIENT_MASK_H

#include <stddef.h>
#include <stdio.h>

/*
 * A line from afar, made fit for a terminal: control characters, which could
 * move its cursor or answer in the user's name, become '?'.  That is the bytes
 * below a space but for the tab, DEL, and U+0080 to U+009F; other UTF-8
 * passes.  0, or -1 with errno.
 */
int	mask_write(FILE *, const char *, size_t);

#endif
