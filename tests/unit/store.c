#include <string.h>
#include <sysexits.h>

#include "core/store.h"
#include "unit.h"

static int
parse(const char *s, struct store_answer *a)
{
	struct fail f;

	return store_parse(a, s, strlen(s), &f);
}

static int
refused(long status, const char *body, struct fail *f)
{
	struct http_reply r = HTTP_REPLY_INIT;
	int got;

	r.body.max = BUF_SMALL_MAX;
	buf_adds(&r.body, body, f);
	r.status = status;
	got = store_refused(&r, "part 1", f);
	http_reply_free(&r);
	return got;
}

int
main(void)
{
	static const char *const broken[] = {
		"", " ", "text", "<a", "<a>", "<a><b></a></b>", "<a></a><a/>",
		"<a/>x", "x<a/>", "<a b></a>", "<a b=c/>", "<a b='c\"/>",
		"<a b='<'/>", "<a>&no;</a>", "<a>&#0;</a>", "<a>&#x;</a>",
		"<a>&#-5;</a>", "<a>&amp</a>", "<1/>", "<a><!-- </a>",
		"<!DOCTYPE a><a/>", "<a><![CDATA[</a>", "<a></a >x</a>",
		"<a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a/></a></a>"
		"</a></a></a></a></a></a></a></a></a></a></a></a></a></a>",
	};
	struct store_answer a;
	struct fail f;
	size_t i;

	UNIT_CHECK(parse("<?xml version=\"1.0\"?>\n \r\n<!-- x --><x:R "
	    "xmlns:x=\"u\" y='2'><L/><x:n>1</x:n><ETag>&quot;e&#45;&#x31;"
	    "</ETag><Code><![CDATA[a<b]]></Code></x:R>\n", &a) == 0 &&
	    strcmp(a.root, "R") == 0 && strcmp(a.etag, "\"e-1") == 0 &&
	    strcmp(a.code, "a<b") == 0, "an answer with all its parts");
	UNIT_CHECK(parse("<R/>", &a) == 0 && a.etag[0] == '\0', "an empty one");
	UNIT_CHECK(parse("<R><a><ETag>x</ETag></a></R>", &a) == 0 &&
	    a.etag[0] == '\0', "a deeper ETag is another's");
	UNIT_CHECK(parse("<R><Message>a\177\n</Message></R>", &a) == 0 &&
	    strcmp(a.message, "a??") == 0, "control bytes are masked");
	for (i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
		UNIT_CHECK(parse(broken[i], &a) == -1, "refused: %.30s",
		    broken[i]);
	UNIT_CHECK(store_parse(&a, "<a>\0</a>", 8, &f) == -1 &&
	    f.status == EX_PROTOCOL, "a NUL");

	refused(403, "<Error><Code>AccessDenied</Code><Message>see "
	    "http://x/y?sig=hush</Message></Error>", &f);
	UNIT_CHECK(f.status == EX_NOPERM && strstr(f.msg, "AccessDenied") &&
	    !strstr(f.msg, "hush"), "403: %s", f.msg);
	refused(400, "<Error><Code>RequestTimeout</Code></Error>", &f);
	UNIT_CHECK(f.status == EX_TEMPFAIL, "a passing error: %s", f.msg);
	refused(400, "<Error><Code>EntityTooSmall</Code></Error>", &f);
	UNIT_CHECK(f.status == EX_UNAVAILABLE, "a lasting one: %s", f.msg);
	refused(500, "oops", &f);
	UNIT_CHECK(f.status == EX_TEMPFAIL, "a bare 500: %s", f.msg);
	refused(200, "<Error><Code>ExpiredToken</Code></Error>", &f);
	UNIT_CHECK(f.status == EX_NOPERM, "whatever the status: %s", f.msg);
	refused(403, "<Error><Code>SomethingNew</Code></Error>", &f);
	UNIT_CHECK(f.status == EX_NOPERM, "else by the status: %s", f.msg);
	refused(501, "<Error><Code>NotImplemented</Code></Error>", &f);
	UNIT_CHECK(f.status == EX_UNAVAILABLE, "501: %s", f.msg);
	return unit_end();
}
