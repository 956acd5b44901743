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
 * platform-api over HTTP: tl-wire(7), "Scope", "Template lookup", "Prepare",
 * "Metadata and complete", "Other template requests" and "Open points", and
 * the way to the sandbox lifecycle.  The list of requests is in
 * tl-platformd(8).
 */
enum api_attest {
	ATTEST_IGNORE,		/* a completion's receipt is not looked at */
	ATTEST_ACCEPT,		/* it is, where there is one */
	ATTEST_REQUIRE,		/* and there must be one */
};

struct api {
	struct platform		*platform;
	struct keys		*keys;
	struct pool		*pool;		/* of HTTP clients */
	const struct config	*reader;	/* to check objects */
	const struct config	*signer;	/* legacy answers; or NULL */
	const char		*lifecycle;	/* its URL, or NULL */
	bool			 legacy;	/* unless wished otherwise */
	int64_t			 expire_s;	/* of builds never completed */
	enum api_attest		 attest;
	const char		*attest_keys;	/* path; whose are believed */
	int64_t			 attest_age_s;	/* older ones are not */
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

#endif
