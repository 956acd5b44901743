#include "core/mask.h"
#include "core/quote.h"

int
quote_add(struct buf *b, const char *s, size_t n, struct fail *f)
{
	size_t len, i;
	bool passes;

	for (; n > 0; s += len, n -= len) {
		len = mask_next(s, n, &passes);
		if (passes && *s != '\\') {
			if (buf_add(b, s, len, f) == -1)
				return -1;
			continue;
		}
		for (i = 0; i < len; i++)
			if (buf_addf(b, f, "\\%03o",
			    (unsigned char)s[i]) == -1)
				return -1;
	}
	return 0;
}
