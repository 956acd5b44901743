/* core/span: what is JSON, what is not, and where its values lie */

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "core/span.h"
#include "unit.h"

static struct fail f;

/*
 * The text in a heap block of its very size, so that a sanitizer or valgrind
 * sees a read past its end.
 */
static int
parse(const char *text, size_t len)
{
	char *p = malloc(len == 0 ? 1 : len);
	struct span s;
	int r;

	if (p == NULL)
		abort();
	memcpy(p, text, len);
	r = span_parse(&s, p, len, &f);
	free(p);
	return r;
}

#define T(s)	{ s, sizeof(s) - 1 }
struct text {
	const char	*text;
	size_t		 len;
};

static const struct text good[] = {
	T("null"), T("true"), T("false"), T("0"), T("-0"), T("12"), T("-1.5"),
	T("1e400"), T("1E+2"), T("1e-400"), T("0.10"), T("0e1"), T("123e65"),
	T("123456789012345678901234567890"), T("\"\""), T(" [] "), T("{}"),
	T("\t\r\n 1 \t\r\n"), T("[1,2]"), T("[ 1 , [ ] , { } ]"),
	T("{\"a\":1,\"a\":2}"), T("{\"\":{\"\":[]}}"), T("{\"a\\u0000b\":0}"),
	T("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), T("\"\\u0000\\u001f\\uFFFF\""),
	T("\"\\ud83d\\ude00\""), T("\"\\uDBFF\\uDFFF\""), T("\"\x7f\""),
	T("\"\xc2\x80\xdf\xbf\""), T("\"\xe0\xa0\x80\xe1\x80\x80\""),
	T("\"\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\""),
	T("\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\""), T("\"\xe2\x80\xa8\""),
	T("{\"$serde_json::private::Number\":\"5\"}"),
};

static const struct text bad[] = {
	T(""), T(" "), T("\n"), T("tru"), T("trux"), T("True"), T("nul"),
	T("nulll"), T("NaN"), T("Infinity"), T("-Infinity"), T("-"), T("+1"),
	T("01"), T("-01"), T("1."), T(".5"), T("1.e1"), T("1e"), T("1e+"),
	T("0x10"), T("1_000"), T("1 2"), T("--1"), T("- 1"), T("1.2.3"),
	T("2.e3"), T("0e"), T("1a"), T("'a'"), T("\""), T("\"a"), T("\"\\\""),
	T("\"\\"), T("\"\\a\""), T("\"\\'\""), T("\"\\u\""), T("\"\\u12\""),
	T("\"\\u123g\""), T("\"\\U0041\""), T("\"\\x41\""), T("\"\\u00"),
	T("\"\\ud800\""), T("\"\\udc00\""), T("\"\\ud800\\ud800\""),
	T("\"\\ud800x\""), T("\"\\ud800\\n\""), T("\"\\ud800\\u0041\""),
	T("\"\\ude00\\ud83d\""), T("\"\\udc00\\udc00\""),
	T("\"\\ud83d\\ude0\""), T("\"\\ud83d\\u"),
	T("\"\0\""), T("\"\n\""), T("\"\t\""), T("\"\x1f\""), T("[\0]"),
	T("\"\x80\""), T("\"\xbf\""), T("\"\xc0\x80\""), T("\"\xc1\xbf\""),
	T("\"\xc2\""), T("\"\xc2"), T("\"\xc2\x20\""), T("\"\xe0\x9f\xbf\""),
	T("\"\xed\xa0\x80\""), T("\"\xed\xbf\xbf\""), T("\"\xe2\x80\""),
	T("\"\xe2\x80"), T("\"\xf0\x8f\xbf\xbf\""), T("\"\xf4\x90\x80\x80\""),
	T("\"\xf5\x80\x80\x80\""), T("\"\xff\""), T("\"\xf0\x90\x80\""),
	T("\"\xf0\x90\x80\xc0\""), T("["), T("]"), T("[1"), T("[1,"),
	T("[1,]"), T("[,1]"), T("[1 2]"), T("[1,,2]"), T("[1}"), T("[}"),
	T("{"), T("}"), T("{]"), T("{\"a\"}"), T("{\"a\":}"), T("{\"a\":1,}"),
	T("{\"a\" 1}"), T("{a:1}"), T("{1:1}"), T("{\"a\":1 \"b\":2}"),
	T("{\"a\":1]"), T("{,}"), T("{\"a\"::1}"), T("{\"a\":1,\"b\"}"),
	T("[]]"), T("[] x"), T("{}{}"), T("1 // no"), T("/**/1"),
	T("\xef\xbb\xbf{}"), T("\xef\xbb\xbf"), T("\xff\xfe{\0}\0"),
	T("[\v1]"), T("[\f1]"), T("\xc2\xa0" "1"), T("*"), T("[\"a\",\n4\n,1,"),
	T("{}\0"), T("1\0"),
};

