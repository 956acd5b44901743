#ifndef TL_REGION_S3_IMPL_H
#define TL_REGION_S3_IMPL_H

/* What the files of region/s3 share; for nobody else. */

#include <stdint.h>

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

/* One request. */
struct op_state {
	enum op			 op;
	struct sigv4_verdict	 verdict;
	char			 bucket[64];
	struct buf		 key;
	struct buf		 upload;
	struct buf		 headers;	/* to be kept with an object */
	unsigned		 part;
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

/* Text, and a key in its element; url asks for percent escapes. */
int	s3_xml_text(struct buf *, const char *, struct fail *);
int	s3_xml_key(struct buf *, const char *tag, const char *key, bool url,
	    struct fail *);
/* Send what was written, or an error if rc is -1; the buf is freed. */
void	s3_reply_xml(struct serve_request *, struct buf *, int rc,
	    const struct fail *);

/* A query parameter: 1 there, 0 not, -1 answered. */
int	s3_param(struct serve_request *, const char *name, struct buf *);
int	s3_param_number(struct serve_request *, const char *name,
	    unsigned min, unsigned max, unsigned *);

/*
 * The list of a completion: <CompleteMultipartUpload> with a <Part> each,
 * which has a <PartNumber> and an <ETag>, and checksums that are passed over.
 * The text has a NUL behind it.  0, or -1 if it is not that; the caller frees
 * *parts either way.
 */
int	s3_parts_parse(const char *xml, size_t len, struct objects_part **,
	    size_t *n);

void	s3_list_objects(struct serve_request *, struct s3 *,
	    struct op_state *);
void	s3_list_uploads(struct serve_request *, struct s3 *,
	    struct op_state *);
void	s3_list_parts(struct serve_request *, struct s3 *,
	    struct op_state *);

#endif
