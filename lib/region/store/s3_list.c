#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/hex.h"
#include "core/utf8.h"
#include "region/store/s3_impl.h"

#define LIST_MAX	1000	/* S3's own, of entries in one answer */

static void
iso_time(char out[32], int64_t ms)
{
	time_t t = (time_t)(ms / 1000);
	struct tm tm;
	size_t n;

	gmtime_r(&t, &tm);
	n = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + n, 32 - n, ".%03dZ", (int)(ms % 1000));
}

struct listing {
	struct buf		 prefix, delimiter, after, token, marker;
	struct buf		 id_marker, encoding, type;
	unsigned		 max;
	bool			 url;
	bool			 from;		/* a token */
	struct objects_entry	*e;
	size_t			 n;
	bool			 more;
};

static void
listing_free(struct listing *l)
{
	buf_free(&l->prefix);
	buf_free(&l->delimiter);
	buf_free(&l->after);
	buf_free(&l->token);
	buf_free(&l->marker);
	buf_free(&l->id_marker);
	buf_free(&l->encoding);
	buf_free(&l->type);
	objects_list_free(l->e, l->n);
}

/*
 * A continuation token is the key that a list ended with, in hex: an element's
 * text has not all characters that a key may have, and not all as they are.
 */
static int
token_read(struct buf *token, struct fail *f)
{
	struct buf key = BUF_INIT(OBJECTS_KEY_MAX);
	size_t n = token->len / 2;

	if (n == 0 || token->len % 2 != 0 || buf_room(&key, n, f) == -1 ||
	    hex_decode(key.data, token->data, n) == -1) {
		buf_free(&key);
		return -1;
	}
	key.len = n;
	key.data[n] = '\0';
	buf_free(token);
	*token = key;
	return strlen(key.data) == n ? 0 : -1;
}

static int
invalid(struct serve_request *r, const char *message)
{
	s3_refuse(r, 400, "InvalidArgument", message);
	return -1;
}

/* Empty rather than NULL where a parameter is absent. */
static int
listing_read(struct serve_request *r, struct listing *l, const char *max)
{
	struct {
		const char	*name;
		struct buf	*b;
	} want[] = {
		{ "prefix", &l->prefix },
		{ "delimiter", &l->delimiter },
		{ "start-after", &l->after },
		{ "key-marker", &l->marker },
		{ "upload-id-marker", &l->id_marker },
		{ "encoding-type", &l->encoding },
		{ "list-type", &l->type },
		{ "continuation-token", &l->token },
	};
	struct fail f;
	int there = 0;
	size_t i;

	memset(l, 0, sizeof(*l));
	l->max = LIST_MAX;
	for (i = 0; i < sizeof(want) / sizeof(*want); i++) {
		want[i].b->max = 64UL << 10;
		if (buf_adds(want[i].b, "", &f) == -1) {
			s3_result(r, OBJECTS_FAILED, &f);
			return -1;
		}
		if ((there = s3_param(r, want[i].name, want[i].b)) == -1)
			return -1;
		if (!utf8_valid(want[i].b->data, want[i].b->len))
			return invalid(r, "A parameter is not UTF-8.");
	}
	l->from = there == 1;
	if (l->from && token_read(&l->token, &f) == -1)
		return invalid(r, "The continuation token is not one of this "
		    "store.");
	if (l->type.len > 0 && strcmp(l->type.data, "2") != 0)
		return invalid(r, "list-type is 2.");
	l->url = strcmp(l->encoding.data, "url") == 0;
	if (l->encoding.len > 0 && !l->url)
		return invalid(r, "encoding-type is url.");
	if (s3_param_number(r, max, 0, INT32_MAX, &l->max) == -1)
		return -1;
	if (l->max > LIST_MAX)
		l->max = LIST_MAX;
	return 0;
}

/* <TAG>text</TAG>, if there is any. */
static int
element(struct buf *b, const char *tag, const struct buf *text, bool url,
    struct fail *f)
{
	return text->len == 0 ? 0 : s3_xml_key(b, tag, text->data, url, f);
}