static void
verdicts(void)
{
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		UNIT_CHECK(parse(good[i].text, good[i].len) == 0,
		    "takes good text %zu", i);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		UNIT_CHECK(parse(bad[i].text, bad[i].len) == -1 &&
		    f.status == EX_DATAERR, "refuses bad text %zu", i);
	UNIT_CHECK(parse("[1,x", 4) == -1 &&
	    strcmp(f.msg, "not JSON at byte 3: expected a value") == 0,
	    "says where and what");
	UNIT_CHECK(parse("[1, ", 4) == -1 &&
	    strcmp(f.msg, "not JSON: ends early, at byte 4") == 0,
	    "says that it ends early");
}

/* n arrays, or objects, inside each other. */
static int
nested(size_t n, bool objects)
{
	size_t unit = objects ? 5 : 1, i;
	char *p = malloc(n * (unit + 1) + 1), *q = p;
	int r;

	if (p == NULL)
		abort();
	for (i = 0; i < n; i++) {
		memcpy(q, objects ? "{\"a\":" : "[", unit);
		q += unit;
	}
	if (objects)
		*q++ = '1';
	for (i = 0; i < n; i++)
		*q++ = objects ? '}' : ']';
	r = parse(p, (size_t)(q - p));
	free(p);
	return r;
}

static void
depth(void)
{
	UNIT_CHECK(nested(127, false) == 0, "127 arrays");
	UNIT_CHECK(nested(128, false) == -1 &&
	    strstr(f.msg, "byte 127: nested too deep") != NULL, "128 arrays");
	UNIT_CHECK(nested(127, true) == 0, "127 objects");
	UNIT_CHECK(nested(128, true) == -1, "128 objects");
	UNIT_CHECK(nested(1000000, false) == -1, "a million arrays");
}

/* Every kind of trouble at every place that a wide scan could jump over. */
static void
places(void)
{
	static const struct text trouble[] = {
		T("\n"), T("\x01"), T("\x80"), T("\xc0\x80"), T("\\q"),
		T("\\ud800"), T("\xed\xa0\x80"), T("\xff"), T("\0"), T("\x1f"),
	};
	static const struct text fine[] = {
		T("\\\""), T("\\\\"), T("\xc3\xa9"), T("\\u00e9"), T("\x7f"),
		T("!"), T("#"), T(" "), T("\xf0\x9f\x98\x80"), T("["), T("]"),
	};
	char text[256];
	struct span s, v;
	size_t at, i;
	int wrong = 0;

	for (at = 0; at < 200; at++) {
		memset(text, 'x', sizeof(text));
		text[0] = '"';
		for (i = 0; i < sizeof(trouble) / sizeof(trouble[0]); i++) {
			memset(text + 1, 'x', 230);
			memcpy(text + 1 + at, trouble[i].text, trouble[i].len);
			text[230] = '"';
			wrong += parse(text, 231) != -1;
		}
		for (i = 0; i < sizeof(fine) / sizeof(fine[0]); i++) {
			memset(text, 'x', sizeof(text));
			memcpy(text, "[\"", 2);
			memcpy(text + 2 + at, fine[i].text, fine[i].len);
			memcpy(text + 231, "\",7]", 4);
			wrong += parse(text, 235) != 0;
			const char *pos = NULL;
			wrong += span_parse(&s, text, 235, &f) != 0 ||
			    span_next(&s, &pos, NULL, &v) != 1 ||
			    v.len != 231 ||
			    span_next(&s, &pos, NULL, &v) != 1 ||
			    v.len != 1 || *v.at != '7' ||
			    span_next(&s, &pos, NULL, &v) != 0;
		}
		/* Cut short at every place. */
		memset(text, 'x', sizeof(text));
		text[0] = '"';
		wrong += parse(text, at + 1) != -1;
	}
	UNIT_CHECK(wrong == 0, "finds trouble at every offset");
}

static bool
same(const struct span *s, const char *text)
{
	return s->len == strlen(text) && memcmp(s->at, text, s->len) == 0;
}

