#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "region/store/s3_impl.h"

static void
keep_header(void *arg, const char *name, const char *value)
{
	static const char *const kept[] = { "Content-Type", "Cache-Control",
	    "Content-Disposition", "Content-Encoding", "Content-Language",
	    "Expires" };
	struct op_state *st = arg;
	size_t i;

	for (i = 0; i < sizeof(kept) / sizeof(*kept); i++)
		if (strcasecmp(name, kept[i]) == 0)
			break;
	if (i == sizeof(kept) / sizeof(*kept) &&
	    strncasecmp(name, "x-amz-meta-", 11) != 0)
		return;
	/* One that does not fit any more shows in the buf being full. */
	if (buf_addf(&st->headers, &st->f, "%s: %s\n", name, value) == -1)
		st->headers.max = 0;
}

int
s3_headers_keep(struct serve_request *r, struct op_state *st)
{
	const char *coding = serve_header(r, "Content-Encoding");

	if (coding != NULL && strstr(coding, "aws-chunked") != NULL)
		return s3_unsupported(r);
	st->headers.max = OBJECTS_HEADERS_MAX;
	serve_headers(r, keep_header, st);
	if (st->headers.max == 0) {
		s3_refuse(r, 400, "MetadataTooLarge",
		    "More headers than are kept with an object.");
		return -1;
	}
	return 0;
}

void
s3_headers_give(struct serve_request *r, const struct object *b, bool part,
    const char **type)
{
	const char *mode = serve_header(r, "x-amz-checksum-mode");
	char date[64], *copy, *line, *save = NULL, *value;
	time_t t = (time_t)(b->modified_ms / 1000);
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	serve_add_header(r, "Last-Modified", date);
	serve_add_header(r, "Accept-Ranges", "bytes");
	s3_etag(r, b->etag);
	*type = "binary/octet-stream";
	if (b->headers == NULL || (copy = strdup(b->headers)) == NULL)
		return;
	for (line = strtok_r(copy, "\n", &save); line != NULL;
	    line = strtok_r(NULL, "\n", &save)) {
		if ((value = strstr(line, ": ")) == NULL)
			continue;
		*value = '\0';
		value += 2;
		/* A sum is of the whole, and for who asks. */
		if (strncasecmp(line, "x-amz-checksum-", 15) == 0 && (part ||
		    mode == NULL || strcasecmp(mode, "ENABLED") != 0))
			continue;
		serve_add_header(r, line, value);
		if (strcasecmp(line, "Content-Type") == 0)
			*type = NULL;
	}
	free(copy);
}
