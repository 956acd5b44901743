#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "region/sandbox/outlog.h"
#include "unit.h"

static struct outlog l;
static struct outlog_line line = OUTLOG_LINE_INIT;
static uint64_t off;

static int
next(void)
{
	struct fail f;

	return outlog_read(&l, &off, l.size, &line, &f);
}

static void
feed(enum outlog_stream s, const char *text)
{
	outlog_feed(&l, s, text, strlen(text), 42);
}

static int
gives(enum outlog_stream s, const char *text)
{
	return next() == 1 && line.stream == s && line.time_ms == 42 &&
	    line.text.len == strlen(text) &&
	    memcmp(line.text.data, text, line.text.len) == 0;
}

static void
order(void)
{
	feed(OUTLOG_OUT, "a\nb");
	feed(OUTLOG_ERR, "x\r\n\n");
	feed(OUTLOG_OUT, "c\n");
	UNIT_CHECK(gives(OUTLOG_OUT, "a"), "the first line");
	UNIT_CHECK(gives(OUTLOG_ERR, "x"), "a CR goes");
	UNIT_CHECK(gives(OUTLOG_ERR, ""), "an empty line");
	UNIT_CHECK(gives(OUTLOG_OUT, "bc"), "a line in two pieces");
	UNIT_CHECK(next() == 0, "no more for now");
	feed(OUTLOG_ERR, "end");
	feed(OUTLOG_OUT, "\r");
	UNIT_CHECK(next() == 0, "an unfinished line is none");
	outlog_end(&l, 42);
	UNIT_CHECK(gives(OUTLOG_OUT, "\r"), "until the end");
	UNIT_CHECK(gives(OUTLOG_ERR, "end"), "of either stream");
	off = 0;
	UNIT_CHECK(gives(OUTLOG_OUT, "a"), "once more from the start");
}

static void
utf8(void)
{
	static const struct {
		const char *in, *out;
	} t[] = {
		{ "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
		{ "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80" },
		{ "a\xff" "b", "a\xef\xbf\xbd" "b" },
		{ "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
		    "\xef\xbf\xbd" },
	};
	struct buf b = BUF_INIT(1000);
	struct fail f;
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		buf_clear(&b);
		UNIT_CHECK(outlog_utf8(&b, t[i].in, strlen(t[i].in),
		    &f) == 0 && strcmp(b.data, t[i].out) == 0,
		    "valid UTF-8 of text %zu", i);
	}
	buf_free(&b);
}

static void
long_line(void)
{
	size_t n = OUTLOG_LINE_MAX + 10, i;
	char *s = malloc(n);

	/* The limit lies in the middle of a character. */
	for (i = 0; i < n; i++)
		s[i] = "\xe2\x82\xac"[i % 3];
	off = l.size;
	outlog_feed(&l, OUTLOG_OUT, s, n - n % 3, 42);
	feed(OUTLOG_OUT, "\n");
	UNIT_CHECK(next() == 1 && line.text.len == OUTLOG_LINE_MAX -
	    OUTLOG_LINE_MAX % 3 && line.text.data[line.text.len - 1] ==
	    '\xac', "a long line is split between characters");
	UNIT_CHECK(next() == 1 && line.text.len == n - n % 3 -
	    (OUTLOG_LINE_MAX - OUTLOG_LINE_MAX % 3) &&
	    line.text.data[0] == '\xe2', "the rest follows");
	UNIT_CHECK(next() == 0, "and that was it");
	free(s);
}

static void
limit(void)
{
	char text[40];
	unsigned i, last, n;
	struct fail f;

	outlog_close(&l);
	UNIT_CHECK(outlog_open(&l, "/tmp", 100, &f) == 0, "a small log");
	off = 0;
	feed(OUTLOG_OUT, "first\n");
	for (i = 0; i < 20; i++)
		feed(OUTLOG_OUT, "0123456789");
	feed(OUTLOG_OUT, "\nmore\npart");
	UNIT_CHECK(l.full, "is full");
	UNIT_CHECK(next() == 1 && strcmp(line.text.data, "first") == 0,
	    "keeps its beginning");
	UNIT_CHECK(next() == 0, "and nothing more for now");
	outlog_end(&l, 43);
	UNIT_CHECK(next() == 1 && line.text.len == 200,
	    "at the end, the last");
	UNIT_CHECK(next() == 1 && strcmp(line.text.data, "more") == 0 &&
	    next() == 1 && strcmp(line.text.data, "part") == 0 && next() == 0,
	    "to the last byte; none is missing, so none is said to be");

	outlog_close(&l);
	UNIT_CHECK(outlog_open(&l, "/tmp", 100, &f) == 0, "another");
	off = 0;
	for (i = 0; i < 50000; i++) {
		snprintf(text, sizeof(text), "line %u\n", i);
		feed(i % 2 == 0 ? OUTLOG_OUT : OUTLOG_ERR, text);
	}
	outlog_end(&l, 43);
	for (n = 0; next() == 1 && line.text.data[0] == 'l'; n++)
		;
	UNIT_CHECK(n > 0 && sscanf(line.text.data, "[%u lines over the limit "
	    "are not kept]", &last) == 1 && next() == 1 &&
	    sscanf(line.text.data, "line %u", &i) == 1 && i == n + last,
	    "so many lines are missing: %s", line.text.data);
	for (n = 1; next() == 1; n++)
		;
	UNIT_CHECK(i + n == 50000 && n > 5000, "and the last %u are there", n);
}

int
main(void)
{
	struct fail f;

	UNIT_CHECK(outlog_open(&l, "/tmp", OUTLOG_MAX, &f) == 0, "opened");
	UNIT_CHECK(next() == 0, "nothing in it");
	order();
	utf8();
	long_line();
	limit();
	outlog_close(&l);
	UNIT_CHECK(outlog_open(&l, "/no/such", 1, &f) == -1, "no folder");
	outlog_close(&l);
	buf_free(&line.text);
	return unit_end();
}
