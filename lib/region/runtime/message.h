#ifndef TL_REGION_MESSAGE_H
#define TL_REGION_MESSAGE_H

#include <stdint.h>

/*
 * What tl-sandboxd and tl-runtime say to each other, over a SOCK_SEQPACKET
 * pair: one message a packet, this head and then text.  Both come from one
 * build on one machine, so the head is a plain struct.  The daemon trusts
 * nothing in a message further than it may hurt the sandbox that sent it.
 */
enum message_kind {
	/* To the runtime. */
	MESSAGE_START = 1,	/* tag; value: words of argv; text: see below;
			 * two descriptors: the write ends of its output,
			 * and a third, if it has input: to read it from */
	MESSAGE_TERMINAL, /* the same on a terminal; pid: its rows and columns,
			 * 16 bits each; one descriptor: see
			 * region/runtime/terminal.h */
	MESSAGE_KILL,	/* pid, value: a signal for its process group */
	MESSAGE_FILE,	/* value: an enum files_op; text: a path with a NUL;
			 * a descriptor: see region/runtime/files.h */
	/* From the runtime. */
	MESSAGE_BORN,	/* pid: of its init, as the daemon sees it */
	MESSAGE_READY,
	MESSAGE_FAILED,	/* text: why it cannot be made */
	MESSAGE_STARTED,	/* tag, pid */
	MESSAGE_REFUSED,	/* tag, value: errno, text: of what */
	MESSAGE_ENDED	/* pid, value: as from waitpid() */
};

struct message_head {
	uint32_t	kind;
	uint32_t	tag;
	int32_t		pid;
	int32_t		value;
};

/*
 * MESSAGE_START's text: NUL-terminated strings, in a row: the user, the
 * working folder ("": the user's home), value words of argv, then the
 * environment.
 */
#define MESSAGE_TEXT_MAX (128U << 10)	/* a packet must fit a socket buffer */
#define MESSAGE_FD	3	/* where tl-runtime finds its socket, */
#define FILTER_FD	4	/* and the filter of region/runtime/filter.h */

#endif
