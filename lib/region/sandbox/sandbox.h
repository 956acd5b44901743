#ifndef TL_REGION_SANDBOX_H
#define TL_REGION_SANDBOX_H

#include <sys/types.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/fail.h"
#include "core/json.h"
#include "region/runtime/cgroup.h"
#include "region/sandbox/outlog.h"
#include "region/serve/id.h"
#include "region/serve/keys.h"

/*
 * One sandbox, from its creation to well after its end.
 *
 * A thread of its own makes it, takes in what its processes print, and takes
 * it apart.  Everyone else holds a reference (sandboxes_find(),
 * sandbox_put()) and the lock while looking at what changes.
 */
struct sandboxes;

enum sandbox_status { SANDBOX_PENDING, SANDBOX_RUNNING, SANDBOX_ENDED };

/* What is asked for. */
struct sandbox_spec {
	const char	*ns;
	const char	*image;
	double		 cpus;
	uint64_t	 memory_mb, disk_mb, timeout_s;
	struct key	 owner;
	const char	*idempotency;	/* a key, or NULL */
};

#define SANDBOX_ID_MAX	ID_MAX

/* A file in the sandbox that a request reads or writes. */
struct sandbox_file {
	struct sandbox	*sandbox;
	struct sandbox_file	*next;
	int		 fd;		/* -1 once taken away */
};

struct sandbox {
	/* These stay as they are. */
	struct sandboxes	*set;
	struct sandbox	*next;		/* in the set; under its lock */
	char		 id[SANDBOX_ID_MAX + 1];
	char		*ns, *image, *idempotency, *folder;
	struct key	 owner;
	double		 cpus;
	uint64_t	 memory_mb, disk_mb, timeout_s;
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
	int64_t		 renewed_ms;	/* monotonic */
	int64_t		 ended_ms;	/* monotonic */
	int		 rootfd;	/* its root folder, O_PATH */
	int		 sock;		/* to its init */
	int		 wake;		/* an eventfd for the thread */
	uint32_t	 tags;
	unsigned	 nprocs;
	uint64_t	 logged;	/* bytes of output kept */
	struct proc	*procs;		/* newest first */
	struct sandbox_file	*files;

	/* The thread's. */
	pid_t		 runtime, init;
	int		 loop;
	struct cgroup	 cgroup;
};

enum proc_state { PROC_STARTING, PROC_RUNNING, PROC_ENDED, PROC_REFUSED };

/* A process started by request.  Under its sandbox's lock, but for the log. */
struct proc {
	struct proc	*next;
	unsigned	 refs;
	enum proc_state	 state;
	uint32_t	 tag;
	pid_t		 pid;		/* as seen in the sandbox */
	char		*what;		/* "command": ..., "args": ... */
	int64_t		 started_ms, ended_ms;
	int		 result;	/* as from waitpid() */
	bool		 killed;	/* by request */
	bool		 oom;
	uint64_t	 ooms;		/* the group's count at the start */
	int		 error;		/* refused: errno, and of what */
	char		 error_of[128];
	int		 fd[2];		/* its output; the thread's */
	struct outlog	 log;
};

struct proc_spec {
	const char	*user;		/* a name in the sandbox's passwd */
	const char	*folder;	/* or "" */
	const struct buf *words;	/* argv, each with a NUL */
	unsigned	 nwords;
	const struct buf *env;		/* NAME=VALUE, each with a NUL */
	const char	*what;		/* JSON members to show */
};

/* Processes ended and forgotten when there are more. */
#define SANDBOX_PROCS_MAX	256U
/* All logs of a sandbox together, in bytes; see OUTLOG_MAX for one. */
#define SANDBOX_LOGS_MAX	(256ULL << 20)

/* The thread: set up by sandboxes_create(), which holds a reference. */
void	*sandbox_live(void *sandbox);

void	 sandbox_ref(struct sandbox *);
void	 sandbox_put(struct sandbox *);
/* Ask for its end; outcome is a literal, the first one counts. */
void	 sandbox_end(struct sandbox *, const char *outcome);
/* Wait for a change of status away from this one, at most so long. */
enum sandbox_status sandbox_await(struct sandbox *, enum sandbox_status,
	    int wait_ms);
/* Wait until nothing of it is left. */
void	 sandbox_wait_end(struct sandbox *);

/*
 * Around each use of its root: false if it is not running.  The end of a
 * sandbox waits for those inside, so stay briefly.
 */
bool	 sandbox_enter(struct sandbox *);
void	 sandbox_leave(struct sandbox *);
/* Hand a descriptor over, so that it is closed when the sandbox ends. */
void	 sandbox_file_add(struct sandbox *, struct sandbox_file *, int fd);
void	 sandbox_file_done(struct sandbox_file *);

/*
 * Start a process: 0 and a reference, or -1 with EX_USAGE where the request
 * is at fault, EX_TEMPFAIL where the sandbox is ending, EX_OSERR.
 */
int	 proc_start(struct sandbox *, const struct proc_spec *, struct proc **,
	    struct fail *);
struct proc *proc_find(struct sandbox *, pid_t);
void	 proc_put(struct sandbox *, struct proc *);
/* A signal for its group; false if it has ended. */
bool	 proc_kill(struct sandbox *, struct proc *, int sig);
/* WIRE.md 9.1's object.  Under the lock. */
void	 proc_describe(const struct proc *, struct jout *);

/* The thread's part: what the sandbox's init says, what processes print. */
void	 proc_started(struct sandbox *, uint32_t tag, pid_t);
void	 proc_refused(struct sandbox *, uint32_t tag, int error,
	    const char *of);
void	 proc_ended(struct sandbox *, pid_t, int result);
/* Read what is there; false if the stream is at its end. */
bool	 proc_read(struct sandbox *, struct proc *, enum outlog_stream);
/* With the sandbox all of them end, and are forgotten. */
void	 proc_end_all(struct sandbox *);

#endif
