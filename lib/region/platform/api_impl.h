#ifndef TL_REGION_API_IMPL_H
#define TL_REGION_API_IMPL_H

#include <nettle/sha2.h>

#include "region/platform/api.h"
#include "region/sign/receipt.h"

/*
 * What the files behind api.h share; for nobody else.  Each stands on those
 * below it only:
 *
 *	api_ops.c	which request is whose
 *	api_prepare.c	a build begins
 *	api_complete.c	and ends
 *	api_attest.c	what a dataplane says of its snapshot
 *	api_template.c	templates, looked up and registered
 *	api_snapshot.c	and what they stand for
 *	api_once.c	what is asked a second time
 *	api_object.c	whether a snapshot is in the store
 *	api_answer.c	answers
 *
 * api_seed.c, templates out of files, is no request's.
 */

/* A prepared answer, with what is signed in it. */
#define API_ANSWER_MAX	(16UL << 20)

/* One request, routed, its caller known. */
struct api_call {
	const struct api_route	*route;
	struct key		 key;
	size_t			 prefix;	/* before what is routed */
	char			 seg[1][256];	/* the path's {} */
};

/* The handlers: each answers. */
void	api_template_list(struct api *, struct serve_request *,
	    struct api_call *);
void	api_template_named(struct api *, struct serve_request *,
	    struct api_call *);
void	api_template_get(struct api *, struct serve_request *,
	    struct api_call *);
void	api_template_delete(struct api *, struct serve_request *,
	    struct api_call *);
void	api_template_register(struct api *, struct serve_request *,
	    struct api_call *);
void	api_snapshot_list(struct api *, struct serve_request *,
	    struct api_call *);
void	api_snapshot_get(struct api *, struct serve_request *,
	    struct api_call *);
void	api_prepare(struct api *, struct serve_request *, struct api_call *);
void	api_complete(struct api *, struct serve_request *, struct api_call *);

/*
 * The request's Idempotency-Key and what it stands for: the operation and the
 * body.  0, or -1 having answered.
 */
#define API_PRINT_SIZE	(2 * SHA256_DIGEST_SIZE + 1)

int	api_once_read(struct serve_request *, const char *operation,
	    struct platform_once *, char print[API_PRINT_SIZE]);
/* Answer as before, if this was asked before: 1 done, 0 it was not. */
int	api_again(struct api *, struct serve_request *,
	    const struct api_call *, const struct platform_once *);

/*
 * Whether the object of a URI is there and so long, and its ETag this one
 * (NULL: any): 0, or -1 having answered.
 */
int	api_object(struct api *, struct serve_request *, const char *bucket,
	    const char *key, uint64_t bytes, const char *etag);

/*
 * What a completion brings as its attestation, at NULL if nothing: 1 and the
 * receipt, if it is to be believed for this build and snapshot; 0, if there is
 * none and need be none; -1 having answered.
 */
int	api_attest(struct api *, struct serve_request *, const struct span *,
	    const struct build *, const struct platform_template *snapshot,
	    struct receipt *);

/* Answer for a failure: what is wrong with the request, or that we are. */
void	api_refuse(struct serve_request *, const struct fail *);

#endif
