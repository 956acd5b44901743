/* Hexadecimal digits and percent escapes: lib/core/hex.h. */

#include <string.h>
#include <sysexits.h>

#include "core/hex.h"
#include "unit.h"

static struct fail f;

static void
test_digits(void)
{
	unsigned char back[3];
	char text[7];
	int c, n = 0;

	for (c = 0; c < 256; c++)
		n += hex_digit((char)c) != -1;
	UNIT_CHECK(n == 22 && hex_digit('9') == 9 && hex_digit('a') == 10 &&
	    hex_digit('F') == 15, "22 digits, %d", n);
	hex_encode(text, "\x00\xaf\xff", 3);
	UNIT_CHECK(strcmp(text, "00afff") == 0, "encoded: %s", text);
	UNIT_CHECK(hex_decode(back, "00aFFf", 3) == 0 &&
	    memcmp(back, "\x00\xaf\xff", 3) == 0, "decoded, either case");
	UNIT_CHECK(hex_decode(back, "00 f", 2) == -1 &&
	    hex_decode(back, "0x", 1) == -1 && hex_decode(back, "a", 1) == -1,
	    "no blank, no prefix, no half byte");
}

static void
escapes(const char *in, const char *keep, const char *want)
{
	struct buf b = BUF_INIT(100);

	UNIT_CHECK(hex_escape(&b, in, strlen(in), keep, &f) == 0 &&
	    strcmp(b.data, want) == 0, "escaped: %s", want);
	buf_free(&b);
}

static void
unescapes(const char *in, size_t n, bool plus, const char *want)
{
	struct buf b = BUF_INIT(100);
	bool kept;
	int r;

	buf_add(&b, "=", 1, &f);
	r = hex_unescape(&b, in, n, plus, &f);
	kept = b.len == 1 && strcmp(b.data, "=") == 0;
	if (want == NULL)
		UNIT_CHECK(r == -1 && f.status == EX_DATAERR && kept,
		    "refused, and nothing was added: %s", in);
	else
		UNIT_CHECK(r == 0 && strcmp(b.data + 1, want) == 0 &&
		    b.len == 1 + strlen(want), "undone: %s", in);
	buf_free(&b);
}

int
main(void)
{
	struct buf small = BUF_INIT(4);

	test_digits();
	escapes("aZ09-_.~", "", "aZ09-_.~");
	escapes("a b/\xc3\xa9%", "", "a%20b%2F%C3%A9%25");
	escapes("a/b?c", "/", "a/b%3Fc");
	escapes("", "", "");
	unescapes("a%20b+c%2f%2F", 13, false, "a b+c//");
	unescapes("a+b%2B", 6, true, "a b+");
	unescapes("%c3%A9", 6, false, "\xc3\xa9");
	unescapes("", 0, false, "");
	unescapes("a%2", 3, false, NULL);
	unescapes("a%", 2, false, NULL);
	unescapes("a%2g", 4, false, NULL);
	unescapes("a%%41", 5, false, NULL);
	unescapes("a%00b", 5, false, NULL);
	unescapes("a\0b", 3, false, NULL);
	/* What is behind the length is not looked at. */
	unescapes("a%41", 3, false, NULL);
	unescapes("%41%42", 3, false, "A");
	UNIT_CHECK(hex_escape(&small, "abcde", 5, "", &f) == -1 &&
	    small.len == 0, "no room");
	buf_free(&small);
	return unit_end();
}
