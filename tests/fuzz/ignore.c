/*
 * build/ignore on any patterns and path, with a NUL between: refused with a
 * place; or what is below a folder that is not walked would have stayed out.
 * Without libFuzzer: one such text on stdin.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "dockerfile/ignore.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define MUST(what) do {							\
	if (!(what)) {							\
		fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what); \
		abort();						\
	}								\
} while (0)

static void
walk(const struct ignore *ig, size_t lines, const char *p, const char *end)
{
	struct ignore_pos *at = ignore_root(ig), *next = ignore_root(ig);
	struct ignore_pos *swap;
	bool out, unwalked = false;
	size_t line;
	const char *slash;

	MUST(at != NULL && next != NULL);
	while (p < end) {
		if ((slash = memchr(p, '/', (size_t)(end - p))) == NULL)
			slash = end;
		out = ignore_step(ig, at, p, (size_t)(slash - p), next,
		    &line);
		MUST(line <= lines && (line > 0 || !out));
		MUST(out || !unwalked);
		if (!ignore_enter(ig, next) && out)
			unwalked = true;
		swap = at;
		at = next;
		next = swap;
		p = slash + 1;
	}
	free(at);
	free(next);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	const char *text = (const char *)p, *path;
	struct ignore *ig;
	struct fail f;
	size_t n, i, lines = 1;

	path = len == 0 ? NULL : memchr(text, '\0', len);
	n = path == NULL ? len : (size_t)(path - text);
	if (ignore_parse(&ig, text, n, "x", &f) == -1) {
		MUST(strncmp(f.msg, "x:", 2) == 0);
		MUST(strchr(f.msg, '\n') == NULL);
		return 0;
	}
	for (i = 0; i < n; i++)
		lines += text[i] == '\n';
	if (path != NULL)
		walk(ig, lines, path + 1, text + len);
	ignore_free(ig);
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
