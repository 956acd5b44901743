#ifndef TL_CLIENT_IMAGE_REGISTER_H
#define TL_CLIENT_IMAGE_REGISTER_H

#include <stdbool.h>
#include <stdint.h>

#include "client/images/image_ask.h"
#include "core/span.h"

/*
 * A snapshot that was made of a sandbox, as the sandbox lifecycle has it
 * (tl-wire(7), "Other template requests").  The strings are the struct's own,
 * NULL where nothing is said; end with image_source_free(), which may be
 * called twice.
 */
struct image_source {
	char		*sandbox;	/* what it is of */
	char		*uri;
	uint64_t	 bytes;		/* of the file */
	uint64_t	 disk_bytes;	/* of the file system in it */
	char		*format;
	char		*kind;
	char		*parent;	/* what it holds differences against */
};

#define IMAGE_SOURCE_INIT	{ .sandbox = NULL }

/*
 * Out of the lifecycle's answer, each member under its snake or else its camel
 * name; null is as good as absent.  One that is not completed is EX_TEMPFAIL
 * if it may be later, else EX_DATAERR; one that tells too little is
 * EX_PROTOCOL.  On failure nothing is held.
 */
int	image_source_read(struct image_source *, const struct span *,
	    struct fail *);
void	image_source_free(struct image_source *);

struct image_registration {
	const char		*name;
	const struct buf	*dockerfile;	/* UTF-8 */
	const char		*snapshot;	/* its id */
	bool			 public;
};

/* What is sent to register it. */
int	image_register_body(const struct image_registration *,
	    const struct image_source *, struct buf *, struct fail *);

/*
 * Look the snapshot up and register it under the name: the server's answer
 * goes onto out as it came.  EX_NOINPUT if there is no such snapshot, which is
 * believed when the list of them bears it out.
 *
 * To register the same once more changes nothing, so a lost answer is asked
 * for again.  Where the image may be registered all the same, the message says
 * so.
 */
int	image_register(const struct image_server *,
	    const struct image_registration *, struct buf *out, struct fail *);

#endif
