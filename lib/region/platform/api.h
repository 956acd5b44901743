#ifndef TL_REGION_API_H
#define TL_REGION_API_H

#include <stdbool.h>
#include <stdint.h>

#include "region/platform/platform.h"
#include "region/serve/keys.h"
#include "region/serve/pool.h"
#include "region/serve/serve.h"
#include "region/sign/config.h"

/*
 * platform-api over HTTP: WIRE.md sections 3, 4, 5, 17, 19 and 21, and the way
 * to the sandbox lifecycle.  The list of requests is in tl-platformd(8).
 */
struct api {
	struct platform		*platform;
	struct keys		*keys;
	struct pool		*pool;		/* of HTTP clients */
	const struct config	*reader;	/* to check objects */
	const struct config	*signer;	/* legacy answers; or NULL */
	const char		*lifecycle;	/* its URL, or NULL */
	bool			 legacy;	/* unless wished otherwise */
	bool			 verbose;
	int64_t			 expire_s;	/* of builds never completed */
	struct {
		const char	*image;
		const char	*command;
		double		 cpus;
		uint64_t	 memory_mb;
		uint64_t	 disk_mb;
	} builder;
};

/* For serve_start(), with the api as its argument. */
extern const struct serve_ops api_ops;

/*
 * Register the templates of a folder, a file NAME.json each, as nobody's and
 * in place of all that were.  EX_DATAERR names the file.
 */
int	api_seed(struct api *, const char *dir, struct fail *);

/* One request, routed, its caller known. */
struct api_call {
	const struct api_route	*route;
	struct key		 key;
	size_t			 prefix;	/* before what is routed */
	char			 seg[1][256];	/* the path's {} */
};

/* The handlers that are in a file of their own: prepare and complete. */
void	api_prepare(struct api *, struct serve_request *, struct api_call *);
void	api_complete(struct api *, struct serve_request *, struct api_call *);

/* Answer for a failure: what is wrong with the request, or that we are. */
void	api_refuse(struct serve_request *, const struct fail *);

/*
 * Whether the object of a URI is there and so long: 0, or -1 having answered.
 */
int	api_object(struct api *, struct serve_request *, const char *bucket,
	    const char *key, uint64_t bytes);

#endif
