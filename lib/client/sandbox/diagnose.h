#ifndef TL_CLIENT_DIAGNOSE_H
#define TL_CLIENT_DIAGNOSE_H

#include <stdbool.h>
#include <stdint.h>

#include "client/sandbox/reach.h"

/*
 * Why a build may have failed, as far as its sandbox, its builder's end and
 * what it said can tell (tl-wire(7), "Diagnosis").  Words count whatever their
 * case.
 */
struct diagnosis {
	bool		memory;		/* there was not enough */
	bool		killed;		/* a builder's child, by nobody knows whom */
	unsigned	full;		/* the fullest disk, in percent */
	bool		no_space;	/* something said so */
};

/* A line of the kernel's log, of df -P, of what the build said. */
void	diagnose_kernel(struct diagnosis *, const char *, size_t n);
void	diagnose_df(struct diagnosis *, const char *, size_t n);
void	diagnose_text(struct diagnosis *, const char *, size_t n);

/* A build's log, as tl-guard(1) writes it, from that byte on. */
int	diagnose_log(struct diagnosis *, const char *path, uint64_t from,
	    struct fail *);
/* What tl-exec --status-file wrote. */
int	diagnose_status(struct diagnosis *, const char *path, struct fail *);

/*
 * Ask the sandbox.  -1: it did not answer to the end; what it did say counts.
 */
int	diagnose_ask(struct diagnosis *, struct reach *, long second_ms,
	    struct fail *);

/* Append what to do about it, a line each; nothing if nothing was found. */
int	diagnose_advice(const struct diagnosis *, struct buf *, struct fail *);

#endif
