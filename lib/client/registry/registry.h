#ifndef TL_CLIENT_REGISTRY_H
#define TL_CLIENT_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>

#include "core/fail.h"
#include "core/span.h"

/*
 * The registries that a plan's images come from: those to look up, those that
 * cannot be (a digest has a registry too), and the one of an import.
 */
struct registries {
	char	**host;
	size_t	  n;
	char	**unknown;	/* references whose registry a build says */
	size_t	  unknowns;
	bool	  all;		/* hold every registry */
};

#define REGISTRIES_INIT	{ NULL, 0, NULL, 0, false }

int	registries_of_plan(struct registries *, const struct span *plan,
	    struct fail *);
int	registries_add(struct registries *, const char *host, struct fail *);
void	registries_free(struct registries *);

/*
 * Whether a key of Docker's configuration is one of them: a host, or a URL or
 * path that starts with one.
 */
bool	registries_hold(const struct registries *, const char *key);

/* Whether two keys are of one host; all names of Docker Hub are. */
bool	registries_same(const char *, const char *);

/*
 * The host of an image reference, by Docker's rule: what stands before the
 * first slash if it has a dot, a colon or a capital in it or is "localhost",
 * else docker.io.  Returns its length and *host, or 0 if a variable hides it.
 */
size_t	registry_of(const char *reference, const char **host);

#endif
