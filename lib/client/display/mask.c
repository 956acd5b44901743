#include "client/display/mask.h"

int
mask_write(FILE *to, const char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];

		if ((c < ' ' && c != '\t') || c == 0x7f)
			c = '?';
		else if (c == 0xc2 && i + 1 < n &&
		    (unsigned char)p[i + 1] < 0xa0) {
			c = '?';
			i++;
		}
		if (putc(c, to) == EOF)
			return -1;
	}
	return 0;
}
