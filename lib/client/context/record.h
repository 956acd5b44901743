#ifndef TL_CLIENT_RECORD_H
#define TL_CLIENT_RECORD_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "client/context/sum.h"
#include "client/context/tar.h"
#include "core/buf.h"
#include "core/fail.h"

/*
 * The record of a context: what is in it.  Whoever keeps a context keeps this
 * beside it, so that the next one need not be sent whole (tl-context(1), "The
 * record").  It is text: a head, a line for each entry in the order of the
 * archive, an end.
 *
 * A line's sum is UMAC-128 under a random key that is in the head, and that
 * records which stand on one another have in common.  So nobody who has not seen
 * one can make two files that it takes for one.  It is of the kind, the mode,
 * the bytes and where they stand, or what a link leads to; not of the name and
 * the time, which stand beside it.  All names of a file have one sum.
 *
 * The first name of a file may have a stamp (client/context/sum.h): whoever has
 * made the record need not read it while its stamp is the same.  Elsewhere no
 * file has it.
 */
struct record {
	enum tar_type	 type;
	mode_t		 mode;
	int64_t		 mtime;
	uint8_t		 sum[SUM_SIZE];
	bool		 stamped;
	bool		 digested;
	uint8_t		 stamp[STAMP_SIZE];
	uint8_t		 digest[SUM_SIZE];	/* for that of a context */
	const char	*name;		/* a folder's ends in a slash */
	const char	*target;	/* of TAR_SAME, else NULL */
};

struct records {
	uint8_t		 key[SUM_SIZE];
	struct buf	 since;		/* the old one, whole, or nothing */
	const char	*id;		/* its own, in there; or "-" */
	const char	*at;		/* its next line */
	struct buf	 name, target;	/* of the line at hand */
	struct record	 had;
	struct buf	 text;		/* the new one */
};

/* Tens of millions of files, as in client/context/walk.h. */
#define RECORDS_MAX	(4UL << 30)

#define RECORDS_INIT	{ .since = BUF_INIT(RECORDS_MAX), \
	.name = BUF_INIT(64UL << 10), .target = BUF_INIT(64UL << 10), \
	.text = BUF_INIT(RECORDS_MAX) }

/*
 * Begin one, on that in the file since if that is not NULL.  One that is
 * empty, damaged or of another version counts as none; that it cannot be read is
 * EX_NOINPUT, or EX_DATAERR where it is longer than any.
 */
int	records_begin(struct records *, const char *since, struct fail *);

/*
 * What the old one has under a name, or NULL.  Names are asked for in the
 * order of the archive; the answer is good until the next is asked for.
 */
const struct record *records_had(struct records *, const char *name);

/* Whether they say the same, sums and stamps aside. */
bool	record_alike(const struct record *, const struct record *);

int	records_add(struct records *, const struct record *, struct fail *);

/* The new one, whole, to a file. */
int	records_save(struct records *, const char *path, struct fail *);
void	records_free(struct records *);

#endif
