#ifndef TL_REGION_IMAGES_H
#define TL_REGION_IMAGES_H

#include "core/buf.h"
#include "core/fail.h"
#include "region/sandbox/host.h"
#include "region/serve/keys.h"

/*
 * The image that a sandbox is of: one that is registered, unpacked by
 * tl-unpack(1) as whoever asks for the sandbox, so that it is one that they
 * may use.
 */
struct image_root {
	char		*folder;	/* its root, to be shown read-only */
	char		*user;		/* USER, or "" */
	char		*working_dir;	/* WORKDIR, or "" */
	struct buf	 env;		/* ENV: NAME=VALUE, each with a NUL */
};

#define IMAGE_ROOT_INIT	{ .env = BUF_INIT(64UL << 10) }

/* Whether a sandbox asked for with this name is one of an image. */
bool	images_wanted(const struct host *, const char *name);
/*
 * Unpack it, unless that is done; token is the caller's.  EX_UNAVAILABLE if
 * there is none of this name for them.
 */
int	images_get(const struct host *, const char *name, const struct key *,
	    const char *token, struct image_root *, struct fail *);
void	image_root_free(struct image_root *);

#endif
