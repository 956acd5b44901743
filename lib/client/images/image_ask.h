#ifndef TL_CLIENT_IMAGE_ASK_H
#define TL_CLIENT_IMAGE_ASK_H

#include "client/cloud/cloud.h"
#include "client/cloud/retry.h"
#include "core/http.h"
#include "core/span.h"

/*
 * What is asked of platform-api about the images (templates) that are there:
 * tl-wire(7), "Template lookup" and "Other template requests".
 */
struct image_server {
	struct http		*http;
	const struct cloud	*cloud;
	void			(*note)(const char *);	/* or NULL */
};

/*
 * Append the URL of sandbox-templates, with behind it and a word escaped
 * behind that; word may be NULL.  A word that cannot stand in a path is
 * EX_USAGE.
 */
int	image_url(const struct image_server *, struct buf *,
	    const char *behind, const char *word, struct fail *);

/*
 * Ask, with a JSON body or NULL, and ask again where that helps
 * (client/cloud/retry.h); all of these requests may be made twice.  An answer
 * came when it is 0, whatever its status; one that says 2xx and is none is
 * EX_PROTOCOL.  maybe may be NULL, or is set if one of the attempts may have
 * done what was asked for.
 */
int	image_ask(const struct image_server *, const char *method,
	    const char *url, const char *json, struct http_reply *,
	    bool *maybe, struct fail *);

/* The JSON object that an answer must be; EX_PROTOCOL. */
int	image_answer(const struct http_reply *, struct span *, struct fail *);

#endif
