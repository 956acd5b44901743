#ifndef TL_REGION_LOOP_H
#define TL_REGION_LOOP_H

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
 * do), its number into *number.  Returns a descriptor that holds the device
 * until it is mounted, or -1.
 */
int	loop_attach(int file, char *dev, size_t size, int *number,
	    struct fail *);

/*
 * Wait until device number no longer belongs to the file at path, telling it
 * to clear after a while: 0, or -1 if something still holds it after wait_ms.
 */
int	loop_gone(int number, const char *path, int wait_ms);

/* Whether no device belongs to the file at path, waiting so long for that. */
bool	loop_free(const char *path, int wait_ms);

/* Clear all devices whose file lies below a folder.  Returns how many. */
int	loop_clear_below(const char *folder);

#endif
