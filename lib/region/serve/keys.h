#ifndef TL_REGION_KEYS_H
#define TL_REGION_KEYS_H

#include <stdbool.h>

#include "core/fail.h"
#include "region/serve/id.h"
#include "region/serve/serve.h"

/*
 * Who a bearer token belongs to.  The file, mode 0600, one a line:
 *
 *	key SHA256HEX ID ORG PROJECT
 *	pat SHA256HEX ID ORG PROJECT	(a line for each project it may use)
 *
 * SHA256HEX is of the token, so the file gives no token away; a word that
 * begins with '#' starts a comment.  Ids are those of region/serve/id.h; a
 * project is of one organization.
 */
struct keys;

struct key {
	char	id[ID_MAX + 1];
	char	org[ID_MAX + 1];
	char	project[ID_MAX + 1];
	bool	pat;
};

/* EX_CONFIG names file and line, never a token; statuses of private_load(). */
struct keys *keys_load(const char *path, struct fail *);
void	keys_free(struct keys *);

/*
 * The caller of a request, by its Authorization header and, for a PAT, by
 * X-Forwarded-Organization-Id and X-Forwarded-Project-Id.  0, or -1 after
 * having answered 401 or 403 itself.  Compares in constant time.
 */
int	keys_caller(const struct keys *, struct serve_request *, struct key *);

#endif