static void
lookup(void)
{
	const char *t = " { \"a\" : 1.50 , \"\\u0062\":[ {\"x\":\"]}\\\"\"} ],"
	    "\"c\":{\"c\":true},\"d\":\"\\\\\",\"a\\u0000\":2,\"e\":null}\n";
	struct span s, v, n;
	const char *pos = NULL;

	UNIT_CHECK(span_parse(&s, t, strlen(t), &f) == 0, "a document");
	UNIT_CHECK(s.at == t + 1 && s.len == strlen(t) - 2,
	    "outer white space is not of the value");
	UNIT_CHECK(span_get(&s, "a", &v, &f) == 1 && same(&v, "1.50"),
	    "a number, as spelled");
	UNIT_CHECK(span_get(&s, "b", &v, &f) == 1 &&
	    same(&v, "[ {\"x\":\"]}\\\"\"} ]"), "an array, its name escaped");
	UNIT_CHECK(span_get(&s, "c", &v, &f) == 1 && same(&v, "{\"c\":true}"),
	    "an object");
	UNIT_CHECK(span_get(&s, "d", &v, &f) == 1 && same(&v, "\"\\\\\""),
	    "a string that ends in a backslash");
	UNIT_CHECK(span_get(&s, "e", &v, &f) == 1 && span_is_null(&v), "null");
	UNIT_CHECK(span_get(&s, "x", &v, &f) == 0, "an absent member");
	UNIT_CHECK(span_get(&v, "a", &v, &f) == 0, "a member of no object");
	UNIT_CHECK(span_next(&s, &pos, &n, &v) == 1 && same(&n, "\"a\"") &&
	    span_next(&s, &pos, &n, &v) == 1 && same(&n, "\"\\u0062\"") &&
	    span_next(&s, &pos, &n, &v) == 1 &&
	    span_next(&s, &pos, &n, &v) == 1 &&
	    span_next(&s, &pos, &n, &v) == 1 &&
	    span_next(&s, &pos, &n, &v) == 1 && same(&v, "null") &&
	    span_next(&s, &pos, &n, &v) == 0, "a walk in order");

	t = "{\"u\":1,\"\\u0075\":2,\"x\":{\"u\":0,\"u\":0}}";
	UNIT_CHECK(span_parse(&s, t, strlen(t), &f) == 0, "repeated members");
	UNIT_CHECK(span_get(&s, "u", &v, &f) == -1 && f.status == EX_DATAERR &&
	    strncmp(f.msg, "u: ", 3) == 0, "one looked for is refused");
	UNIT_CHECK(span_get(&s, "x", &v, &f) == 1, "others are not");

	t = "[ 1 , \"two\",[],{} ]";
	pos = NULL;
	UNIT_CHECK(span_parse(&s, t, strlen(t), &f) == 0 &&
	    span_get(&s, "1", &v, &f) == 0 &&
	    span_next(&s, &pos, NULL, &v) == 1 && same(&v, "1") &&
	    span_next(&s, &pos, NULL, &v) == 1 && same(&v, "\"two\"") &&
	    span_next(&s, &pos, NULL, &v) == 1 && same(&v, "[]") &&
	    span_next(&s, &pos, NULL, &v) == 1 && same(&v, "{}") &&
	    span_next(&s, &pos, NULL, &v) == 0, "an array's walk");
	pos = NULL;
	UNIT_CHECK(span_parse(&s, "\"x\"", 3, &f) == 0 &&
	    span_next(&s, &pos, NULL, &v) == 0, "a string holds no values");
}

