#ifndef TL_REGION_BLOB_H
#define TL_REGION_BLOB_H

#include <stdint.h>

#include "core/fail.h"
#include "core/http.h"

/*
 * What the dataplane is asked, see region/sign/dataplane.h, on its socket and
 * in the name of a sandbox.  The request is made anew: of a client's headers
 * none is copied, and whose sandbox it is says the id that is given here.
 *
 * Failing is as http_do().
 */

/* A sign request as it came, and what is answered, whatever it is. */
int	blob_sign(const char *socket, const char *id, const char *json,
	    struct http_reply *, struct fail *);
/* The same of a request for a receipt. */
int	blob_attest(const char *socket, const char *id, const char *json,
	    struct http_reply *, struct fail *);
/*
 * Release the uploads that are open at a key of a sandbox that ended; *n is
 * how many were.  EX_TEMPFAIL also where there is no dataplane.
 */
int	blob_release(const char *socket, const char *id, const char *key,
	    uint64_t *n, struct fail *);

#endif
