#ifndef TL_REGION_HOST_H
#define TL_REGION_HOST_H

#include <stdatomic.h>

#include "core/fail.h"
#include "region/runtime/cgroup.h"
#include "region/serve/serve.h"

/*
 * What all sandboxes of a daemon are given: a folder to be in, programs,
 * cgroups, a log.
 */
struct host_options {
	const char	*state;		/* made if it is not there */
	const char	*tools;		/* or NULL */
	const char	*runtime;	/* the program tl-runtime */
	const char	*dataplane;	/* path of its socket, or NULL */
};

struct host {
	struct host_options	 options;	/* paths are absolute */
	struct cgroup_host	 cgroups;
	/* Private. */
	_Atomic(const struct serve *) serve;	/* or NULL: no log yet */
	int			 lock_fd;
};

/* Take the folder, alone: EX_UNAVAILABLE if another daemon has it. */
int	host_open(struct host *, const struct host_options *, struct fail *);
void	host_close(struct host *);

/* Once there is a server its log is ours, until NULL. */
void	host_serve(struct host *, const struct serve *);
void	host_log(const struct host *, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));

#endif
