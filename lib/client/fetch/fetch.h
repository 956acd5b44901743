#ifndef TL_CLIENT_FETCH_H
#define TL_CLIENT_FETCH_H

#include "client/images/image_ask.h"
#include "client/stages/sign.h"
#include "core/span.h"

/*
 * The disk of an image, fetched.  The snapshots that it is made of are signed and
 * downloaded into a folder of their own beside the output, and tl-snapshot(1)
 * makes of them what is wanted.  The folder is gone afterwards, whatever comes.
 */
enum fetch_form {
	FETCH_RAW,
	FETCH_SNAPSHOT,		/* the image's own alone, as it is stored */
	FETCH_TAR
};

struct fetch {
	const struct image_server *server;
	enum fetch_form	 form;
	const char	*output;	/* a file; NULL, but for FETCH_RAW: stdout */
	const char	*signer;	/* tl-presign(1)'s configuration, or NULL: */
	const char	*sandbox;	/* then whose proxy signs; NULL: TL_SANDBOX */
	enum sign_dialect dialect;	/* then */
};

/*
 * Fetch the image that the server has described.  0; the status to end with,
 * where a program of ours has said on stderr what is wrong; or -1.  The caller
 * catches signals (core/stop.h) and ignores SIGPIPE.
 */
int	fetch_image(const struct fetch *, const struct span *image,
	    struct fail *);

#endif
