#ifndef TL_REGION_FAULT_H
#define TL_REGION_FAULT_H

#include <stdbool.h>
#include <stddef.h>

#include "core/fail.h"

/*
 * Faults on purpose: which exchange of a server goes wrong how, and when, as
 * tl-fault(7) has it.  A rule is
 *
 *	EXCHANGE:KIND[=MS][@N[-[M]]]
 *
 * and rules stand apart by commas, blanks or lines; "#" starts a comment.
 * EXCHANGE is a name that the server gives its requests, with or without a
 * number behind it ("part", "part7"), or "*".
 */
enum fault_kind {
	FAULT_NONE,
	/* In place of the request's own handling. */
	FAULT_REFUSED,		/* reset, and no connections for ms */
	FAULT_RESET,
	FAULT_STATUS,		/* an answer of this status */
	FAULT_ERROR,		/* an error document, but status 200 */
	FAULT_HTML,		/* a page, status 200 */
	/* After it. */
	FAULT_REFUSED_AFTER,	/* answered, then no connections for ms */
	FAULT_RESET_AFTER,	/* the answer is lost */
	FAULT_NO_ANSWER,	/* for ms, or until the client leaves */
	FAULT_SLOW,		/* the answer comes ms later */
	FAULT_CUT,		/* half of the answer, then the end */
	FAULT_LENGTH,		/* half of it, and said to be all */
};

struct fault {
	enum fault_kind	 kind;
	unsigned	 status;
	unsigned	 ms;
};

/*
 * The rules of a server: those of file, whenever it is there, else those of
 * spec; both may be NULL.  The file is read again when it changes; a count
 * starts afresh then.  A malformed spec or file is EX_CONFIG; a file that is
 * malformed later is reported by faults_pick(), and no fault.
 */
struct faults;

struct faults	*faults_open(const char *spec, const char *file,
		    struct fail *);
void		 faults_free(struct faults *);

/*
 * What befalls this occurrence of the exchange: true and the fault, with a
 * line for the log, of at most size bytes.  "" there is no line; a line and
 * false is the complaint about a file.  Any thread.
 */
bool	faults_pick(struct faults *, const char *name, struct fault *,
	    char *line, size_t size);

/*
 * The body, type and status of an answer in place of the real one; as XML for
 * a store.
 */
struct fault_answer {
	unsigned	 status;
	const char	*type;
	char		 body[256];
};

void	fault_answer(const struct fault *, bool xml, struct fault_answer *);

/* End a connection with a reset, where its kind has one, at once. */
void	fault_reset(int fd);

#endif
