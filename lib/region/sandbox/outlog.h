#ifndef TL_REGION_OUTLOG_H
#define TL_REGION_OUTLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/fail.h"

/*
 * What a process printed, line by line, both streams in the order in which it
 * arrived.  It lies in an unlinked file, so it costs no memory and replays
 * the same however often.
 *
 * A line ends at LF, one CR before it goes.  Lines are valid UTF-8: each
 * byte that is not becomes U+FFFD.  One longer than OUTLOG_LINE_MAX is split.
 * Of what comes past its limit the log keeps the last OUTLOG_TAIL bytes, since
 * they say how it ended: they follow when the streams have ended, behind a
 * line that says how many are missing.
 *
 * Not locked: one feeds, and who reads may do so up to size, which only grows.
 */
#define OUTLOG_LINE_MAX	(64U << 10)
#define OUTLOG_MAX	(32ULL << 20)
#define OUTLOG_TAIL	(256UL << 10)

enum outlog_stream { OUTLOG_OUT, OUTLOG_ERR };

struct outlog {
	int		 fd;
	uint64_t	 size;		/* whole lines in the file, in bytes */
	uint64_t	 max;
	bool		 full;
	struct buf	 fresh;		/* records to be written */
	struct buf	 tail;		/* once it is full: records, */
	size_t		 from;		/* of which these are left */
	uint64_t	 dropped;	/* lines in neither */
	struct buf	 part[2];	/* a line not yet ended */
};

struct outlog_line {
	enum outlog_stream	 stream;
	int64_t			 time_ms;	/* when it came, since 1970 */
	struct buf		 text;
};

#define OUTLOG_LINE_INIT { OUTLOG_OUT, 0, BUF_INIT(4 * OUTLOG_LINE_MAX) }

/* folder: where the file is made. */
int	outlog_open(struct outlog *, const char *folder, uint64_t max,
	    struct fail *);
void	outlog_close(struct outlog *);

/* Bytes as they came from a stream. */
void	outlog_feed(struct outlog *, enum outlog_stream, const char *, size_t,
	    int64_t time_ms);
/* The streams have ended: what is unfinished is a line too. */
void	outlog_end(struct outlog *, int64_t time_ms);

/*
 * The line at *off, which is moved behind it: 1, or 0 if there is none yet,
 * or -1 if the file cannot be read.  upto: size, as read under a lock.
 */
int	outlog_read(const struct outlog *, uint64_t *off, uint64_t upto,
	    struct outlog_line *, struct fail *);

/* Append bytes as valid UTF-8. */
int	outlog_utf8(struct buf *, const char *, size_t, struct fail *);

#endif
