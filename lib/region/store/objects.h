#ifndef TL_REGION_OBJECTS_H
#define TL_REGION_OBJECTS_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <nettle/md5.h>
#include <nettle/sha2.h>

#include "core/buf.h"
#include "core/fail.h"

/*
 * Objects in buckets, and multipart uploads on their way to become some, in a
 * folder.  Used by several threads.
 *
 *	BUCKET/objects/XX/HASH	what an object is: its key and its extents;
 *				HASH is the key's SHA-256, XX its first byte
 *	BUCKET/uploads/ID	the same for an open upload, without extents
 *	BUCKET/data/ID/		files with bytes, MD5-RANDOM-SIZE, and for an
 *				open upload a link NNNNN to the file of each
 *				part
 *
 * No key is ever a file name, so none can leave the folder.  Every file is
 * written aside, synced and renamed; what is renamed last makes the rest
 * count.  Completing an upload copies no bytes: the parts are its extents.
 * What a crash left behind that does not count is removed at the next start.
 *
 * What is damaged costs that object, or that upload, only: it cannot be read,
 * but it can be replaced and deleted.
 *
 * The names of all are in memory, in the order of lists.  Who reads waits for
 * no write to reach the disk.
 */
struct objects;

#define OBJECTS_KEY_MAX		1024
#define OBJECTS_HEADERS_MAX	(8UL << 10)
#define OBJECTS_ID		32	/* of an upload: hex digits */
#define OBJECTS_FILE		64	/* the name of a file with bytes */
#define OBJECTS_ETAG		48	/* "md5-10000" and a NUL; no quotes */
#define OBJECTS_PARTS_MAX	10000
#define OBJECTS_PART_MIN	(5ULL << 20)	/* S3's; not for the last */

enum objects_result {
	OBJECTS_OK,
	OBJECTS_FAILED,		/* the machine's fault: struct fail says */
	OBJECTS_NO_KEY,
	OBJECTS_NO_UPLOAD,
	OBJECTS_INVALID_PART,	/* not there, or another ETag */
	OBJECTS_PART_ORDER,
	OBJECTS_TOO_SMALL,	/* a part that is not the last */
	OBJECTS_PRECONDITION	/* not what struct objects_when asks for */
};

/*
 * Only one process at a time has a root.  part_min is OBJECTS_PART_MIN, or
 * less in tests.  log() is told, a line each, what is damaged.
 */
struct objects *objects_open(const char *root, const char *const *buckets,
	    size_t nbuckets, uint64_t part_min, void (*log)(const char *),
	    struct fail *);
void	objects_close(struct objects *);
bool	objects_bucket(const struct objects *, const char *);

/* Reading.  An open object stays readable after it was replaced or deleted. */
struct extent {
	char		 file[OBJECTS_FILE];
	uint64_t	 start;		/* in the object */
	uint64_t	 size;
};

struct object {
	struct objects	*objects;
	char		 bucket[64];
	char		*key;
	size_t		 key_len;
	char		*headers;	/* "Name: value\n" each, for GET */
	char		 etag[OBJECTS_ETAG];
	char		 data[OBJECTS_ID + 1];
	uint64_t	 size;
	int64_t		 modified_ms;
	struct extent	*extents;
	size_t		 nextents;
	size_t		 at;		/* extent of fd */
	int		 fd;
	bool		 held;
};

enum objects_result	objects_get(struct objects *, const char *bucket,
	    const char *key, struct object *, struct fail *);
/* Whether the files of these bytes are there, and as long as they were. */
int	objects_check(const struct object *, uint64_t off, uint64_t len,
	    struct fail *);
/* Up to n bytes from off on; 0 only at the end, -1 with *f filled. */
ssize_t	objects_read(struct object *, uint64_t off, char *, size_t n,
	    struct fail *);
void	object_close(struct object *);

/*
 * What must hold of the object that a write replaces, or a deletion deletes,
 * at the very moment it does.  NULL is: anything.  Where match is not NULL and
 * there is no object, it is OBJECTS_NO_KEY.
 */
