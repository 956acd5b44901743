#ifndef TL_CLIENT_LIKELY_H
#define TL_CLIENT_LIKELY_H

#include <stddef.h>

#include "client/context/walk.h"

/*
 * What in a context is likely to be a secret: by its name, as .env or id_rsa,
 * or by its name and what it holds, as a token in .git/config.  Nothing is
 * said of other files, whatever they hold.
 *
 * Returns in words what it is, or NULL.  root is the open folder of the walk,
 * path the entry's, without a slash behind it.
 */
const char *likely_secret(const struct walk *, size_t entry, int root,
	    const char *path);

#endif
