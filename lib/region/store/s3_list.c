#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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
	struct buf	 prefix, delimiter, after, token, marker, id_marker;
	struct buf	 encoding;
	unsigned	 max;
	bool		 url;
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
		{ "continuation-token", &l->token },
		{ "key-marker", &l->marker },
		{ "upload-id-marker", &l->id_marker },
		{ "encoding-type", &l->encoding },
	};
	struct fail f;
	size_t i;

	memset(l, 0, sizeof(*l));
	l->max = LIST_MAX;
	for (i = 0; i < sizeof(want) / sizeof(*want); i++) {
		want[i].b->max = 64UL << 10;
		if (buf_adds(want[i].b, "", &f) == -1) {
			s3_result(r, OBJECTS_FAILED, &f);
			return -1;
		}
		if (s3_param(r, want[i].name, want[i].b) == -1)
			return -1;
	}
	if (s3_param_number(r, max, 0, INT32_MAX, &l->max) == -1)
		return -1;
	if (l->max > LIST_MAX)
		l->max = LIST_MAX;
	l->url = strcmp(l->encoding.data, "url") == 0;
	return 0;
}

static int
list_entry(struct buf *b, const struct objects_entry *e, bool url,
    struct fail *f)
{
	char when[32];

	iso_time(when, e->modified_ms);
	return buf_adds(b, "<Contents>", f) == -1 ||
	    s3_xml_key(b, "Key", e->key, url, f) == -1 ? -1 :
	    buf_addf(b, f, "<LastModified>%s</LastModified>"
	    "<ETag>&quot;%s&quot;</ETag><Size>%" PRIu64 "</Size>"
	    "<StorageClass>STANDARD</StorageClass></Contents>", when,
	    e->etag, e->size);
}

/* The common prefix an entry falls under, "" if none. */
static int
common_prefix(const struct listing *l, const char *key, struct buf *out,
    struct fail *f)
{
	const char *p;

	buf_clear(out);
	if (l->delimiter.len == 0)
		return 0;
	p = strstr(key + l->prefix.len, l->delimiter.data);
	return p == NULL ? 0 : buf_add(out, key,
	    (size_t)(p - key) + l->delimiter.len, f);
}

static int
objects_print(struct buf *b, const struct op_state *st,
    const struct listing *l, const struct objects_entry *e, size_t n,
    struct fail *f)
{
	const char *after = l->token.len > 0 ? l->token.data : l->after.data;
	struct buf contents = BUF_INIT(XML_MAX), group = BUF_INIT(4096);
	struct buf last = BUF_INIT(4096);
	unsigned count = 0;
	bool more = false;
	size_t i;
	int rc = -1;

	if (buf_adds(&last, "", f) == -1 || buf_adds(&group, "", f) == -1 ||
	    buf_adds(&contents, "", f) == -1)
		goto out;
	for (i = 0; i < n; i++) {
		if (common_prefix(l, e[i].key, &group, f) == -1)
			goto out;
		/* A group that was given is passed as a whole. */
		if (strcmp(e[i].key, after) <= 0 || (group.len > 0 &&
		    (strcmp(group.data, last.data) == 0 ||
		    strcmp(group.data, after) == 0)))
			continue;
		if (count == l->max) {
			more = l->max > 0;
			break;
		}
		count++;
		buf_clear(&last);
		if (buf_adds(&last, group.len > 0 ? group.data : e[i].key,
		    f) == -1)
			goto out;
		if (group.len == 0) {
			if (list_entry(&contents, &e[i], l->url, f) == -1)
				goto out;
		} else if (buf_adds(&contents, "<CommonPrefixes>", f) == -1 ||
		    s3_xml_key(&contents, "Prefix", group.data, l->url,
		    f) == -1 ||
		    buf_adds(&contents, "</CommonPrefixes>", f) == -1)
			goto out;
	}
	if (buf_addf(b, f, XML_HEAD "<ListBucketResult " XMLNS "><Name>%s"
	    "</Name>", st->bucket) == -1 ||
	    s3_xml_key(b, "Prefix", l->prefix.data, l->url, f) == -1 ||
	    (l->delimiter.len > 0 && s3_xml_key(b, "Delimiter",
	    l->delimiter.data, l->url, f) == -1) ||
	    (l->url && buf_adds(b, "<EncodingType>url</EncodingType>",
	    f) == -1) ||
	    buf_addf(b, f, "<MaxKeys>%u</MaxKeys><KeyCount>%u</KeyCount>"
	    "<IsTruncated>%s</IsTruncated>", l->max, count,
	    more ? "true" : "false") == -1 ||
	    (more && s3_xml_key(b, "NextContinuationToken", last.data, false,
	    f) == -1) ||
	    buf_add(b, contents.data, contents.len, f) == -1 ||
	    buf_adds(b, "</ListBucketResult>\n", f) == -1)
		goto out;
	rc = 0;
out:
	buf_free(&contents);
	buf_free(&group);
	buf_free(&last);
	return rc;
}

