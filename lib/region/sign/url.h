#ifndef TL_REGION_URL_H
#define TL_REGION_URL_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "core/buf.h"
#include "core/fail.h"
#include "region/sign/config.h"
#include "region/sign/sigv4.h"

/*
 * A presigned URL of one object: HEAD, GET, PUT, POST, DELETE.  params may be
 * NULL.
 */
int	sign_url(struct buf *, const struct config *, const char *method,
	    const char *bucket, const char *key,
	    const struct sigv4_param *, size_t nparams, time_t now,
	    uint32_t expires_s, struct fail *);

/* The same of a series of URLs, see sigv4_series(). */
int	sign_url_series(struct sigv4_series *, const struct config *,
	    const char *method, const char *bucket, const char *key,
	    const struct sigv4_param *, size_t nparams, time_t now,
	    uint32_t expires_s, struct fail *);

/*
 * When a URL that is signed now expires: after the configured seconds, or when
 * the credentials do, if that is earlier.  EX_CONFIG when they have.
 */
int	sign_expires(const struct config *, time_t now, uint32_t *expires_s,
	    struct fail *);

#endif
