#ifndef TL_REGION_FOLDER_H
#define TL_REGION_FOLDER_H

#include "core/fail.h"
#include "region/serve/keys.h"

/*
 * A sandbox's folder, state/ID: its disk, and owner.json while it counts as
 * running, by which the dataplane knows whose it is.  That becomes ended.json,
 * and stays until its uploads are released, see region/sandbox/release.h.
 */

/* Say whose it is: there before it counts as running. */
int	folder_owner(const char *folder, const char *id, const struct key *,
	    struct fail *);
/* It is over: owner.json is ended.json from here on. */
void	folder_ended(const char *folder);
/* Of a sandbox that ended, remove all but what releasing its uploads needs. */
void	folder_strip(const char *folder);
/* Remove it, with the files and empty folders in it. */
void	folder_remove(const char *folder);

#endif
