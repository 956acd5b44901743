#ifndef TL_REGION_UPLOADS_H
#define TL_REGION_UPLOADS_H

#include <time.h>

#include "core/fail.h"

/*
 * The keys that a sandbox has asked multipart uploads for: the file uploads in
 * its folder, a line a key.
 */
#define UPLOADS_MAX	256U	/* a build asks for one; these are a mistake */

/* One more: 0 when it is on the disk, else it is not there at all. */
int	uploads_add(const char *folder, const char *key, struct fail *);
/* New strings; *n is 0 where there is no file, or nothing in it. */
int	uploads_read(const char *folder, char *keys[UPLOADS_MAX],
	    unsigned *n, struct fail *);
/* For how long nothing was added. */
time_t	uploads_age_s(const char *folder);

#endif
