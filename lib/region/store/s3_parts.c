#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "core/xml.h"
#include "region/store/s3_impl.h"

struct parts {
	struct objects_part	*list;
	size_t			 n;
	bool			 number, etag;	/* of the part at hand */
};

/* Text without the white space around it. */
static const char *
trimmed(const char *text, size_t *n)
{
	while (isspace((unsigned char)*text))
		text++;
	for (*n = strlen(text); *n > 0 &&
	    isspace((unsigned char)text[*n - 1]); --*n)
		;
	return text;
}

/* An ETag, its quotes off. */
static void
etag_copy(char out[OBJECTS_ETAG], const char *s, size_t n)
{
	memset(out, 0, OBJECTS_ETAG);
	if (n >= 2 && s[0] == '"' && s[n - 1] == '"') {
		s++;
		n -= 2;
	}
	if (n < OBJECTS_ETAG)
		memcpy(out, s, n);
}

static int
on_element(void *arg, const struct xml_name *name, unsigned depth,
    const char *text, struct fail *f)
{
	struct parts *p = arg;
	struct objects_part *part = &p->list[p->n];
	size_t n;

	if (depth == 1 && !xml_is(&name[0], "CompleteMultipartUpload"))
		return fail_set(f, EX_DATAERR, "no list of parts");
	if (depth < 2 || !xml_is(&name[1], "Part"))
		return 0;
	if (p->n == OBJECTS_PARTS_MAX)
		return fail_set(f, EX_DATAERR, "too many parts");
	if (depth == 2) {
		if (!p->number || !p->etag)
			return fail_set(f, EX_DATAERR, "no number or ETag");
		p->number = p->etag = false;
		p->n++;
	}
	text = trimmed(text, &n);
	if (depth == 3 && xml_is(&name[2], "PartNumber")) {
		if (n < 1 || n > 6 || strspn(text, "0123456789") != n)
			return fail_set(f, EX_DATAERR, "not a number");
		part->number = (unsigned)strtoul(text, NULL, 10);
		p->number = true;
	} else if (depth == 3 && xml_is(&name[2], "ETag")) {
		etag_copy(part->etag, text, n);
		p->etag = true;
	}
	return 0;
}

int
s3_parts_parse(const char *xml, size_t len, struct objects_part **parts,
    size_t *n)
{
	struct parts p = { .n = 0 };
	struct fail f;
	int rc;

	p.list = calloc(OBJECTS_PARTS_MAX, sizeof(*p.list));
	*parts = p.list;
	*n = 0;
	if (p.list == NULL)
		return -1;
	rc = xml_read(xml, len, on_element, &p, &f);
	*n = p.n;
	return p.n == 0 ? -1 : rc;
}