struct objects_when {
	bool		 absent;	/* there is none */
	const char	*match;		/* of these ETags, as If-Match has them */
};

/*
 * Whether an ETag is one of a list as If-Match and its kin have them
 * (RFC 9110 8.8.3, 13.1).  Weak ones count only weakly.
 */
bool	objects_etag_in(const char *list, const char *etag, bool weakly);

/* Gone afterwards, whether it was there or not. */
enum objects_result	objects_delete(struct objects *, const char *bucket,
	    const char *key, const struct objects_when *, struct fail *);

/* Writing an object or, with an upload's id, a part. */
struct objects_writer {
	struct objects		*objects;
	char			 bucket[64];
	char			 id[OBJECTS_ID + 1];
	char			 file[OBJECTS_FILE];
	bool			 part;
	int			 fd;	/* -1: not begun, or ended */
	uint64_t		 size;
	struct md5_ctx		 md5;
	struct sha256_ctx	 sha256;
	bool			 want_sha256;	/* set before the first byte */
	uint8_t			 md5_digest[MD5_DIGEST_SIZE];
	uint8_t			 sha256_digest[SHA256_DIGEST_SIZE];
};

enum objects_result	objects_write(struct objects_writer *,
	    struct objects *, const char *bucket, const char *key,
	    const char *upload_id, struct fail *);
int	objects_writer_add(struct objects_writer *, const char *, size_t,
	    struct fail *);
/* All bytes are there: the digests, to be looked at before a commit. */
void	objects_writer_digest(struct objects_writer *);
enum objects_result	objects_commit(struct objects_writer *,
	    const char *key, const char *headers, const struct objects_when *,
	    char etag[OBJECTS_ETAG], struct fail *);
enum objects_result	objects_commit_part(struct objects_writer *,
	    const char *key, unsigned number, char etag[OBJECTS_ETAG],
	    struct fail *);
/* Forget what was written; may follow a commit. */
void	objects_cancel(struct objects_writer *);

/* Multipart uploads. */
struct objects_part {
	unsigned	 number;
	char		 etag[OBJECTS_ETAG];
	uint64_t	 size;
	int64_t		 modified_ms;
};

enum objects_result	objects_upload_create(struct objects *,
	    const char *bucket, const char *key, const char *headers,
	    char id[OBJECTS_ID + 1], struct fail *);
/* In order of their numbers; the caller frees *parts. */
enum objects_result	objects_upload_parts(struct objects *,
	    const char *bucket, const char *key, const char *id,
	    struct objects_part **parts, size_t *n, struct fail *);
/*
 * Only number and etag of each part are read.  Repeating a completion that
 * went through is OBJECTS_OK, too: its answer may have been lost.
 */
enum objects_result	objects_upload_complete(struct objects *,
	    const char *bucket, const char *key, const char *id,
	    const struct objects_part *, size_t n, const struct objects_when *,
	    char etag[OBJECTS_ETAG], struct fail *);
enum objects_result	objects_upload_abort(struct objects *,
	    const char *bucket, const char *key, const char *id,
	    struct fail *);

/*
 * Objects, or with uploads the open uploads, sorted by key (and id).  Those
 * whose key has the delimiter behind the prefix are grouped: one entry, whose
 * key ends with the delimiter.
 */
struct objects_entry {
	char		*key;
	bool		 group;
	char		 etag[OBJECTS_ETAG];
	char		 id[OBJECTS_ID + 1];
	uint64_t	 size;
	int64_t		 modified_ms;
};

struct objects_query {		/* "" where there is none */
	const char	*prefix, *delimiter;
	const char	*after, *after_id;	/* begin behind them */
	size_t		 max;
};

/* Up to max; more says that there are others behind them. */
int	objects_list(struct objects *, const char *bucket, bool uploads,
	    const struct objects_query *, struct objects_entry **, size_t *n,
	    bool *more, struct fail *);
void	objects_list_free(struct objects_entry *, size_t n);

#endif
