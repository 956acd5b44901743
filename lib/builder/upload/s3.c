#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "builder/upload/s3.h"
#include "core/xml.h"

/* A child's text, its control bytes masked, as far as there is room. */
static void
copy(char *dst, size_t size, const char *text)
{
	size_t i;

	snprintf(dst, size, "%s", text);
	for (i = 0; dst[i] != '\0'; i++)
		if ((unsigned char)dst[i] < 0x20 || dst[i] == 0x7f)
			dst[i] = '?';
}

static int
on_element(void *arg, const struct xml_name *n, unsigned depth,
    const char *text, struct fail *f)
{
	struct s3_answer *a = arg;

	if (depth == 1 && n[0].len >= sizeof(a->root))
		return fail_set(f, EX_PROTOCOL, "an answer of a long name");
	if (depth == 1)
		snprintf(a->root, sizeof(a->root), "%.*s", (int)n[0].len,
		    n[0].at);
	else if (depth != 2)
		return 0;
	else if (xml_is(&n[1], "Code"))
		copy(a->code, sizeof(a->code), text);
	else if (xml_is(&n[1], "Message"))
		copy(a->message, sizeof(a->message), text);
	else if (xml_is(&n[1], "ETag"))
		copy(a->etag, sizeof(a->etag), text);
	return 0;
}

int
s3_parse(struct s3_answer *out, const char *s, size_t len, struct fail *f)
{
	memset(out, 0, sizeof(*out));
	return xml_read(s, len, on_element, out, f);
}

/* Codes that S3's list of errors describes as worth another try. */
static bool
passing(const char *code)
{
	static const char *const codes[] = { "BadDigest", "IncompleteBody",
	    "InternalError", "OperationAborted", "RequestTimeout",
	    "ServiceUnavailable", "SlowDown", "TemporaryRedirect", "Busy" };
	size_t i;

	for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (strcmp(codes[i], code) == 0)
			return true;
	return false;
}

int
s3_error(const struct s3_answer *a, long status, const char *what,
    struct fail *f)
{
	int ex = status == 401 || status == 403 ||
	    strcmp(a->code, "AccessDenied") == 0 ? EX_NOPERM : EX_UNAVAILABLE;
	char words[sizeof(a->message)];

	if (passing(a->code) || status == 408 || status == 429 ||
	    (status >= 500 && status != 501))
		ex = EX_TEMPFAIL;
	/* The words are the store's: a URL in them ends at its '?'. */
	fail_show(words, sizeof(words), a->message, sizeof(words));
	return fail_set(f, ex, "%s: the store refused (%ld %s)%s%s", what,
	    status, a->code[0] != '\0' ? a->code : "Error",
	    words[0] != '\0' ? ": " : "", words);
}

int
s3_refused(const struct http_reply *r, const char *what, struct fail *f)
{
	struct s3_answer a;
	struct fail quiet;

	if (r->body.len != 0 &&
	    s3_parse(&a, r->body.data, r->body.len, &quiet) == 0 &&
	    strcmp(a.root, "Error") == 0)
		return s3_error(&a, r->status, what, f);
	http_refused(r, what, f);
	/* A store's 500 is no different from its 503. */
	if (r->status == 500)
		f->status = EX_TEMPFAIL;
	return -1;
}
