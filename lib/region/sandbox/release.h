#ifndef TL_REGION_RELEASE_H
#define TL_REGION_RELEASE_H

#include <stdbool.h>

#include "core/fail.h"

struct host;

/*
 * Multipart uploads that sandboxes have asked for, released when they end.
 *
 * A sign request (tl-wire(7), "Sign request") opens an upload whose id only
 * its answer says; where that is lost on its way nobody can name it.  So each
 * key that a sandbox asks an upload for is in state/ID/uploads, a line a key,
 * before the request goes on to the dataplane.  When the sandbox has ended, a
 * thread asks the dataplane to release whatever is open there, as in
 * region/sign/dataplane.h, and again until it has: after a fifth of a second,
 * then twice as long each time up to five minutes, and whenever another's were
 * released.  Until then state/ID stays, with uploads and ended.json; a new
 * daemon takes it up from there.  Keys that have been waiting for a week, when
 * every presigned URL has expired, are given up.
 *
 * A key that another sandbox has asked for, too, and which has not ended, is
 * left to that one: it may be building the same image.
 */
struct releases;

/* The folder and the dataplane of these; they outlive it. */
struct releases *releases_open(const struct host *, struct fail *);
/* Stop asking; what is left stays for the next daemon. */
void	releases_close(struct releases *);

/*
 * Before a sandbox's request for an upload at this key goes on: 0 when it is
 * on the disk.  Waits for a moment if uploads of this key are just being
 * released, then EX_TEMPFAIL.  EX_DATAERR when the sandbox has asked for too
 * many.
 */
int	release_hold(struct releases *, const char *id, const char *key,
	    struct fail *);
/* The request is over, however it went. */
void	release_signed(struct releases *, const char *id);

/*
 * Nothing of the sandbox runs any more, ended.json stands and no request of
 * its own calls release_hold(): release its uploads.  False if it has asked
 * for none; else its folder, that holds nothing else, goes with them.
 */
bool	release_due(struct releases *, const char *id);
/* The same for a folder that a daemon before us left. */
bool	release_load(struct releases *, const char *id);
/* Wait until they are, or it failed for now, or so long: true if they are. */
bool	release_await(struct releases *, const char *id, int wait_ms);

#endif
