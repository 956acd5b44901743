#ifndef TL_REGION_ROOTLESS_H
#define TL_REGION_ROOTLESS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/fail.h"

/*
 * A region of an ordinary user.  Its sandboxes are made by root of a user
 * namespace that belongs to the user: 0 in it is the user, 1 and up are the
 * user's subordinate ids (subuid(5)).  In it mounts, network namespaces and
 * further user namespaces can be made; disks, devices and other users' files
 * stay what they are.
 */

/*
 * Make that namespace for this process, which has one thread, and become its
 * root.  Programs that it runs are in it, too.  EX_NOPERM: why there is none,
 * and what helps.
 */
int	rootless_enter(struct fail *);

/* Is this process root of such a namespace, not of the machine? */
bool	rootless(void);

/*
 * The ids that sandboxes may have here: n times space_ids() from *first on.
 * An ordinary user's sandboxes share theirs.
 */
int	rootless_ids(uint32_t *first, uint32_t *n, struct fail *);

/*
 * The same of a text as uid_map and gid_map have it (user_namespaces(7)): n is
 * how many times 65,536 ids there are from first on, 0 if there are not.
 */
uint32_t rootless_ids_in(const char *map, uint32_t first);

#endif
