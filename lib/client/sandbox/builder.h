#ifndef TL_CLIENT_BUILDER_H
#define TL_CLIENT_BUILDER_H

#include "core/fail.h"

/*
 * The builder process in the sandbox (tl-wire(7), "Builder process").
 */
#define BUILDER_DIR	"/var/lib/tensorlake/rootfs-builder/build"
#define BUILDER_CACHE	"/var/cache/tl-rootfs-build"
#define BUILDER_PATH	"/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/*
 * The prepared builder.command, split into words as a POSIX shell splits them
 * (quotes and backslashes, nothing expanded), the program's full path put in,
 * and "--spec ... --metadata-out ..." behind.  *argv is NULL-terminated; end
 * it with builder_free().  An unclosed quote or no word at all: EX_DATAERR.
 */
int	builder_argv(const char *command, char ***argv, struct fail *);
void	builder_free(char **argv);

#endif
