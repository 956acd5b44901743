#ifndef TL_DOCKERFILE_LOWER_H
#define TL_DOCKERFILE_LOWER_H

#include "core/buf.h"
#include "core/fail.h"
#include "dockerfile/dockerfile.h"
#include "dockerfile/gather.h"

/*
 * An older Dockerfile that makes the same image, for a builder that has not
 * heard of what BuildKit's take by now.
 *
 *	Here-documents of RUN become a command in JSON or, with #! in front, a
 *	file that is mounted; those of COPY and ADD become files.
 *	Stages that the last one does not need go, the others come in an order
 *	in which each knows those before it, with names in lower case.
 *	COPY from the context with --parents or --exclude, of names or
 *	set-id bits that an older one loses, and of a pattern that matches
 *	nothing, becomes one from a folder that holds just that.
 *	Words are as with the backslash for an escape; ${name%x} and its like,
 *	and ranges of ports, are put in; CMD and ENTRYPOINT have the SHELL.
 *	VOLUME comes last, as what a RUN writes there would be lost.
 *	ONBUILD goes where its stage is built on; --link and HEALTHCHECK go.
 *
 * What cannot be written so is EX_DATAERR, "NAME:LINE: ...".  A value from the
 * base image's environment is not known; a variable with a default has that.
 *
 * Each line of out has one in lines, unless that is NULL: the number of the line
 * that it was made of.
 *
 * The folders are of g, and the builder has to have them as the build context
 * GATHER_NAME.  Its context and files may be -1, for those who only want to know
 * whether it can be done.
 */
int	lower(const struct dockerfile *, const char *name, struct gather *g,
	    struct buf *out, struct buf *lines, struct fail *);

#endif
