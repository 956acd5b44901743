#include <stdint.h>
#include <string.h>

#include "core/mask.h"
#include "core/utf8.h"

size_t
mask_next(const char *s, size_t n, bool *passes)
{
	uint32_t rune;
	size_t len = utf8_rune(s, n, &rune);

	*passes = len > 0 && rune >= 0x20 && (rune < 0x7f || rune > 0x9f);
	return len > 0 ? len : 1;
}

char *
mask_text(char *text)
{
	const char *from = text;
	size_t left = strlen(text), len;
	char *to = text;
	bool passes;

	for (; left > 0; from += len, left -= len) {
		len = mask_next(from, left, &passes);
		if (passes) {
			memmove(to, from, len);
			to += len;
		} else
			*to++ = '?';
	}
	*to = '\0';
	return text;
}

int
mask_write(FILE *to, const char *p, size_t n)
{
	bool passes;
	size_t len;

	for (; n > 0; p += len, n -= len) {
		len = mask_next(p, n, &passes);
		passes = passes || *p == '\t' || *p == '\n';
		if (passes ? fwrite(p, 1, len, to) != len :
		    putc('?', to) == EOF)
			return -1;
	}
	return 0;
}
