/*
 * dockerfile/ and client/plan on any bytes: refused with a place, or a plan that
 * is JSON and holds the very text; and an older Dockerfile that is read, and is
 * an older one of itself.  Without libFuzzer: one text on stdin.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/plan/plan.h"
#include "core/span.h"
#include "dockerfile/lower.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define MUST(what) do {							\
	if (!(what)) {							\
		fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what); \
		abort();						\
	}								\
} while (0)

/* What is older already is taken again. */
static void
lowered(const struct dockerfile *d)
{
	struct buf once = BUF_INIT(BUF_DOC_MAX), twice = BUF_INIT(BUF_DOC_MAX);
	struct dockerfile older = DOCKERFILE_INIT;
	struct gather g = GATHER_INIT;
	struct fail f;

	if (lower(d, "x", &g, &once, NULL, &f) == -1) {
		MUST(strncmp(f.msg, "x:", 2) == 0);
		MUST(strchr(f.msg, '\n') == NULL);
	} else if (!d->foreign) {
		MUST(dockerfile_parse(&older, "y", &once, &f) == 0);
		if (lower(&older, "y", &g, &twice, NULL, &f) == -1)
			MUST(strncmp(f.msg, "y:", 2) == 0);
	}
	dockerfile_free(&older);
	buf_free(&once);
	buf_free(&twice);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	struct buf text = BUF_INIT(BUF_SMALL_MAX), out = BUF_INIT(BUF_DOC_MAX);
	struct buf back = BUF_INIT(BUF_SMALL_MAX);
	struct dockerfile d = DOCKERFILE_INIT;
	struct plan plan = PLAN_INIT;
	struct span doc, v;
	struct fail f;
	size_t i;

	MUST(buf_add(&text, p, len, &f) == 0);
	if (dockerfile_parse(&d, "x", &text, &f) == -1 ||
	    plan_read(&plan, &d, "x", &f) == -1) {
		MUST(strncmp(f.msg, "x:", 2) == 0);
		MUST(strchr(f.msg, '\n') == NULL);
	} else {
		MUST(plan_write(&plan, "n", true, &text, NULL, &out, &f) ==
		    0);
		MUST(span_parse(&doc, out.data, out.len, &f) == 0);
		MUST(span_get(&doc, "dockerfile", &v, &f) == 1);
		MUST(span_string(&v, &back, &f) == 0);
		MUST(back.len == len && memcmp(back.data, p, len) == 0);
		for (i = 0; i < plan.references; i++)
			MUST(plan.reference[i].additional == (i > 0) ||
			    (i == 0 && plan.reference[0].additional));
		lowered(&d);
	}
	plan_free(&plan);
	dockerfile_free(&d);
	buf_free(&text);
	buf_free(&out);
	buf_free(&back);
	return 0;
}

#ifndef TL_LIBFUZZER
int
main(void)
{
	struct buf text = BUF_INIT(BUF_SMALL_MAX);
	struct fail f;

	MUST(buf_read(&text, 0, "stdin", &f) == 0);
	LLVMFuzzerTestOneInput((const uint8_t *)text.data, text.len);
	buf_free(&text);
	return 0;
}
#endif
