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

/* What has fooled those who look for tags; NULL: refused. */
static void
table(void)
{
	static const struct { const char *text, *told; } rows[] = {
		{ "<E><!-- <C>no</C> --><C>yes</C></E>", "E/C=yes;E=;" },
		{ "<E><![CDATA[<C>no</C>]]><C>yes</C></E>", "E/C=yes;E=;" },
		{ "<E><C>a<![CDATA[<&]]>b</C></E>", "E/C=a<&b;E=;" },
		{ "<E><?x <C>no</C> ?><C>yes</C></E>", "E/C=yes;E=;" },
		{ "<E a='<C>no</C>'/>", NULL },
		{ "<E a='&lt;C>no&lt;/C>'><C>yes</C></E>", "E/C=yes;E=;" },
		{ "<E><x><C>deep</C></x></E>", "E/x/C=deep;E/x=;E=;" },
		{ "<E xmlns='s'><C>yes</C><o:C xmlns:o='o'>no</o:C></E>",
		    "E/C=yes;E/o C=no;E=;" },
		{ "<E><C xmlns='o'>no</C></E>", "E/o C=no;E=;" },
		{ "<s:E xmlns:s='s'><C>no</C></s:E>", "E/C=no;E=;" },
		{ "<E><c:C>no</c:C></E>", NULL },
		{ "<E ><C\n>yes</C ></E\t>", "E/C=yes;E=;" },
		{ "<?xml version='1.0' encoding='UTF-8'?>\n<E/>\n", "E=;" },
		{ "<E/><E/>", NULL },
		{ "<E/>text", NULL },
		{ "text<E/>", NULL },
		{ "<E></e>", NULL },
		{ "<E><C></E></C>", NULL },
		{ "<E a=1/>", NULL },
		{ "<E a='1' a='2'/>", NULL },
		{ "<E>&unknown;</E>", NULL },
		{ "<E>&#0;</E>", NULL },
		{ "<E>\001</E>", NULL },
		{ "<E>\xff</E>", NULL },
		{ "<!DOCTYPE E><E/>", NULL },
		{ "<!DOCTYPE E [<!ENTITY a 'b'>]><E>&a;</E>", NULL },
		{ "", NULL }, { "E", NULL }, { "<", NULL }, { "<E", NULL },
	};
	struct fail f;
	size_t i;
	int r;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		r = reads(rows[i].text, "", &f);
		UNIT_CHECK(rows[i].told == NULL ? r == -1 &&
		    f.status == EX_PROTOCOL : r == 0 &&
		    strcmp(told, rows[i].told) == 0, "table, %zu: %s", i,
		    told);
	}
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
	table();
	UNIT_CHECK(reads("<a>&#xd800;</a>", "", &f) == -1, "half a character");
	UNIT_CHECK(reads("<a><b>1</b><c>", "", &f) == -1 &&
	    f.status == EX_PROTOCOL && strstr(f.msg, "not XML: no element"),
	    "cut short: %s", f.msg);

	UNIT_CHECK(xml_add(&b, "a<b>&\"\001", &f) == 0 &&
	    strcmp(b.data, "a&lt;b&gt;&amp;\"&#x1;") == 0, "added: %s",
	    b.data);
	buf_free(&b);
	return unit_end();
}
