#ifndef TL_CORE_QUOTE_H
#define TL_CORE_QUOTE_H

#include <stddef.h>

#include "core/buf.h"
#include "core/fail.h"

/*
 * Append bytes so that they are safe on a terminal and stay on one line, and
 * so that no two inputs look the same: a backslash and what would be masked
 * (core/mask.h) become \ooo, each byte three octal digits.
 */
int	quote_add(struct buf *, const char *, size_t n, struct fail *);

/* What that has written becomes b, as it was; -1 if it is none of that. */
int	quote_undo(struct buf *b, const char *, size_t n);

#endif
