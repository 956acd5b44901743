#ifndef TL_REGION_FILTER_H
#define TL_REGION_FILTER_H

#include "core/fail.h"

/*
 * The system calls of a sandbox.  What container engines allow by default is
 * allowed, and of mounts, chroots and namespaces what buildah needs; the rest
 * is refused with EPERM, or, like calls that no machine has, with ENOSYS where
 * programs then do without.
 *
 * It is made once, since that takes 20 ms, and set in each sandbox.
 */

/* The filter, as a descriptor that it can be read from again and again. */
int	filter_make(struct fail *);

/*
 * For this process and all that comes of it, for good.  It wants CAP_SYS_ADMIN
 * and leaves no_new_privs alone, so set-user-ID programs go on working.
 */
int	filter_set(int fd, struct fail *);

#endif
