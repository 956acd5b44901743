#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "region/store/s3_impl.h"

/* The text of <TAG> between p and end, white space around it off. */
static const char *
element(const char *p, const char *end, const char *tag, size_t *n)
{
	char open[32], close[32];
	const char *from, *to;

	snprintf(open, sizeof(open), "<%s>", tag);
	snprintf(close, sizeof(close), "</%s>", tag);
	from = strstr(p, open);
	if (from == NULL || from >= end)
		return NULL;
	from += strlen(open);
	to = strstr(from, close);
	if (to == NULL || to >= end)
		return NULL;
	while (from < to && isspace((unsigned char)*from))
		from++;
	while (to > from && isspace((unsigned char)to[-1]))
		to--;
	*n = (size_t)(to - from);
	return from;
}

/* An ETag, its quotes off however they are written. */
static void
etag_copy(char out[OBJECTS_ETAG], const char *s, size_t n)
{
	static const char *const quotes[] = { "\"", "&quot;", "&#34;",
	    "&#x22;" };
	size_t i, len;

	memset(out, 0, OBJECTS_ETAG);
	for (i = 0; i < sizeof(quotes) / sizeof(*quotes); i++) {
		len = strlen(quotes[i]);
		if (n >= 2 * len && strncmp(s, quotes[i], len) == 0 &&
		    strncmp(s + n - len, quotes[i], len) == 0) {
			s += len;
			n -= 2 * len;
			break;
		}
	}
	if (n < OBJECTS_ETAG)
		memcpy(out, s, n);
}

int
s3_parts_parse(const char *xml, size_t len, struct objects_part **parts,
    size_t *n)
{
	const char *p, *end, *number, *etag;
	struct objects_part *list;
	size_t numlen, etaglen;
	char *stop;

	*n = 0;
	*parts = NULL;
	/* What could hide an element is nothing that a client sends. */
	if (strlen(xml) != len || strstr(xml, "<!") != NULL ||
	    (p = strstr(xml, "<CompleteMultipartUpload")) == NULL ||
	    strstr(p, "</CompleteMultipartUpload>") == NULL ||
	    (list = calloc(OBJECTS_PARTS_MAX, sizeof(*list))) == NULL)
		return -1;
	*parts = list;
	while ((p = strstr(p, "<Part>")) != NULL) {
		if ((end = strstr(p, "</Part>")) == NULL ||
		    *n == OBJECTS_PARTS_MAX)
			return -1;
		number = element(p, end, "PartNumber", &numlen);
		etag = element(p, end, "ETag", &etaglen);
		if (number == NULL || etag == NULL || numlen == 0 ||
		    numlen > 6 || !isdigit((unsigned char)*number))
			return -1;
		list[*n].number = (unsigned)strtoul(number, &stop, 10);
		if (stop != number + numlen)
			return -1;
		etag_copy(list[*n].etag, etag, etaglen);
		(*n)++;
		p = end;
	}
	return *n == 0 ? -1 : 0;
}
