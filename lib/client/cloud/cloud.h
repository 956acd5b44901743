#ifndef TL_CLIENT_CLOUD_H
#define TL_CLIENT_CLOUD_H

#include <stdbool.h>

#include "client/cloud/settings.h"
#include "core/buf.h"
#include "core/fail.h"
#include "core/http.h"

/*
 * Where requests go and as whom: the addresses, credentials and scope of
 * tl-wire(7), "Base addresses", "Configuration" and "Scope", as the settings
 * have them.
 */
struct cloud {
	char	*api;		/* A: platform-api, as given */
	char	*lifecycle;	/* B: derived from it */
	bool	 lifecycle_ns;	/* B's paths carry /v1/namespaces/{ns} */
	char	*ns;		/* lifecycle namespace, "default" */
	char	*token;		/* key or PAT */
	bool	 pat;
	bool	 own_file;	/* the token is one of the user's file */
	char	*org, *project;	/* NULL if not configured */
};

#define CLOUD_INIT	{ .api = NULL }

/*
 * No credential, a PAT without both ids, an API host for which the lifecycle
 * host is unknown, or a credential and an address that do not belong together:
 * EX_CONFIG, with what to set.
 *
 * A credential is sent to an address out of the same place (option,
 * environment, user's file), to the default one, or to one on the command
 * line; one on the command line goes anywhere.
 */
int	cloud_load(struct cloud *, const struct settings *, struct fail *);
/* Which credential that is, and where from; SETTINGS if there is none. */
enum setting	cloud_credential(const struct settings *,
		    enum settings_place *);
/* The addresses alone, for whoever sends nothing; org and project if known. */
int	cloud_places(struct cloud *, const struct settings *, struct fail *);
void	cloud_free(struct cloud *);
/* cloud_load(), and a client for its requests (settings_http()), or NULL. */
struct http *cloud_http(struct cloud *, const struct settings *, bool verbose,
	    struct fail *);

/* A's URL: api + "/platform/v1/" or the long scoped prefix, + rest. */
int	cloud_platform_url(const struct cloud *, struct buf *, const char *rest,
	    struct fail *);
/* B's URL: .../sandboxes + rest ("" or "/{id}"). */
int	cloud_lifecycle_url(const struct cloud *, struct buf *,
	    const char *rest, struct fail *);
/* Its .../snapshots, or with an id one of them, escaped. */
int	cloud_snapshot_url(const struct cloud *, struct buf *, const char *id,
	    struct fail *);

/*
 * The headers of every request (tl-wire(7), "Every request"): User-Agent, a
 * fresh traceparent and, with a PAT, the scope.  extra (NULL-terminated, or
 * NULL) is appended.  The strings live in head; use head->list in an
 * http_request.
 */
#define CLOUD_HEADERS	16
struct cloud_headers {
	const char	*list[CLOUD_HEADERS + 1];
	char		 trace[96];
	char		*org, *project;
};
int	cloud_headers(const struct cloud *, struct cloud_headers *,
	    const char *const *extra, struct fail *);
void	cloud_headers_free(struct cloud_headers *);

#endif
