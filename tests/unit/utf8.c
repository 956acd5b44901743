/* UTF-8 read strictly, and bytes made safe to show */
#include <string.h>

#include "core/quote.h"
#include "core/utf8.h"
#include "unit.h"

static int
rune(const char *s, size_t len, uint32_t want)
{
	uint32_t r = 0;

	return utf8_rune(s, strlen(s), &r) == len && (len == 0 || r == want);
}

/* Written, it reads back. */
static int
put(uint32_t r, size_t len)
{
	uint32_t got = 0;
	char c[5] = "";

	return utf8_put(c, r) == len && utf8_rune(c, len, &got) == len &&
	    got == r && c[len] == '\0';
}

static int
quoted(const char *s, const char *want)
{
	struct buf b = BUF_INIT(1000);
	struct fail f;
	int same;

	same = quote_add(&b, s, strlen(s), &f) == 0 && b.data != NULL &&
	    strcmp(b.data, want) == 0;
	buf_free(&b);
	return same;
}

int
main(void)
{
	UNIT_CHECK(rune("a", 1, 'a') && rune("\xc3\xa9", 2, 0xe9) &&
	    rune("\xe2\x98\xba", 3, 0x263a) &&
	    rune("\xf0\x9f\x98\x80", 4, 0x1f600) &&
	    rune("\xf4\x8f\xbf\xbf", 4, 0x10ffff), "one to four bytes");
	UNIT_CHECK(rune("", 0, 0) && rune("\x80", 0, 0) && rune("\xff", 0, 0) &&
	    rune("\xc3", 0, 0) && rune("\xc3(", 0, 0) &&
	    rune("\xe2\x98", 0, 0), "stray and missing bytes");
	UNIT_CHECK(rune("\xc0\x80", 0, 0) && rune("\xc1\xbf", 0, 0) &&
	    rune("\xe0\x9f\xbf", 0, 0) && rune("\xf0\x8f\xbf\xbf", 0, 0),
	    "overlong forms");
	UNIT_CHECK(rune("\xed\xa0\x80", 0, 0) && rune("\xed\xbf\xbf", 0, 0) &&
	    rune("\xf4\x90\x80\x80", 0, 0), "surrogates, past the end");
	UNIT_CHECK(put(1, 1) && put(0x7f, 1) && put(0x80, 2) &&
	    put(0x7ff, 2) && put(0x800, 3) && put(0xffff, 3) &&
	    put(0x10000, 4) && put(0x10ffff, 4), "written");
	UNIT_CHECK(quoted("caf\xc3\xa9 \xe2\x98\xba", "caf\xc3\xa9 \xe2\x98\xba"),
	    "text stays");
	UNIT_CHECK(quoted("a\nb\\c\x1b\x7f", "a\\012b\\134c\\033\\177"),
	    "controls and backslashes");
	UNIT_CHECK(quoted("\xc2\x9b\xff\xc3", "\\302\\233\\377\\303"),
	    "C1 controls and stray bytes");
	return unit_end();
}
