#ifndef TL_REGION_CELLMSG_H
#define TL_REGION_CELLMSG_H

#include <stdint.h>

/*
 * What tl-sandboxd and tl-cell say to each other, over a SOCK_SEQPACKET pair:
 * one message a packet, this head and then text.  Both come from one build on
 * one machine, so the head is a plain struct.  The daemon trusts nothing in a
 * message further than it may hurt the sandbox that sent it.
 */
enum cell_kind {
	/* To the cell. */
	CELL_START = 1,	/* tag; value: words of argv; text: see below;
			 * two descriptors: the write ends of its output */
	CELL_KILL,	/* pid, value: a signal for its process group */
	/* From the cell. */
	CELL_BORN,	/* pid: of its init, as the daemon sees it */
	CELL_READY,	/* value: the number of its loop device */
	CELL_FAILED,	/* text: why it cannot be made */
	CELL_STARTED,	/* tag, pid */
	CELL_REFUSED,	/* tag, value: errno, text: of what */
	CELL_ENDED	/* pid, value: as from waitpid() */
};

struct cell_head {
	uint32_t	kind;
	uint32_t	tag;
	int32_t		pid;
	int32_t		value;
};

/*
 * CELL_START's text: NUL-terminated strings, in a row: the user, the working
 * folder ("": the user's home), value words of argv, then the environment.
 */
#define CELL_TEXT_MAX	(128U << 10)	/* a packet must fit a socket buffer */
#define CELL_FD		3		/* where tl-cell finds its socket */

#endif
