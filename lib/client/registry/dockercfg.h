#ifndef TL_CLIENT_DOCKERCFG_H
#define TL_CLIENT_DOCKERCFG_H

#include "client/registry/registry.h"
#include "core/buf.h"
#include "core/fail.h"

/*
 * Registry credentials out of Docker's configuration
 * (tl-wire(7), "Registry credentials").
 *
 * They are secrets: no message holds one, and buffers that held one are
 * overwritten.  What a helper or store is asked for is only what is wanted.
 */

/*
 * The file that counts: $DOCKER_CONFIG/config.json, else
 * ~/.docker/config.json; NULL if neither variable is set, or no memory.
 */
char	*dockercfg_path(void);

/*
 * Load it.  0: there is none; 1: it was read; -1: EX_NOINPUT if it may not be
 * read or is no regular file.
 */
int	dockercfg_load(struct buf *, const char *path, struct fail *);

/*
 * {"auths":{...}} with the entries of those registries, or {} if none is
 * left, compact and sorted.  All of the configuration must be right, also
 * what is not wanted: EX_DATAERR.  Each helper has timeout_ms.  notes gets a
 * line for each helper that gave nothing.
 */
int	dockercfg_filter(const struct buf *config, const char *path,
	    const struct registries *, int timeout_ms, struct buf *out,
	    struct buf *notes, struct fail *);

#endif
