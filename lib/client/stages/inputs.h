#ifndef TL_CLIENT_INPUTS_H
#define TL_CLIENT_INPUTS_H

#include <stdbool.h>
#include <stdint.h>

#include "client/stages/prepare.h"

/*
 * All that makes an image, in a word: two builds of the same inputs make the
 * same, so far as it can be known beforehand.  Not known are what a registry
 * has under a name, what a RUN fetches, and the platform's builder.
 */
struct inputs {
	const struct prepare	*prepare;	/* looked up */
	bool			 import;
	const char		*context;	/* its digest; NULL: none */
	bool			 has_disk;
	uint64_t		 disk_mb;
	bool			 docker_compat;
	bool			 has_epoch;
	int64_t			 epoch;		/* SOURCE_DATE_EPOCH */
};

/*
 * To be raised whenever a spec, or the builder of this toolkit, makes something
 * else of the same inputs.
 */
#define INPUTS_VERSION	2

/*
 * "sha256:" and the SHA-256 of a JSON array: this version, then name, whether
 * public, Dockerfile, whether an import, context, disk size, compatibility, the
 * time that no file is newer than, and of each reference its text and its
 * template's snapshot or null.
 */
#define INPUTS_DIGEST	72

int	inputs_digest(const struct inputs *, char out[INPUTS_DIGEST],
	    struct fail *);

#endif
