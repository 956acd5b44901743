#ifndef TL_REGION_FILES_H
#define TL_REGION_FILES_H

#include <sys/types.h>

#include <stdint.h>

/*
 * Files of a sandbox, reached from outside: below its root folder, whatever
 * links lie in it, with the rights of its user and no others (openat2(2) with
 * RESOLVE_IN_ROOT; setfsuid(2), which holds for the calling thread).
 *
 * The functions return 0 or an errno value:
 *	EBADMSG	no path: empty, or with a NUL
 *	EXDEV	a ".." in it
 *	EISDIR	a folder
 *	EINVAL	not a file: a device, FIFO, socket, or kernel interface
 *	EOPNOTSUPP to be written in memory (tmpfs), where no limit would hold
 */
struct files {
	int	root;		/* the root folder */
	uid_t	uid;		/* as the host has it; not 0 */
	gid_t	gid;
};

/* Is the path fit to be looked up?  0, EBADMSG or EXDEV. */
int	files_check(const char *path);
/* For reading. */
int	files_open(const struct files *, const char *path, int *fd,
	    uint64_t *size);
/* For writing: emptied, or made, with the folders that lead to it. */
int	files_create(const struct files *, const char *path, int *fd);
int	files_remove(const struct files *, const char *path);

#endif
