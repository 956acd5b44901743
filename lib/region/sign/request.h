#ifndef TL_REGION_REQUEST_H
#define TL_REGION_REQUEST_H

#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/fail.h"
#include "region/sign/config.h"

/*
 * A sign request (tl-wire(7), "Sign request", both dialects), held against the
 * rules of the project of the sandbox that sent it.
 *
 * Failing is EX_DATAERR for a malformed request (400) and EX_NOPERM for one
 * that reaches for what is not the caller's (403).
 */
#define SIGN_REQUEST_MAX	(16UL << 10)	/* a path has 1,024 bytes */
#define SIGN_PARTS_MAX		10000		/* S3's, and the dataplane's */
#define SIGN_PART_MIN		(5ULL << 20)	/* S3's bounds of a part */
#define SIGN_PART_MAX		(5ULL << 30)
/*
 * put_artifact without a hint says nothing of the size: as many parts as
 * there may be, of the size every client asks for, hold any image (625 GiB).
 */
#define SIGN_PART_DEFAULT	(64ULL << 20)

enum sign_kind {
	SIGN_MULTIPART_PUT,
	SIGN_SINGLE_PUT,
	SIGN_SINGLE_GET
};

struct sign_request {
	enum sign_kind	 kind;
	char		*bucket;
	char		*key;
	uint32_t	 parts;		/* of a multipart upload */
	uint64_t	 part_bytes;
};

/* Read a request and hold it against the rules. */
int	sign_parse(struct sign_request *, const char *text, size_t len,
	    const char *project, const struct config *, struct fail *);
void	sign_request_free(struct sign_request *);
/*
 * For who passes a request on: the key, onto a buf, that it opens a multipart
 * upload for.  1, 0 if it opens none (whatever is wrong with it), -1.
 */
int	sign_opens(const char *text, size_t len, const char *project,
	    struct buf *key, struct fail *);

/*
 * The same from the server's own wish, for an answer of the legacy path: an
 * upload to rel_path, or a download of uri.
 */
int	sign_upload(struct sign_request *, const char *rel_path,
	    const char *project, uint32_t parts, uint64_t part_bytes,
	    const struct config *, struct fail *);
int	sign_download(struct sign_request *, const char *uri,
	    const struct config *, struct fail *);

#endif
