/* XML as stores and their clients write it: what is told of its elements. */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "core/xml.h"
#include "unit.h"

static char told[512];

/* "a/b=text;" for each. */
static int
on_element(void *arg, const struct xml_name *n, unsigned depth,
    const char *text, struct fail *f)
{
	size_t len = strlen(told);
	unsigned i;

	for (i = 0; i < depth; i++, len = strlen(told))
		snprintf(told + len, sizeof(told) - len, "%s%.*s",
		    i == 0 ? "" : "/", (int)n[i].len, n[i].at);
	snprintf(told + len, sizeof(told) - len, "=%s;", text);
	return arg != NULL && xml_is(&n[depth - 1], arg) ?
	    fail_set(f, EX_USAGE, "enough") : 0;
}

static int
reads(const char *text, const char *until, struct fail *f)
{
	char name[8] = "";

	told[0] = '\0';
	snprintf(name, sizeof(name), "%s", until);
	return xml_read(text, strlen(text), on_element,
	    *until == '\0' ? NULL : name, f);
}

int
main(void)
{
	struct buf b = BUF_INIT(64);
	struct fail f;

	UNIT_CHECK(reads("<a><b>1</b> <c x='y'/></a>", "", &f) == 0 &&
	    strcmp(told, "a/b=1;a/c=;a=;") == 0, "elements: %s", told);
	UNIT_CHECK(reads("<p:a xmlns:p='u'><p:b>1</p:b></p:a>", "", &f) == 0 &&
	    strcmp(told, "a/b=1;a=;") == 0, "without prefixes: %s", told);
	UNIT_CHECK(reads("<a>&lt;&amp;&#x263a;&#233;<!-- no -->.</a>", "",
	    &f) == 0 && strcmp(told, "a=<&\xe2\x98\xba\xc3\xa9.;") == 0,
	    "entities: %s", told);
	UNIT_CHECK(reads("<a><b>1</b><b>2</b></a>", "b", &f) == -1 &&
	    f.status == EX_USAGE && strcmp(told, "a/b=1;") == 0,
	    "who gives up is not told more: %s", told);
	UNIT_CHECK(reads("<a>&#xd800;</a>", "", &f) == -1, "half a character");
	UNIT_CHECK(reads("<a><b>1</b><c>", "", &f) == -1 &&
	    f.status == EX_PROTOCOL && strstr(f.msg, "at byte 14 of 14"),
	    "cut short: %s", f.msg);

	UNIT_CHECK(xml_add(&b, "a<b>&\"\001", &f) == 0 &&
	    strcmp(b.data, "a&lt;b&gt;&amp;\"&#x1;") == 0, "added: %s",
	    b.data);
	buf_free(&b);
	return unit_end();
}
