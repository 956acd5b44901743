#ifndef TL_REGION_LOOP_H
#define TL_REGION_LOOP_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>

#include "core/fail.h"

/*
 * Loop devices: a file as a disk.  Each is set to clear itself when its last
 * user lets go, so a mount that ends takes its device with it, whoever died.
 */

/* Can a file be a disk here?  0, or why not. */
int	loop_check(struct fail *);

/*
 * Attach a file to a free device.  The device's path into dev (32 bytes will
 * do).  Returns a descriptor that holds the device until it is mounted, or -1.
 */
int	loop_attach(int file, char *dev, size_t size, struct fail *);

/*
 * The device whose file system a file is in, by the file's st_dev, if it is of
 * the file at path: its path into dev (32 bytes will do).
 */
bool	loop_of(dev_t, const char *path, char *dev, size_t size);

/*
 * Whether no device belongs to the file at path, waiting so long for that; after
 * half of it they are told to clear.
 */
bool	loop_free(const char *path, int wait_ms);

/* Clear all devices whose file lies below a folder.  Returns how many. */
int	loop_clear_below(const char *folder);

#endif
