#ifndef TL_REGION_SANDBOX_H
#define TL_REGION_SANDBOX_H

#include <sys/types.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/fail.h"
#include "region/runtime/cgroup.h"
#include "region/sandbox/cache.h"
#include "region/sandbox/host.h"
#include "region/sandbox/images.h"
#include "region/sandbox/release.h"
#include "region/serve/id.h"
#include "region/serve/keys.h"

/*
 * One sandbox, from its creation to well after its end.
 *
 * A thread of its own makes it, takes in what its processes print, and takes
 * it apart.  Everyone else holds a reference (sandboxes_find(),
 * sandbox_put()) and the lock while looking at what changes.
 */
struct proc;

enum sandbox_status { SANDBOX_PENDING, SANDBOX_RUNNING, SANDBOX_ENDED };

/* What is asked for. */
struct sandbox_spec {
	const char	*ns;
	const char	*image;
	double		 cpus;
	uint64_t	 memory_mb, disk_mb, timeout_s;
	bool		 no_internet;	/* less than others reach */
	struct key	 owner;
	const char	*idempotency;	/* a key, or NULL */
	struct image_root root;		/* folder NULL: the host's */
};

struct sandbox {
	/* These stay as they are. */
	const struct host	*host;
	struct releases		*releases;
	struct sandbox	*next;		/* in the set; under its lock */
	char		 id[ID_MAX + 1];
	char		*ns, *image, *idempotency, *folder;
	struct image_root root;		/* folder NULL: the host's */
	struct key	 owner;
	double		 cpus;
	uint64_t	 memory_mb, disk_mb, timeout_s;
	bool		 no_internet;
	int64_t		 created_ms;	/* since 1970 */
	unsigned	 slot;		/* which range of ids */

	pthread_mutex_t	 lock;
	pthread_cond_t	 changed;	/* status, output, a process's state */
	pthread_t	 thread;
	bool		 threaded;

	/* Under the lock. */
	unsigned	 refs;
	unsigned	 busy;		/* inside sandbox_enter() */
	enum sandbox_status	 status;
	bool		 ending;
	const char	*outcome;	/* "deleted", "timeout", "failed" ... */
	char		 reason[256];
	int64_t		 lease_ms;	/* monotonic: when it was renewed */
	int64_t		 ended_ms;	/* monotonic */
	int		 sock;		/* to its init */
	int		 wake;		/* an eventfd for the thread */
	uint32_t	 tags;
	unsigned	 nprocs;
	uint64_t	 logged;	/* bytes of output kept */
	struct proc	*procs;		/* newest first */

	/* The thread's. */
	pid_t		 runtime, init;
	struct cache	 cache;		/* a builder's */
	bool		 ready;		/* its init has come into it */
	struct cgroup	 cgroup;
};

/*
 * One with a reference, not yet in a set and without its thread.  The spec's
 * root is its own then.
 */
struct sandbox *sandbox_new(const struct host *, struct releases *,
	    struct sandbox_spec *, struct fail *);

void	 sandbox_ref(struct sandbox *);
void	 sandbox_put(struct sandbox *);
/* Ask for its end; outcome is a literal, the first one counts. */
void	 sandbox_end(struct sandbox *, const char *outcome);
void	 sandbox_end_locked(struct sandbox *, const char *outcome);
/* Its thread shall look what there is to do.  Under the lock. */
void	 sandbox_wake(struct sandbox *);
/* Renew its lease, if it runs: the status, ended if it is ending. */
enum sandbox_status sandbox_renew(struct sandbox *);
/* Wait for a change of status away from this one, at most so long. */
enum sandbox_status sandbox_await(struct sandbox *, enum sandbox_status,
	    int wait_ms);
/* Wait until nothing of it is left. */
void	 sandbox_wait_end(struct sandbox *);

/*
 * Around what must not be done for a sandbox that has ended: false if it is
 * not running.  Its end waits for those inside, so stay briefly.
 */
bool	 sandbox_enter(struct sandbox *);
void	 sandbox_leave(struct sandbox *);

#endif
