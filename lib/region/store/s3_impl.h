#ifndef TL_REGION_S3_IMPL_H
#define TL_REGION_S3_IMPL_H

/*
 * What the files behind s3.h share; for nobody else.  Each stands on those
 * below it only:
 *
 *	s3_ops.c	a request, from its head to its end
 *	s3_put.c	the bytes of an object or a part, coming in
 *	s3_get.c	an object going out
 *	s3_upload.c	multipart uploads: create and complete
 *	s3_list.c	objects, open uploads, parts
 *	s3_parts.c	the list that completes an upload
 *	s3_headers.c	what is kept with an object
 *	s3_when.c	conditions
 *	s3_sum.c	checksums of a body
 *	s3_request.c	who asks, for what, and where it is
 *	s3_allow.c	what a request may carry
 *	s3_answer.c	S3's words and its XML
 *	s3_keys.c	whose keys there are
 */

#include <stdint.h>

#include <nettle/sha1.h>

#include "core/buf.h"
#include "region/sign/sigv4.h"
#include "region/store/s3.h"

#define XML_MAX		(16UL << 20)
#define XML_HEAD	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define XMLNS		"xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""

enum op {
	HEAD_BUCKET,
	MAKE_BUCKET,
	LOCATION,
	LIST_OBJECTS,
	LIST_UPLOADS,
	GET_OBJECT,
	HEAD_OBJECT,
	PUT_OBJECT,
	DELETE_OBJECT,
	CREATE_UPLOAD,
	PUT_PART,
	LIST_PARTS,
	COMPLETE_UPLOAD,
	ABORT_UPLOAD
};

/* The sum that a body must have. */
enum sum_kind {
	SUM_NONE,
	SUM_CRC32,
	SUM_CRC32C,
	SUM_CRC64NVME,
	SUM_SHA1,
	SUM_SHA256
};

struct s3_sum {
	enum sum_kind		 kind;
	uint8_t			 want[SHA256_DIGEST_SIZE];
	uint64_t		 crc;
	struct sha1_ctx		 sha1;
	struct sha256_ctx	 sha256;
};

#define SUM_NAME	32	/* x-amz-checksum-crc64nvme and a NUL */
#define SUM_TEXT	48	/* 32 bytes in base64 and a NUL */

/* One request. */
struct op_state {
	enum op			 op;
	struct sigv4_verdict	 verdict;
	char			 bucket[64];
	struct buf		 key;
	struct buf		 upload;
	struct buf		 headers;	/* to be kept with an object */
	unsigned		 part;
	struct objects_when	 when;
	struct s3_sum		 sum;
	struct objects_writer	 writer;
	bool			 want_md5;
	uint8_t			 md5[MD5_DIGEST_SIZE];
	struct fail		 f;
};

const struct s3_key	*s3_key_find(const struct s3 *, const char *access);

/* Answers: an error in S3's words, or one from below put into them. */
void	s3_refuse(struct serve_request *, unsigned status, const char *code,
	    const char *message);
void	s3_result(struct serve_request *, enum objects_result,
	    const struct fail *);
/* The ETag header, in its quotes. */
void	s3_etag(struct serve_request *, const char *etag);

/* A key in its element; url asks for percent escapes. */
int	s3_xml_key(struct buf *, const char *tag, const char *key, bool url,
	    struct fail *);
/* Send what was written, or an error if rc is -1; the buf is freed. */
void	s3_reply_xml(struct serve_request *, struct buf *, int rc,
	    const struct fail *);

/* Who asks, and for what: 0 with the state's op set, or -1 answered. */
int	s3_request_read(struct serve_request *, struct s3 *,
	    struct op_state *);
/* Answer 501: what S3 has and this has not; -1.  See s3_allow(), too. */
int	s3_unsupported(struct serve_request *);
bool	s3_is_method(const struct serve_request *, const char *);
/* A query parameter onto a buf: 1 there, 0 not, -1 answered. */
int	s3_param(struct serve_request *, const char *name, struct buf *);
/* A number within bounds: 1 there, 0 not, -1 answered. */
int	s3_param_number(struct serve_request *, const char *name,
	    unsigned min, unsigned max, unsigned *);
/* All that it carries is known here, and stands once: 0, or -1 answered. */
int	s3_allow(struct serve_request *, const struct op_state *);
bool	s3_has_param(const struct serve_request *, const char *name);
/* The body against the SHA-256 that was signed: 0, or -1 answered. */
int	s3_payload_check(struct serve_request *, const struct op_state *,
	    const uint8_t digest[SHA256_DIGEST_SIZE]);

/* The headers that are kept with an object: 0, or -1 answered. */
int	s3_headers_keep(struct serve_request *, struct op_state *);
/* What an object's answer says in its head; *type NULL if that is in it. */
void	s3_headers_give(struct serve_request *, const struct object *,
	    bool part, const char **type);

/*
 * The list of a completion: <CompleteMultipartUpload> with a <Part> each,
 * which has a <PartNumber> and an <ETag>, and checksums that are passed over.
 * 0, or -1 if it is not that; the caller frees *parts either way.
 */
int	s3_parts_parse(const char *xml, size_t len, struct objects_part **,
	    size_t *n);

/*
 * Conditions of a read: 0, or 304 or 412 in the place of the object; whether
 * a range is meant for what is there; of a write: into the state, or -1
 * answered.
 */
unsigned s3_when_read(const struct serve_request *, const struct object *);
bool	s3_when_range(const struct serve_request *, const struct object *);
int	s3_when_write(struct serve_request *, struct op_state *);

/* The sum that headers ask for, if any: 0, or -1 answered. */
int	s3_sum_begin(struct serve_request *, struct s3_sum *);
void	s3_sum_add(struct s3_sum *, const char *, size_t);
int	s3_sum_check(struct serve_request *, struct s3_sum *);
/* The header that it came in. */
void	s3_sum_print(const struct s3_sum *, char name[SUM_NAME],
	    char value[SUM_TEXT]);
/* A header that names a sum, if it is there: 0, or -1 answered. */
int	s3_sum_algorithm(struct serve_request *, const char *header);

/* Each operation; all answer. */
void	s3_put_begin(struct serve_request *, struct s3 *, struct op_state *);
void	s3_put_body(struct serve_request *, struct op_state *, const char *,
	    size_t);
void	s3_put_done(struct serve_request *, struct op_state *);
void	s3_get(struct serve_request *, struct s3 *, struct op_state *);
void	s3_upload_create(struct serve_request *, struct s3 *,
	    struct op_state *);
void	s3_upload_complete(struct serve_request *, struct s3 *,
	    struct op_state *);
void	s3_list_objects(struct serve_request *, struct s3 *,
	    struct op_state *);
void	s3_list_uploads(struct serve_request *, struct s3 *,
	    struct op_state *);
void	s3_list_parts(struct serve_request *, struct s3 *,
	    struct op_state *);

#endif
