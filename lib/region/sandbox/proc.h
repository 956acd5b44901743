#ifndef TL_REGION_PROC_H
#define TL_REGION_PROC_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/fail.h"
#include "core/json.h"
#include "region/sandbox/outlog.h"
#include "region/sandbox/sandbox.h"
#include "region/sandbox/screen.h"

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
	int		 in;		/* to write its input to, or -1 */
	struct outlog	 log;
	/*
	 * What its terminal shows, or NULL: it has none.  Then fd[0] is the
	 * way to it and back, in packets (region/runtime/terminal.h), there is
	 * no log, and it is no process of tl-wire(7), "Processes".
	 */
	struct screen	*screen;
};

struct proc_spec {
	const char	*user;		/* a name in the sandbox's passwd */
	const char	*folder;	/* or "" */
	const struct buf *words;	/* argv, each with a NUL */
	unsigned	 nwords;
	const struct buf *env;		/* NAME=VALUE, each with a NUL */
	const char	*what;		/* JSON members to show */
	bool		 input;		/* it has some, see proc_write() */
	struct screen	*screen;	/* a terminal; taken over */
};

/* Processes ended and forgotten when there are more. */
#define SANDBOX_PROCS_MAX	256U
/* All logs of a sandbox together, in bytes; see OUTLOG_MAX for one. */
#define SANDBOX_LOGS_MAX	(256ULL << 20)

/*
 * Start a process: 0 and a reference, or -1 with EX_USAGE where the request
 * is at fault, EX_TEMPFAIL where the sandbox is ending, EX_OSERR.
 */
int	 proc_start(struct sandbox *, const struct proc_spec *, struct proc **,
	    struct fail *);
/*
 * The newest that has been started and fits, with a reference, or NULL; a
 * number may have come round.
 */
struct proc *proc_seek(struct sandbox *,
	    bool (*fits)(const struct proc *, const void *), const void *);
/* One without a terminal. */
struct proc *proc_find(struct sandbox *, pid_t);
/*
 * Room for one more among max, of all or of those with a terminal: the oldest
 * that has ended goes, but no terminal that somebody looks at when room is
 * wanted for those.  False if there is none.  Under the lock.
 */
bool	 proc_room(struct sandbox *, bool terminals, unsigned max);
void	 proc_ref(struct sandbox *, struct proc *);
void	 proc_put(struct sandbox *, struct proc *);
/* A signal for its group; false if it has ended. */
bool	 proc_kill(struct sandbox *, struct proc *, int sig);
bool	 proc_kill_locked(struct sandbox *, struct proc *, int sig);
/* Forget it; who has a reference keeps it.  Under the lock. */
void	 proc_forget(struct sandbox *, struct proc *);
/*
 * To its stdin, however long that takes: 0; 1 if it does not read any more, or
 * has none.
 */
int	 proc_write(struct sandbox *, struct proc *, const char *, size_t);
/* The end of its stdin. */
void	 proc_write_end(struct sandbox *, struct proc *);
/* The object of tl-wire(7), "Starting a process".  Under the lock. */
void	 proc_describe(const struct proc *, struct jout *);

/* The thread's part: what the sandbox's init says, what processes print. */
void	 proc_started(struct sandbox *, uint32_t tag, pid_t);
void	 proc_refused(struct sandbox *, uint32_t tag, int error,
	    const char *of);
void	 proc_ended(struct sandbox *, pid_t, int result);
/* Read what is there; false if the stream is at its end. */
bool	 proc_read(struct sandbox *, struct proc *, enum outlog_stream);
/* Read no more of it.  Under the lock. */
void	 proc_shut(struct proc *, enum outlog_stream);
/* With the sandbox all of them end, and are forgotten. */
void	 proc_end_all(struct sandbox *);

#endif
