#ifndef TL_CLIENT_KEPT_H
#define TL_CLIENT_KEPT_H

#include "client/cloud/cloud.h"
#include "core/fail.h"

/*
 * What an image was built of last, kept in a small file: the digest of its
 * inputs (client/stages/inputs.h) and the snapshot that it was registered with.
 *
 * The strings are the struct's own; end with kept_free(), which may be called
 * twice.
 */
struct kept {
	char	*name;
	char	*inputs;
	char	*snapshot;
};

#define KEPT_INIT	{ .name = NULL }

/*
 * Where it is for an image of a server and project: in the folder "images" of
 * the state folder, which is made.  Malloc'ed, or NULL: EX_CONFIG without a
 * state folder, EX_CANTCREAT.
 */
char	*kept_place(const struct cloud *, const char *name, struct fail *);

/*
 * 1; 0 if there is none; -1, EX_DATAERR, if it is damaged, EX_NOINPUT if it
 * cannot be read.
 */
int	kept_load(struct kept *, const char *path, struct fail *);
int	kept_save(const struct kept *, const char *path, struct fail *);
void	kept_free(struct kept *);

#endif
