#ifndef TL_REGION_HOST_H
#define TL_REGION_HOST_H

#include <stdatomic.h>
#include <stdint.h>

#include "core/fail.h"
#include "region/runtime/cgroup.h"
#include "region/runtime/network.h"
#include "region/serve/serve.h"

struct caches;

/*
 * What all sandboxes of a daemon are given: a folder to be in, programs,
 * cgroups, a log.
 */
struct host_options {
	const char	*state;		/* made if it is not there */
	const char	*tools;		/* or NULL */
	const char	*runtime;	/* the program tl-runtime */
	const char	*dataplane;	/* path of its socket, or NULL */
	struct network	 network;	/* what they reach */
	/* What one project may have at a time; 0: whatever there is. */
	unsigned	 project_sandboxes;
	uint64_t	 project_disk_mb;
	/* For sandboxes of images; images NULL: there are none. */
	const char	*images;	/* a folder, where they are unpacked */
	const char	*api;		/* a file with platform-api's URL */
	const char	*signer;	/* what signs their downloads */
	const char	*unpack;	/* the program tl-unpack */
	const char	*builder_image;	/* means the host's own root */
	const char	*cache;		/* a folder, made; NULL: builders have none */
	uint64_t	 cache_mb;	/* of each */
};

struct host {
	struct host_options	 options;	/* paths are absolute */
	struct cgroup_host	 cgroups;
	int			 filter;	/* region/runtime/filter.h */
	uint32_t		 first, ids;	/* rootless_ids() */
	/* Private. */
	_Atomic(const struct serve *) serve;	/* or NULL: no log yet */
	struct caches		*caches;	/* region/sandbox/cache.h; theirs
						   who opened this */
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
