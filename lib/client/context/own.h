#ifndef TL_CLIENT_OWN_H
#define TL_CLIENT_OWN_H

#include <sys/stat.h>

#include <stddef.h>

/*
 * Files and folders of this toolkit's that hold keys, signed URLs or what a
 * build is at, found where its environment says they are: the build folder
 * (TL_WORK), the files TL_SANDBOX, TL_LEDGER and TL_TOKEN_FILE, the user's
 * folders "tl" of configuration and of state, a local region's state.  A
 * context that lies around them must not carry them into an image.
 */
#define OWN_MAX	11

struct own {
	struct stat	st[OWN_MAX];
	size_t		n;
};

/* Those that are there.  It cannot fail: what cannot be looked at is not. */
void	own_find(struct own *);

/* And one more, if it is there. */
void	own_add(struct own *, const char *path);

#endif
