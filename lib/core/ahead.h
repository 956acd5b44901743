#ifndef TL_CORE_AHEAD_H
#define TL_CORE_AHEAD_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

/*
 * Small files are read one after the other.  Where reading one has waited for a
 * disk, the kernel is told of the next ones, and reads these side by side.  Of a
 * large file it reads ahead by itself.
 */

/* Whether what began then, by clock_ns(), has waited. */
bool	ahead_waited(int64_t began);

/*
 * Tell of the file at a path below the open folder, if it is a regular one of no
 * more than most bytes.  What goes wrong does when it is read, too.
 */
void	ahead_tell(int folder, const char *path, off_t most);

#endif
