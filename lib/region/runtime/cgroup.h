#ifndef TL_REGION_CGROUP_H
#define TL_REGION_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "core/fail.h"

/*
 * Limits of memory, processor and number of processes: by cgroup v2 where it
 * has the memory controller, else by v1, else not at all.
 */
#define CGROUP_PATH	256
#define CGROUP_MAX	3		/* v1: memory, cpu, pids */

/*
 * Where the controllers are, "" where they are not.  In v2 all that are there
 * are at one place: a group of ours between the root and the sandboxes'.
 */
struct cgroup_host {
	bool	v2;
	char	memory[CGROUP_PATH], cpu[CGROUP_PATH], pids[CGROUP_PATH];
	char	parent[CGROUP_PATH];	/* v2: that group, or "" */
	char	why[CGROUP_PATH + 180];	/* the first that lacks, or "" */
};

struct cgroup {
	bool	 v2;
	unsigned n;
	char	 path[CGROUP_MAX][CGROUP_PATH + 80];
	char	 memory[CGROUP_PATH + 80];	/* or "" */
};

/* Read a mountinfo (proc(5)) text. */
void	cgroup_find(struct cgroup_host *, const char *mountinfo);
/*
 * The same for this machine; what cannot be used (a container may show all and
 * let nothing be made) counts as not there.  In v2 the parent group is made,
 * which name tells from those of others; the same name finds it again.  An
 * ordinary user's is in the group that we are in, which systemd delegates.
 */
int	cgroup_detect(struct cgroup_host *, const char *name, struct fail *);
/* Remove the parent group, if it is empty. */
void	cgroup_leave(const struct cgroup_host *);

/*
 * A group of its own for a sandbox.  What the machine cannot limit is left
 * out; a group that is there and cannot be set up is a failure.
 */
int	cgroup_make(struct cgroup *, const struct cgroup_host *,
	    const char *name, uint64_t memory_mb, double cpus, struct fail *);
/* The paths alone, of a group that an earlier daemon may have left. */
void	cgroup_name(struct cgroup *, const struct cgroup_host *,
	    const char *name);
/* How often the kernel killed a process of the group for want of memory. */
uint64_t cgroup_ooms(const struct cgroup *);
/* Kill whatever is in it. */
void	cgroup_kill(const struct cgroup *);
/* Remove it; 0, or -1 if processes are in it still after wait_ms. */
int	cgroup_remove(const struct cgroup *, int wait_ms);

#endif
