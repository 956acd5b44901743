#ifndef TL_REGION_SANDBOX_FILE_H
#define TL_REGION_SANDBOX_FILE_H

#include <sys/types.h>

#include <stdint.h>

#include "region/runtime/files.h"
#include "region/sandbox/sandbox.h"

/*
 * A file of a sandbox that a request reads or writes: a process in the sandbox
 * does it, see region/runtime/files.h, and ends with the sandbox.
 *
 * Functions that return an int give 0 or an errno value: those of files.h, or
 *	ECANCELED	the sandbox is ending
 *	ETIMEDOUT	the process was stopped, or its disk does not answer
 *	EIO		it was killed
 */
struct sandbox_file {
	struct sandbox	*sandbox;	/* a reference */
	int		 fd;
	uint32_t	 left;		/* of the piece that is being read */
};

/* For FILES_READ and FILES_WRITE it is to be closed. */
int	sandbox_file_open(struct sandbox_file **, struct sandbox *,
	    enum files_op, const char *path);
/* Some bytes; 0 at the end, -1 if it was cut. */
ssize_t	sandbox_file_read(struct sandbox_file *, char *, size_t);
int	sandbox_file_write(struct sandbox_file *, const char *, size_t);
/* All is written: what became of it. */
int	sandbox_file_end(struct sandbox_file *);
void	sandbox_file_close(struct sandbox_file *);

#endif
