#ifndef TL_REGION_FILES_H
#define TL_REGION_FILES_H

#include <stddef.h>

/*
 * A file of a sandbox is read, written or removed by a process in it, which
 * has the sandbox user's identity: what it may do, and what a path means, the
 * kernel decides.  The daemon outside opens nothing; it is at the other end of
 * a stream socket:
 *
 *	FILES_READ	a status; then pieces, each a uint32_t and so many
 *			bytes; one of 0 is the end.  Without it, it was cut
 *	FILES_WRITE	a status; then the daemon sends the bytes, shuts its
 *			end for writing, and is sent a second status.  That may
 *			come before, and ends it
 *	FILES_REMOVE	a status
 *
 * A status is an int32_t, 0 or an errno value:
 *	EBADMSG	no path
 *	EXDEV	a ".." in it
 *	EISDIR	a folder
 *	EINVAL	not a file: a device, FIFO, socket, or kernel interface
 */
enum files_op { FILES_READ = 1, FILES_WRITE, FILES_REMOVE };

#define FILES_PIECE	65536U

/* Is the path fit to be looked up?  0, EBADMSG, EXDEV or ENAMETOOLONG. */
int	files_check(const char *path);

/* The process's part: from here on it is of use for nothing else. */
void	files_serve(int sock, enum files_op, const char *path);

/* All n bytes to, or from, a socket: 0, or -1 if they did not pass. */
int	files_send(int sock, const void *, size_t n);
int	files_take(int sock, void *, size_t n);

#endif
