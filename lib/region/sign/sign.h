#ifndef TL_REGION_SIGN_H
#define TL_REGION_SIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "core/buf.h"
#include "core/fail.h"
#include "region/sign/config.h"
#include "region/sign/sigv4.h"

/*
 * The dataplane's core: a sign request (WIRE.md 14, both dialects) and the
 * project of the sandbox that sent it become a signed block.
 *
 * Nothing here touches the network: a multipart upload is opened with
 * region/sign/multipart.h between sign_parse() and sign_begin().
 *
 * Failing is EX_DATAERR for a malformed request (400), EX_NOPERM for one that
 * reaches for what is not the caller's (403), EX_CONFIG when the credentials
 * have ended.
 */
#define SIGN_REQUEST_MAX	(16UL << 10)	/* a path has 1,024 bytes */
#define SIGN_PATH_MAX		1024		/* S3's ceiling of a key */
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
/* The rules of a path to write to: fit to be a key, and the project's own. */
int	sign_own_path(const char *path, const char *project, struct fail *);

/*
 * The same from the server's own wish, for an answer of the legacy path: an
 * upload to rel_path, or a download of uri.
 */
int	sign_upload(struct sign_request *, const char *rel_path,
	    const char *project, uint32_t parts, uint64_t part_bytes,
	    const struct config *, struct fail *);
int	sign_download(struct sign_request *, const char *uri,
	    const struct config *, struct fail *);

/*
 * Write the block, piece by piece: sign_begin(), then sign_next() until it
 * gives 0, then sign_end(), which may be called in any case.  Once begun it
 * cannot fail, and it holds no more than one piece in memory.
 */
struct sign_block {
	struct buf		 piece;
	struct buf		 tail;
	struct sigv4_series	 series;
	uint32_t		 parts;
	uint32_t		 part;
	bool			 ended;
};

/* upload_id only for SIGN_MULTIPART_PUT, else NULL. */
int	sign_begin(struct sign_block *, const struct sign_request *,
	    const struct config *, const char *upload_id, time_t now,
	    struct fail *);
/* The next piece, valid until the next call; its length, 0 at the end. */
size_t	sign_next(struct sign_block *, const char **);
void	sign_end(struct sign_block *);

/* All of it at once, appended to a buf. */
int	sign_block(struct buf *, const struct sign_request *,
	    const struct config *, const char *upload_id, time_t now,
	    struct fail *);

/*
 * A presigned URL of one object, for the server's own use: HEAD, GET, PUT,
 * DELETE.  params may be NULL.
 */
int	sign_url(struct buf *, const struct config *, const char *method,
	    const char *bucket, const char *key,
	    const struct sigv4_param *, size_t nparams, time_t now,
	    uint32_t expires_s, struct fail *);

/*
 * How long a URL signed now lives: the lesser of the configured life and the
 * credentials' own.  EX_CONFIG when they have ended.
 */
int	sign_life(const struct config *, time_t now, uint32_t *expires_s,
	    struct fail *);

/* "s3://BUCKET/KEY" taken apart into new strings. */
int	sign_uri_split(const char *uri, char **bucket, char **key,
	    struct fail *);
/*
 * Whether a path is fit to be a key: no empty, "." or ".." segment (so no '/'
 * at either end), backslash, percent sign or control byte, at most
 * SIGN_PATH_MAX bytes.  That it is UTF-8 was checked where it was read.
 */
int	sign_path_check(const char *, struct fail *);
/* Whether config lets an object be read: own bucket or a read origin. */
bool	sign_readable(const struct config *, const char *bucket,
	    const char *key);

#endif
