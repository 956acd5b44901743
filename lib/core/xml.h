#ifndef TL_CORE_XML_H
#define TL_CORE_XML_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"
#include "core/fail.h"

/*
 * XML as S3 and its clients write it, read by expat.  A document type is
 * refused, and with it entities of its own; attributes say nothing.
 */
#define XML_DEPTH	16	/* S3's own answers are three deep */

/* Without its prefix; of another namespace than the root's, "URI NAME". */
struct xml_name {
	const char	*at;
	size_t		 len;
};

bool	xml_is(const struct xml_name *, const char *);

/*
 * Tell of each element as it ends: the names of those it stands in, the root
 * first and itself last, depth in all; and its text, entities undone, if it
 * holds no other element.  each() returns 0, or -1 to give up, with *f filled.
 * EX_PROTOCOL says why it is no such text.
 */
int	xml_read(const char *, size_t, int (*each)(void *arg,
	    const struct xml_name *, unsigned depth, const char *text,
	    struct fail *), void *arg, struct fail *);

/* Characters as the text of an element. */
int	xml_add(struct buf *, const char *, struct fail *);

#endif
