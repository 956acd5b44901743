#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "core/mask.h"
#include "region/serve/serve.h"

/* Text as the inside of a JSON string; what it quotes may be anything. */
static void
json_text(char *dst, size_t size, const char *text)
{
	size_t n = 0, left = strlen(text), len;
	const char *s = text;
	bool passes;

	for (; left > 0 && n + 5 < size; s += len, left -= len) {
		len = mask_next(s, left, &passes);
		if (!passes) {
			dst[n++] = '?';
			continue;
		}
		if (*s == '"' || *s == '\\')
			dst[n++] = '\\';
		memcpy(dst + n, s, len);
		n += len;
	}
	dst[n] = '\0';
}

void
serve_error(struct serve_request *r, unsigned status, const char *code,
    const char *fmt, ...)
{
	char text[1024], quoted[2048], body[2304];
	va_list ap;
	int n;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	json_text(quoted, sizeof(quoted), text);
	n = snprintf(body, sizeof(body),
	    "{\"error\": \"%s\", \"code\": \"%s\"}\n", quoted, code);
	serve_reply(r, status, "application/json", body, (size_t)n);
}

void
serve_only(struct serve_request *r, const char *code, const char *methods)
{
	serve_add_header(r, "Allow", methods);
	serve_error(r, 405, code, "only %s is possible here", methods);
}

void
serve_reply_json(struct serve_request *r, unsigned status, struct jout *j)
{
	struct fail f;

	if (jout_end(j, &f) == -1 || buf_adds(j->b, "\n", &f) == -1) {
		serve_log(r->serve, "%s", f.msg);
		serve_error(r, 500, "internal", "%s", f.msg);
	} else
		serve_reply(r, status, "application/json", j->b->data,
		    j->b->len);
	buf_free(j->b);
}

int
serve_body_json(const struct serve_request *r, struct span *doc,
    struct fail *f)
{
	if (span_parse(doc, r->body.len == 0 ? "" : r->body.data,
	    r->body.len, f) == -1)
		return -1;
	if (!span_is_object(doc))
		return fail_set(f, EX_DATAERR, "not an object");
	return 0;
}