/* Whether a list has it behind it, by its markers.  Alone, an id's is none. */
static bool
is_past(const struct listing *l, const struct objects_entry *e)
{
	int order = strcmp(e->key, l->marker.data);

	return l->marker.len > 0 && (order < 0 || (order == 0 &&
	    (l->id_marker.len == 0 || strcmp(e->id, l->id_marker.data) <= 0)));
}

static int
uploads_print(struct buf *b, const struct op_state *st,
    const struct listing *l, const struct objects_entry *e, size_t n,
    struct fail *f)
{
	unsigned count = 0;
	char when[32];
	size_t i;

	if (buf_addf(b, f, XML_HEAD "<ListMultipartUploadsResult " XMLNS ">"
	    "<Bucket>%s</Bucket>", st->bucket) == -1 ||
	    s3_xml_key(b, "KeyMarker", l->marker.data, l->url, f) == -1 ||
	    s3_xml_key(b, "UploadIdMarker", l->id_marker.data, false,
	    f) == -1 ||
	    (l->url && buf_adds(b, "<EncodingType>url</EncodingType>",
	    f) == -1) ||
	    buf_addf(b, f, "<MaxUploads>%u</MaxUploads>", l->max) == -1)
		return -1;
	for (i = 0; i < n && count < l->max; i++) {
		if (is_past(l, &e[i]))
			continue;
		count++;
		iso_time(when, e[i].modified_ms);
		if (buf_adds(b, "<Upload>", f) == -1 ||
		    s3_xml_key(b, "Key", e[i].key, l->url, f) == -1 ||
		    buf_addf(b, f, "<UploadId>%s</UploadId><StorageClass>"
		    "STANDARD</StorageClass><Initiated>%s</Initiated>"
		    "</Upload>", e[i].id, when) == -1)
			return -1;
	}
	if (i < n && i > 0 &&
	    (s3_xml_key(b, "NextKeyMarker", e[i - 1].key, l->url, f) == -1 ||
	    buf_addf(b, f, "<NextUploadIdMarker>%s</NextUploadIdMarker>",
	    e[i - 1].id) == -1))
		return -1;
	return buf_addf(b, f, "<IsTruncated>%s</IsTruncated>"
	    "</ListMultipartUploadsResult>\n", i < n ? "true" : "false");
}

/* Objects, or with uploads the open uploads. */
static void
list(struct serve_request *r, struct s3 *s, struct op_state *st, bool uploads)
{
	struct buf b = BUF_INIT(XML_MAX);
	struct objects_entry *e = NULL;
	struct listing l;
	size_t n = 0;

	if (listing_read(r, &l, uploads ? "max-uploads" : "max-keys") == 0) {
		if (objects_list(s->objects, st->bucket, uploads,
		    l.prefix.data, &e, &n, &st->f) == -1)
			s3_result(r, OBJECTS_FAILED, &st->f);
		else
			s3_reply_xml(r, &b, (uploads ? uploads_print :
			    objects_print)(&b, st, &l, e, n, &st->f), &st->f);
		objects_list_free(e, n);
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
	    "</ListPartsResult>\n", last, i < n ? "true" : "false");
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
