#include "core/utf8.h"

size_t
utf8_rune(const char *s, size_t n, uint32_t *rune)
{
	/* The least value that needs this many bytes. */
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char c;
	uint32_t r;
	size_t len, i;

	if (n == 0)
		return 0;
	c = (unsigned char)s[0];
	if (c < 0x80) {
		*rune = c;
		return 1;
	}
	if ((c & 0xe0) == 0xc0) {
		len = 2;
		r = c & 0x1f;
	} else if ((c & 0xf0) == 0xe0) {
		len = 3;
		r = c & 0x0f;
	} else if ((c & 0xf8) == 0xf0) {
		len = 4;
		r = c & 0x07;
	} else
		return 0;
	if (len > n)
		return 0;
	for (i = 1; i < len; i++) {
		c = (unsigned char)s[i];
		if ((c & 0xc0) != 0x80)
			return 0;
		r = r << 6 | (c & 0x3f);
	}
	if (r < least[len] || r > 0x10ffff || (r >= 0xd800 && r <= 0xdfff))
		return 0;
	*rune = r;
	return len;
}

size_t
utf8_put(char out[4], uint32_t u)
{
	if (u < 0x80) {
		out[0] = (char)u;
		return 1;
	}
	if (u < 0x800) {
		out[0] = (char)(0xc0 | u >> 6);
		out[1] = (char)(0x80 | (u & 0x3f));
		return 2;
	}
	if (u < 0x10000) {
		out[0] = (char)(0xe0 | u >> 12);
		out[1] = (char)(0x80 | (u >> 6 & 0x3f));
		out[2] = (char)(0x80 | (u & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | u >> 18);
	out[1] = (char)(0x80 | (u >> 12 & 0x3f));
	out[2] = (char)(0x80 | (u >> 6 & 0x3f));
	out[3] = (char)(0x80 | (u & 0x3f));
	return 4;
}

bool
utf8_valid(const char *s, size_t n)
{
	uint32_t r;
	size_t len;

	for (; n > 0; s += len, n -= len)
		if ((len = utf8_rune(s, n, &r)) == 0)
			return false;
	return true;
}
