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

int
quote_undo(struct buf *b, const char *s, size_t n)
{
	struct fail f;
	size_t some, i;
	unsigned v;
	char c;

	buf_clear(b);
	while (n > 0) {
		for (some = 0; some < n && s[some] != '\\'; some++)
			;
		if (buf_add(b, s, some, &f) == -1)
			return -1;
		s += some;
		n -= some;
		if (n == 0)
			break;
		if (n < 4)
			return -1;
		for (v = 0, i = 1; i < 4; i++) {
			if (s[i] < '0' || s[i] > '7')
				return -1;
			v = 8 * v + (unsigned)(s[i] - '0');
		}
		if (v == 0 || v > 255)
			return -1;
		c = (char)v;
		if (buf_add(b, &c, 1, &f) == -1)
			return -1;
		s += 4;
		n -= 4;
	}
	return 0;
}
