#include <stdint.h>
#include <string.h>
#include <sysexits.h>

#include "core/hex.h"

void
hex_encode(char *out, const void *in, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *p = in;
	size_t i;

	for (i = 0; i < n; i++) {
		out[2 * i] = digits[p[i] >> 4];
		out[2 * i + 1] = digits[p[i] & 15];
	}
	out[2 * n] = '\0';
}

int
hex_decode(void *out, const char *in, size_t n)
{
	uint8_t *p = out;
	int high, low;
	size_t i;

	for (i = 0; i < n; i++) {
		/* The second is not looked at where the first ends the text. */
		if ((high = hex_digit(in[2 * i])) == -1 ||
		    (low = hex_digit(in[2 * i + 1])) == -1)
			return -1;
		p[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}

static bool
plain(char c, const char *keep)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' ||
	    c == '~' || (c != '\0' && strchr(keep, c) != NULL);
}

int
hex_escape(struct buf *b, const char *s, size_t n, const char *keep,
    struct fail *f)
{
	static const char digits[] = "0123456789ABCDEF";
	unsigned char c;
	size_t i;
	char *p;

	if (buf_room(b, 3 * n, f) == -1)
		return -1;
	p = b->data + b->len;
	for (i = 0; i < n; i++) {
		if (plain(s[i], keep)) {
			*p++ = s[i];
			continue;
		}
		c = (unsigned char)s[i];
		*p++ = '%';
		*p++ = digits[c >> 4];
		*p++ = digits[c & 15];
	}
	*p = '\0';
	b->len = (size_t)(p - b->data);
	return 0;
}

int
hex_unescape(struct buf *b, const char *s, size_t n, bool plus,
    struct fail *f)
{
	unsigned char byte;
	size_t i, len;
	char c;

	if (buf_room(b, n, f) == -1)
		return -1;
	len = b->len;
	for (i = 0; i < n; i++) {
		c = s[i];
		if (c == '+' && plus) {
			c = ' ';
		} else if (c == '%') {
			if (n - i < 3 || hex_decode(&byte, s + i + 1, 1) == -1) {
				b->data[b->len] = '\0';
				return fail_set(f, EX_DATAERR,
				    "malformed percent escape");
			}
			c = (char)byte;
			i += 2;
		}
		if (c == '\0') {
			b->data[b->len] = '\0';
			return fail_set(f, EX_DATAERR, "a NUL in the address");
		}
		b->data[len++] = c;
	}
	b->data[len] = '\0';
	b->len = len;
	return 0;
}
