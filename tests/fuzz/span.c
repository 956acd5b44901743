/*
 * core/span and build/spec on any bytes.  What must hold for every text:
 *
 * - all ways to look agree: pick and get, walking and skipping;
 * - a text put together again from its parts is a text, and stays the same
 *   when that is done once more;
 * - a splice is refused, or is a text that holds the block's very bytes, and
 *   the prepared text but for the members that were set.
 *
 * With libFuzzer a target for make fuzz.  Without, a program: frames "LEN\n"
 * and so many bytes on stdin; for each of them "-\n", or the text without
 * white space, as a frame, on stdout.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/stages/spec.h"
#include "core/span.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define MUST(what) do {							\
	if (!(what)) {							\
		fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what); \
		abort();						\
	}								\
} while (0)

static struct fail f;

static void
put(struct buf *b, const char *p, size_t n)
{
	MUST(buf_add(b, p, n, &f) == 0);
}

/* The value without white space, from walking it. */
static void
rebuild(struct buf *b, const struct span *s)
{
	struct buf text = BUF_INIT(BUF_DOC_MAX);
	const char *pos = NULL;
	struct span name, v;
	bool object = span_is_object(s), some = false;

	if (!object && !span_is_array(s)) {
		if (span_is_string(s))
			MUST(span_string(s, &text, &f) == 0);
		buf_free(&text);
		put(b, s->at, s->len);
		return;
	}
	put(b, s->at, 1);
	while (span_next(s, &pos, &name, &v) == 1) {
		MUST(v.at > s->at && v.at + v.len < s->at + s->len);
		if (some)
			put(b, ",", 1);
		some = true;
		if (object) {
			put(b, name.at, name.len);
			put(b, ":", 1);
		}
		rebuild(b, &v);
	}
	put(b, object ? "}" : "]", 1);
}

static void
same_as_get(const struct span *doc, const struct span_pick *pick)
{
	struct span v = { NULL, 0 }, parent = *doc;
	int r = 1;

	if (pick->path[1] != NULL) {
		r = span_get(doc, pick->path[0], &parent, &f);
		if (r == -1)
			return;		/* which one is not said */
	}
	if (r == 1)
		r = span_get(&parent, pick->path[pick->path[1] != NULL], &v,
		    &f);
	MUST(span_picked(pick, &f) == r);
	MUST(r != 1 || (pick->value.at == v.at && pick->value.len == v.len));
}

static size_t
count(const char *at, size_t len, const char *what, size_t n)
{
	size_t found = 0;
	const char *p;

	while ((p = memmem(at, len, what, n)) != NULL) {
		found++;
		len -= (size_t)(p + 1 - at);
		at = p + 1;
	}
	return found;
}

static void
splice(const char *p, size_t len)
{
	static const char block[] =
	    "{ \"n\":12345678901234567890,\"n\":1e400,\"u\":\"\\u0041\\/\"}";
	static const char text[] = "{\"upload\":"
	    "{ \"n\":12345678901234567890,\"n\":1e400,\"u\":\"\\u0041\\/\"}"
	    ",\"parentDownload\":null,\"localImageDownloads\":null}";
	struct map prepared = MAP_INIT(0), blocks = MAP_INIT(0);
	struct spec_options o = { .prepared = &prepared,
	    .signed_blocks = &blocks };
	struct buf out = BUF_INIT(BUF_DOC_MAX);
	struct spec spec = SPEC_INIT;
	struct span doc, v, old;
	size_t i;

	prepared.name = "prepared";
	prepared.data = p;
	prepared.len = len;
	blocks.name = "signed";
	blocks.data = text;
	blocks.len = sizeof(text) - 1;
	if (spec_splice(&spec, &o, &f) == 0) {
		for (i = 0; i < spec.pieces; i++)
			put(&out, spec.piece[i].at, spec.piece[i].len);
		MUST(out.len == spec.len);
		MUST(span_parse(&doc, out.data, out.len, &f) == 0);
		MUST(span_get(&doc, "upload", &v, &f) == 1);
		MUST(v.len == sizeof(block) - 1 &&
		    memcmp(v.at, block, v.len) == 0);
		/* Taking it out again gives the text that was. */
		MUST(span_parse(&doc, p, len, &f) == 0);
		if (span_get(&doc, "upload", &old, &f) == 1) {
			MUST(memcmp(p, out.data, (size_t)(old.at - p)) == 0);
			MUST(out.len - v.len == len - old.len);
			MUST(memcmp(v.at + v.len, old.at + old.len,
			    (size_t)(p + len - old.at - old.len)) == 0);
		} else
			MUST(count(out.data, out.len, block,
			    sizeof(block) - 1) == 1 +
			    count(p, len, block, sizeof(block) - 1));
	}
	spec_free(&spec);
	buf_free(&out);
}

/* -1, or 0 and the text without white space in out. */
static int
one(const char *p, size_t len, struct buf *out)
{
	struct span_pick pick[] = {
		{ .path = { "a" } }, { .path = { "a", "b" } },
		{ .path = { "upload" } }, { .path = { "upload", "uri" } },
		{ .path = { "" } },
	};
	struct buf again = BUF_INIT(BUF_DOC_MAX);
	struct span s, t;
	size_t i;

	splice(p, len);
	if (span_pick(&s, p, len, pick, 5, &f) == -1) {
		MUST(span_parse(&t, p, len, &f) == -1);
		return -1;
	}
	for (i = 0; i < 5; i++)
		same_as_get(&s, &pick[i]);
	MUST(span_depth(&s) <= SPAN_DEPTH);
	buf_clear(out);
	rebuild(out, &s);
	MUST(out->len <= s.len);
	MUST(span_parse(&t, out->data, out->len, &f) == 0);
	MUST(t.len == out->len && span_depth(&t) == span_depth(&s));
	rebuild(&again, &t);
	MUST(again.len == out->len &&
	    memcmp(again.data, out->data, out->len) == 0);
	buf_free(&again);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	struct buf out = BUF_INIT(BUF_DOC_MAX);

	one((const char *)p, len, &out);
	buf_free(&out);
	return 0;
}

#ifndef TL_LIBFUZZER
int
main(void)
{
	struct buf out = BUF_INIT(BUF_DOC_MAX);
	size_t len;

	while (scanf("%zu", &len) == 1) {
		char *p = malloc(len + 1), *q;

		MUST(p != NULL && getchar() == '\n');
		MUST(fread(p, 1, len, stdin) == len);
		/* At its very size, so that reading past it is seen. */
		q = realloc(p, len > 0 ? len : 1);
		MUST(q != NULL);
		p = q;
		if (one(p, len, &out) == -1)
			puts("-");
		else {
			printf("%zu\n", out.len);
			fwrite(out.data, 1, out.len, stdout);
		}
		free(p);
	}
	buf_free(&out);
	return fflush(stdout) == EOF;
}
#endif
