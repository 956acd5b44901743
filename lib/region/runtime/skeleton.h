#ifndef TL_REGION_SKELETON_H
#define TL_REGION_SKELETON_H

#include <sys/types.h>

#include <stdint.h>

#include "core/fail.h"

/*
 * What of a sandbox's root lies on its disk: folders, links, and an /etc of
 * the host's public files and its own users.  All is made below the working
 * directory, in an empty folder.  Ids on the disk are those of the host: base
 * + the sandbox's.
 */

/* The sandbox user, and its group. */
#define SANDBOX_USER	"sandbox"
#define SANDBOX_UID	1000U

/*
 * name: the sandbox's host name; dns: where it asks for names if the host asks
 * on its loopback interface, or NULL.
 */
int	skeleton_make(uint32_t base, const char *name, const char *dns,
	    struct fail *);

/*
 * What an image's root, the working directory, must have besides: folders to
 * mount on, and texts of /etc that are this machine's.
 */
int	skeleton_image(uint32_t base, const char *name, const char *dns,
	    struct fail *);

/* A folder, of this owner and mode whatever the umask. */
int	skeleton_folder(const char *path, mode_t, uint32_t owner,
	    struct fail *);

#endif
