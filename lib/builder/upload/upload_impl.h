#ifndef TL_BUILDER_UPLOAD_IMPL_H
#define TL_BUILDER_UPLOAD_IMPL_H

/*
 * What the files behind upload.h share; for nobody else.
 *
 *	upload_file.c	the whole, from the block to the result
 *	upload_parts.c	parts on their way, several at once
 *	upload_grow.c	a file that is still being written
 *	upload_end.c	the two requests that are no parts
 *	upload_retry.c	how long to wait, and when not to
 */

#include <stdbool.h>
#include <stdint.h>

#include "builder/upload/block.h"
#include "builder/upload/journal.h"
#include "builder/upload/partsum.h"
#include "builder/upload/upload.h"

#define UPLOAD_ANSWER_MAX	(256UL << 10)	/* XML about one upload */
#define UPLOAD_TICK_MS		200	/* how late a signal is noticed */
#define UPLOAD_GROW_MS		20	/* how late more of the file is */

struct upload_part {
	char		*etag;		/* acknowledged, or claimed */
	unsigned char	 md5[PARTSUM_LEN];
	bool		 claimed;	/* by the journal, not checked yet */
	bool		 done;
};

/* One of the requests that run at once. */
struct transfer {
	struct upload		*up;
	enum { IDLE, WAITING, BUSY } state;
	struct http_request	 req;
	struct http_reply	 reply;
	struct buf		 url;
	const char		*headers[BLOCK_HEADERS_MAX + 2];
	char			 md5[64];	/* the Content-MD5 header */
	size_t			 part;
	uint64_t		 off, len, sent;
	unsigned		 tries;
	int64_t			 after;		/* WAITING: not before, ms */
};

struct upload {
	struct http		*http;
	const struct upload_options *opt;
	const char		*name;
	int			 fd;
	uint64_t		 size;		/* so far, if it grows */
	struct block		 block;
	bool			 growing;	/* it is not whole yet */
	size_t			 nsaid;		/* of the word that says so */
	struct upload_part	*parts;		/* by number, room for all URLs */
	size_t			 next;		/* how many were begun */
	size_t			 asked;		/* how many sums were asked for */
	size_t			 ndone, resumed;
	uint64_t		 bytes;		/* acknowledged */
	struct partsum		*sums;
	struct journal		*journal;
	bool			 foreign;	/* another run's: hands off */
	struct transfer		*transfers;
	struct upload_result	*out;
};

/* -1 with EX_TEMPFAIL once a signal has come. */
int	upload_stopped(const struct upload *, struct fail *);
/* How long to wait before try number tries + 1: doubling, with a jitter. */
int64_t	upload_pause_ms(const struct http_reply *, unsigned tries);
/* Wait, unless a signal comes. */
int	upload_sleep_ms(struct upload *, int64_t ms, struct fail *);

/* See what there is of a file that grows. */
int	upload_grow(struct upload *, struct fail *);
/* Wait for more of it, so long at the most. */
void	upload_grow_wait(const struct upload *, int ms);

/* Start what can be started, wait for something to happen. */
int	upload_step(struct upload *, struct fail *);
/* How far it is, for who wants to know. */
void	upload_tell(struct upload *);

/* All parts are there: make the object of them. */
int	upload_complete(struct upload *, struct fail *);
/* Abort it.  404 means that it is gone already. */
int	upload_abort(struct upload *, struct fail *);

#endif
