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

/* The files there may be, in the order in which they count. */
enum dockercfg {
	DOCKERCFG_AUTH_FILE,	/* REGISTRY_AUTH_FILE: podman's and buildah's */
	DOCKERCFG_DOCKER,	/* in DOCKER_CONFIG, else ~/.docker */
	DOCKERCFG_RUNTIME,	/* XDG_RUNTIME_DIR/containers/auth.json */
	DOCKERCFGS
};

/* 1: *path is malloc'ed; 0: the variables for it are not set. */
int	dockercfg_path(enum dockercfg, char **path, struct fail *);

/*
 * Load it.  0: there is none; 1: it was read; -1: EX_NOINPUT if it may not be
 * read or is no regular file.
 */
int	dockercfg_load(struct buf *, const char *path, struct fail *);

struct credentials {
	struct entries	*found;
};

#define CREDENTIALS_INIT	{ NULL }

/*
 * Take what a configuration has of those registries, and of hosts that had
 * none before.  A helper of a registry's own counts, then the store, which is
 * asked for each wanted registry, then what stands in the file.  All of the
 * configuration must be right, also what is not wanted: EX_DATAERR, with name
 * in front; an empty one is none.  Each helper has timeout_ms.  notes gets a
 * line for each helper that gave nothing.
 */
int	credentials_add(struct credentials *, const struct buf *config,
	    const char *name, const struct registries *, int timeout_ms,
	    struct buf *notes, struct fail *);

/* {"auths":{...}}, or {} if there are none, compact and sorted. */
int	credentials_write(struct credentials *, struct buf *out,
	    struct fail *);
void	credentials_free(struct credentials *);

#endif
