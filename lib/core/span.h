#ifndef TL_CORE_SPAN_H
#define TL_CORE_SPAN_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"
#include "core/fail.h"

/*
 * Where a JSON value lies in a text: the bytes themselves, never a tree.
 *
 * span_parse() checks a whole text against RFC 8259, strictly: UTF-8 without
 * overlong forms or surrogates, no lone surrogate escapes, no raw control
 * characters, no byte order mark, nothing after the value, at most SPAN_DEPTH
 * arrays and objects open at once.  Numbers are checked in form and never
 * evaluated, so 1e400 passes.  All other functions take spans of a text that
 * passed it, and are fast because of that.
 *
 * A span owns nothing and lives as long as the text it points into.
 */
struct span {
	const char	*at;	/* first byte of the value, no white space */
	size_t		 len;	/* of the value, in bytes */
};

/*
 * As the published client has it (tl-wire(7), "Bytes and values"): the 128th
 * level is refused.  The root counts, so 126 levels inside a member of the
 * root object pass and 127 do not; a bare value has no level.
 */
#define SPAN_DEPTH	127

/*
 * Check a text and find its value.  Failing is EX_DATAERR with the offset, and
 * never shows the text.
 */
int	span_parse(struct span *, const char *text, size_t len, struct fail *);

/*
 * The same, and members found by their path from the root object on the way:
 * for texts so long that looking once is worth it.  A path does not lead
 * through arrays.
 */
#define SPAN_PATH	2

struct span_pick {
	const char	*path[SPAN_PATH + 1];	/* names, NULL behind the last */
	struct span	 value;		/* of the last one; at is NULL if none */
	size_t		 count;		/* how often it is there */
	size_t		 matched;	/* span_pick()'s own */
};

int	span_pick(struct span *, const char *text, size_t len,
	    struct span_pick *, size_t picks, struct fail *);

/* 1 if it is there, 0 if not, -1 (EX_DATAERR, naming it) if more than once. */
int	span_picked(const struct span_pick *, struct fail *);

static inline char
span_first(const struct span *s)
{
	return s->len == 0 ? '\0' : s->at[0];
}

#define span_is_object(s)	(span_first(s) == '{')
#define span_is_array(s)	(span_first(s) == '[')
#define span_is_string(s)	(span_first(s) == '"')
#define span_is_null(s)		(span_first(s) == 'n')

/*
 * The member of an object, by name.  Names are compared after undoing escapes.
 * 1 and the value's span if it is there; 0 if it is absent or if obj is no
 * object; -1 (EX_DATAERR) if it is there twice: two readers could disagree on
 * which one counts.
 */
int	span_get(const struct span *obj, const char *name, struct span *value,
	    struct fail *);

/*
 * Walk an object or array in order: start with *pos NULL; 1 and the next
 * value (and its name with the quotes, if name is not NULL), 0 at the end.
 */
int	span_next(const struct span *container, const char **pos,
	    struct span *name, struct span *value);

/* How many arrays and objects are open at once in it. */
size_t	span_depth(const struct span *);

/* Append a string's characters, escapes undone, as UTF-8. */
int	span_string(const struct span *, struct buf *, struct fail *);

/* Whether a string value, escapes undone, is this text. */
bool	span_equals(const struct span *, const char *text);

#endif
