#ifndef TL_REGION_SPACE_H
#define TL_REGION_SPACE_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "core/fail.h"

/*
 * The namespaces that are made from outside: of users, which maps base.. to
 * 0..space_ids(), and of a network, which belongs to it.
 */
struct space {
	int	user, net;	/* descriptors; net: -1 if not wanted */
	pid_t	holder;		/* a process in both, until it is let go */
};
#define SPACE_INIT	{ -1, -1, -1 }
/*
 * How many ids: what an ordinary user has, as a rule, besides the own one.
 */
#define SPACE_IDS	65536U
/*
 * Root's sandboxes have more, since images have files of 100000 and the like,
 * too: the upper end of the range that systemd and others leave to containers
 * (524288 to 0x6fffffff), for so many sandboxes.
 */
#define SPACE_WIDE_IDS	262144U
#define SPACE_WIDE_BASE	0x30000000U
#define SPACE_SLOTS	4096U
/* A fork bomb ends at so many processes; buildah and its Go threads do not. */
#define SPACE_PROCESSES	8192

uint32_t space_ids(uint32_t base);

/* Be these, and of no other group: 0, or -1 with errno. */
int	space_become(uid_t, gid_t);

int	space_make(struct space *, uint32_t base, bool net, struct fail *);
void	space_let_go(struct space *);

#endif