static int
group_print(struct buf *b, const struct objects_entry *e, bool url,
    struct fail *f)
{
	return buf_adds(b, "<CommonPrefixes>", f) == -1 ||
	    s3_xml_key(b, "Prefix", e->key, url, f) == -1 ? -1 :
	    buf_adds(b, "</CommonPrefixes>", f);
}

static int
object_print(struct buf *b, const struct objects_entry *e, bool url,
    struct fail *f)
{
	char when[32];

	if (e->group)
		return group_print(b, e, url, f);
	iso_time(when, e->modified_ms);
	return buf_adds(b, "<Contents>", f) == -1 ||
	    s3_xml_key(b, "Key", e->key, url, f) == -1 ? -1 :
	    buf_addf(b, f, "<LastModified>%s</LastModified>"
	    "<ETag>&quot;%s&quot;</ETag><Size>%" PRIu64 "</Size>"
	    "<StorageClass>STANDARD</StorageClass></Contents>", when,
	    e->etag, e->size);
}

static int
token_print(struct buf *b, const char *tag, const char *key, struct fail *f)
{
	char hex[2 * OBJECTS_KEY_MAX + 1];

	hex_encode(hex, key, strlen(key));
	return buf_addf(b, f, "<%s>%s</%s>", tag, hex, tag);
}

static int
objects_print(struct buf *b, const struct op_state *st,
    const struct listing *l, struct fail *f)
{
	size_t i;

	if (buf_addf(b, f, XML_HEAD "<ListBucketResult " XMLNS "><Name>%s"
	    "</Name>", st->bucket) == -1 ||
	    s3_xml_key(b, "Prefix", l->prefix.data, l->url, f) == -1 ||
	    element(b, "Delimiter", &l->delimiter, l->url, f) == -1 ||
	    element(b, "StartAfter", &l->after, l->url, f) == -1 ||
	    (l->from && token_print(b, "ContinuationToken", l->token.data,
	    f) == -1) ||
	    (l->url && buf_adds(b, "<EncodingType>url</EncodingType>",
	    f) == -1) ||
	    buf_addf(b, f, "<MaxKeys>%u</MaxKeys><KeyCount>%zu</KeyCount>"
	    "<IsTruncated>%s</IsTruncated>", l->max, l->n,
	    l->more ? "true" : "false") == -1 ||
	    (l->more && token_print(b, "NextContinuationToken",
	    l->e[l->n - 1].key, f) == -1))
		return -1;
	for (i = 0; i < l->n; i++)
		if (object_print(b, &l->e[i], l->url, f) == -1)
			return -1;
	return buf_adds(b, "</ListBucketResult>\n", f);
}

static int
upload_print(struct buf *b, const struct objects_entry *e, bool url,
    struct fail *f)
{
	char when[32];

	if (e->group)
		return group_print(b, e, url, f);
	iso_time(when, e->modified_ms);
	return buf_adds(b, "<Upload>", f) == -1 ||
	    s3_xml_key(b, "Key", e->key, url, f) == -1 ? -1 :
	    buf_addf(b, f, "<UploadId>%s</UploadId><StorageClass>"
	    "STANDARD</StorageClass><Initiated>%s</Initiated>"
	    "</Upload>", e->id, when);
}

static int
uploads_print(struct buf *b, const struct op_state *st,
    const struct listing *l, struct fail *f)
{
	size_t i;

	if (buf_addf(b, f, XML_HEAD "<ListMultipartUploadsResult " XMLNS ">"
	    "<Bucket>%s</Bucket>", st->bucket) == -1 ||
	    s3_xml_key(b, "KeyMarker", l->marker.data, l->url, f) == -1 ||
	    s3_xml_key(b, "UploadIdMarker", l->id_marker.data, false,
	    f) == -1 ||
	    element(b, "Prefix", &l->prefix, l->url, f) == -1 ||
	    element(b, "Delimiter", &l->delimiter, l->url, f) == -1 ||
	    (l->url && buf_adds(b, "<EncodingType>url</EncodingType>",
	    f) == -1) ||
	    buf_addf(b, f, "<MaxUploads>%u</MaxUploads>", l->max) == -1 ||
	    (l->more && (s3_xml_key(b, "NextKeyMarker", l->e[l->n - 1].key,
	    l->url, f) == -1 ||
	    buf_addf(b, f, "<NextUploadIdMarker>%s</NextUploadIdMarker>",
	    l->e[l->n - 1].group ? "" : l->e[l->n - 1].id) == -1)))
		return -1;
	for (i = 0; i < l->n; i++)
		if (upload_print(b, &l->e[i], l->url, f) == -1)
			return -1;
	return buf_addf(b, f, "<IsTruncated>%s</IsTruncated>"
	    "</ListMultipartUploadsResult>\n", l->more ? "true" : "false");
}