static void
picks(void)
{
	const char *t = "{\"a\":{\"b\":[{\"b\":0}],\"c\":1,\"d\":{\"b\":9}},"
	    "\"b\":2,\"x\":[{\"a\":{\"b\":3}}],\"y\":{\"a\":{\"b\":4}},"
	    "\"\\u0065\":\"5\",\"a\\u0000\":1,\"z\":{\"z\":1,\"z\":2},"
	    "\"w\":1,\"w\":{\"z\":[] } }";
	struct span_pick p[] = {
		{ .path = { "a" } }, { .path = { "a", "b" } },
		{ .path = { "b" } }, { .path = { "e" } },
		{ .path = { "a", "z" } }, { .path = { "z", "z" } },
		{ .path = { "w" } }, { .path = { "w", "z" } },
		{ .path = { "b", "b" } }, { .path = { "nil" } },
	};
	struct span s;

	UNIT_CHECK(span_pick(&s, t, strlen(t), p, 10, &f) == 0 &&
	    s.len == strlen(t), "members by path");
	UNIT_CHECK(span_picked(&p[0], &f) == 1 && same(&p[0].value,
	    "{\"b\":[{\"b\":0}],\"c\":1,\"d\":{\"b\":9}}"), "a");
	UNIT_CHECK(span_picked(&p[1], &f) == 1 &&
	    same(&p[1].value, "[{\"b\":0}]"), "a.b");
	UNIT_CHECK(span_picked(&p[2], &f) == 1 && same(&p[2].value, "2"),
	    "b of the root only");
	UNIT_CHECK(span_picked(&p[3], &f) == 1 && same(&p[3].value, "\"5\""),
	    "a name spelled with an escape");
	UNIT_CHECK(span_picked(&p[4], &f) == 0 && p[4].value.at == NULL &&
	    span_picked(&p[8], &f) == 0 && span_picked(&p[9], &f) == 0,
	    "absent ones");
	UNIT_CHECK(span_picked(&p[5], &f) == -1 && f.status == EX_DATAERR &&
	    strncmp(f.msg, "z.z: there twice", 16) == 0, "z.z twice");
	UNIT_CHECK(span_picked(&p[6], &f) == -1 &&
	    strncmp(f.msg, "w: there twice", 14) == 0, "w twice");
	UNIT_CHECK(span_picked(&p[7], &f) == 1 && same(&p[7].value, "[]"),
	    "below one of them");
	UNIT_CHECK(span_pick(&s, "[{\"a\":1}]", 9, p, 10, &f) == 0 &&
	    span_picked(&p[0], &f) == 0, "nothing below an array");
	UNIT_CHECK(span_pick(&s, "{\"a\":1", 6, p, 10, &f) == -1,
	    "a text cut short");
}

static size_t
depth_of(const char *text)
{
	struct span s;

	return span_parse(&s, text, strlen(text), &f) == 0 ?
	    span_depth(&s) : 999;
}

static void
strings(void)
{
	struct buf b = BUF_INIT(1000), small = BUF_INIT(3);
	const char *t = "\"A\\u0041\\/\\n\\u00e9\\u20ac\\ud83d\\ude00"
	    "\xc3\xa9\\u0000z\"";
	struct span s;

	UNIT_CHECK(span_parse(&s, t, strlen(t), &f) == 0 &&
	    span_string(&s, &b, &f) == 0 && b.len == 17 &&
	    memcmp(b.data, "AA/\n\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"
	    "\xc3\xa9\0z", 17) == 0, "escapes undone, NUL kept");
	UNIT_CHECK(span_parse(&s, "\"abcd\"", 6, &f) == 0 &&
	    span_string(&s, &small, &f) == -1 && small.len == 0,
	    "a string over the ceiling");
	UNIT_CHECK(span_parse(&s, "12", 2, &f) == 0 &&
	    span_string(&s, &b, &f) == -1 && b.len == 17,
	    "a number is no string");
	UNIT_CHECK(!span_equals(&s, "12"), "a number equals no text");
	span_parse(&s, "\"ab\"", 4, &f);
	UNIT_CHECK(span_equals(&s, "ab") && !span_equals(&s, "a") &&
	    !span_equals(&s, "abc") && !span_equals(&s, "ac"), "plain names");
	span_parse(&s, "\"\\u0061b\"", 9, &f);
	UNIT_CHECK(span_equals(&s, "ab") && !span_equals(&s, "\\u0061b") &&
	    !span_equals(&s, "abc"), "an escaped name");
	span_parse(&s, "\"\\\\\"", 4, &f);
	UNIT_CHECK(span_equals(&s, "\\") && !span_equals(&s, "\\\\"),
	    "a backslash");
	span_parse(&s, "\"a\\u0000\"", 9, &f);
	UNIT_CHECK(!span_equals(&s, "a"), "a NUL ends no name");
	span_parse(&s, "\"\"", 2, &f);
	UNIT_CHECK(span_equals(&s, "") && !span_equals(&s, "a"), "no name");
	buf_free(&b);
	buf_free(&small);
}

int
main(void)
{
	verdicts();
	depth();
	places();
	lookup();
	picks();
	UNIT_CHECK(depth_of("1") == 0 && depth_of("\"[[\"") == 0 &&
	    depth_of("[]") == 1 && depth_of("[{\"]\":[]},[[[]]],1]") == 4,
	    "how deep");
	strings();
	return unit_end();
}
