#ifndef TL_CLIENT_SANDBOX_H
#define TL_CLIENT_SANDBOX_H

#include "client/cloud/cloud.h"
#include "core/http.h"
#include "core/span.h"

/*
 * The builder sandbox: what the sandbox document says of it, and how a request
 * reaches its proxy (tl-wire(7), "Requests to the proxy").
 */
struct sandbox {
	char	*id;
	char	*proxy_url;	/* or NULL: not running yet */
	char	*route_hint;	/* or NULL */
};

#define SANDBOX_INIT	{ NULL, NULL, NULL }

/* Out of a sandbox document (tl-documents(5)); EX_DATAERR if it is none. */
int	sandbox_read(struct sandbox *, const struct span *doc, struct fail *);
/*
 * The same from a file; path NULL: the file that TL_SANDBOX names.  Neither:
 * EX_USAGE with what to give.
 */
int	sandbox_load(struct sandbox *, const char *path, struct fail *);
void	sandbox_free(struct sandbox *);

/*
 * A request to the sandbox's proxy.  call->req is ready but for its body:
 * URL, Host override for a loopback proxy, sandbox id and route hint, scope,
 * token.  path starts with '/', its query included.  extra as in
 * cloud_headers().
 */
struct sandbox_call {
	struct buf		 url;
	char			 host[320];
	char			 id[320];	/* header lines */
	char			 hint[320];
	struct cloud_headers	 head;
	struct http_request	 req;
};

int	sandbox_call(struct sandbox_call *, const struct sandbox *,
	    const struct cloud *, const char *method, const char *path,
	    const char *const *extra, struct fail *);
void	sandbox_call_free(struct sandbox_call *);

/*
 * Whether a server's word may stand in a header line: visible ASCII, 255 bytes
 * at most, none of the bytes in not.  An id goes into a path as well.
 */
#define SANDBOX_ID_NOT	"/?#%\\\"@:"
bool	sandbox_word(const char *, const char *not);
/* An http(s) URL with a host and no user name, or EX_DATAERR naming what. */
int	sandbox_check_url(const char *url, const char *what, struct fail *);

#endif