/* Objects, or with uploads the open uploads. */
static void
list(struct serve_request *r, struct s3 *s, struct op_state *st, bool uploads)
{
	struct buf b = BUF_INIT(XML_MAX);
	struct listing l;
	struct objects_query q;

	if (listing_read(r, &l, uploads ? "max-uploads" : "max-keys") == 0) {
		q = (struct objects_query){ .prefix = l.prefix.data,
		    .delimiter = l.delimiter.data, .max = l.max,
		    .after = uploads ? l.marker.data : l.from ? l.token.data :
		    l.after.data, .after_id = l.id_marker.data };
		if (objects_list(s->objects, st->bucket, uploads, &q, &l.e,
		    &l.n, &l.more, &st->f) == -1)
			s3_result(r, OBJECTS_FAILED, &st->f);
		else
			s3_reply_xml(r, &b, (uploads ? uploads_print :
			    objects_print)(&b, st, &l, &st->f), &st->f);
	}
	listing_free(&l);
}

void
s3_list_objects(struct serve_request *r, struct s3 *s, struct op_state *st)
{
	list(r, s, st, false);
}

void
s3_list_uploads(struct serve_request *r, struct s3 *s, struct op_state *st)
{
	list(r, s, st, true);
}

static int
parts_print(struct buf *b, const struct op_state *st,
    const struct objects_part *p, size_t n, unsigned marker, unsigned max,
    struct fail *f)
{
	unsigned count = 0, last = marker;
	char when[32];
	size_t i;

	if (buf_addf(b, f, XML_HEAD "<ListPartsResult " XMLNS "><Bucket>%s"
	    "</Bucket>", st->bucket) == -1 ||
	    s3_xml_key(b, "Key", st->key.data, false, f) == -1 ||
	    buf_addf(b, f, "<UploadId>%s</UploadId><PartNumberMarker>%u"
	    "</PartNumberMarker><MaxParts>%u</MaxParts>", st->upload.data,
	    marker, max) == -1)
		return -1;
	for (i = 0; i < n && (count < max || p[i].number <= marker); i++) {
		if (p[i].number <= marker)
			continue;
		count++;
		last = p[i].number;
		iso_time(when, p[i].modified_ms);
		if (buf_addf(b, f, "<Part><PartNumber>%u</PartNumber>"
		    "<LastModified>%s</LastModified><ETag>&quot;%s&quot;"
		    "</ETag><Size>%" PRIu64 "</Size></Part>", p[i].number,
		    when, p[i].etag, p[i].size) == -1)
			return -1;
	}
	return buf_addf(b, f, "<NextPartNumberMarker>%u"
	    "</NextPartNumberMarker><IsTruncated>%s</IsTruncated>"
	    "</ListPartsResult>\n", last, i < n && max > 0 ? "true" : "false");
}

void
s3_list_parts(struct serve_request *r, struct s3 *s, struct op_state *st)
{
	struct buf b = BUF_INIT(XML_MAX);
	struct objects_part *p = NULL;
	unsigned marker = 0, max = LIST_MAX;
	enum objects_result why;
	size_t n = 0;

	if (s3_param_number(r, "part-number-marker", 0, INT32_MAX,
	    &marker) == -1 ||
	    s3_param_number(r, "max-parts", 0, INT32_MAX, &max) == -1)
		return;
	why = objects_upload_parts(s->objects, st->bucket, st->key.data,
	    st->upload.data, &p, &n, &st->f);
	if (why != OBJECTS_OK)
		s3_result(r, why, &st->f);
	else
		s3_reply_xml(r, &b, parts_print(&b, st, p, n, marker,
		    max < LIST_MAX ? max : LIST_MAX, &st->f), &st->f);
	free(p);
}
