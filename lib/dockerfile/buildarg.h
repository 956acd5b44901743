#ifndef TL_DOCKERFILE_BUILDARG_H
#define TL_DOCKERFILE_BUILDARG_H

#include <stdbool.h>
#include <stddef.h>

#include "core/fail.h"

/*
 * The build arguments in front of the first FROM.  Only their defaults are
 * known here: nobody gives values.
 */
struct buildarg {
	char	*name;
	char	*value;
};

struct buildargs {
	struct buildarg	*list;
	size_t		 n;
};

#define BUILDARGS_INIT	{ NULL, 0 }

/* Those that are there from the start: the platform is linux/amd64. */
int	buildargs_platform(struct buildargs *, struct fail *);

int	buildargs_set(struct buildargs *, const char *name, size_t n,
	    const char *value, struct fail *);

/* It is there, and has no value that is known. */
int	buildargs_unset(struct buildargs *, const char *name, size_t n,
	    struct fail *);

/* All of the second, as they are there. */
int	buildargs_copy(struct buildargs *, const struct buildargs *,
	    struct fail *);

/* Whether it is there, with a value or without. */
bool	buildargs_has(const struct buildargs *, const char *name, size_t n);

/* NULL: it has none.  Good until the next is declared. */
const char *buildargs_value(const struct buildargs *, const char *name,
	    size_t n);

void	buildargs_free(struct buildargs *);

#endif
