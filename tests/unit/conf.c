/* "name = value" lines: lib/core/conf.h. */

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "core/conf.h"
#include "unit.h"

/* What set() was told: "3:name=value;" for each. */
static char told[400];

static int
set(void *arg, const char *name, const char *value, unsigned line,
    struct fail *f)
{
	size_t n = strlen(told);

	if (strcmp(name, "other") == 0)
		return CONF_UNKNOWN;
	if (strcmp(value, "bad") == 0)
		return fail_set(f, EX_CONFIG, "is bad");
	snprintf(told + n, sizeof(told) - n, "%s%u:%s=%s;", (char *)arg, line,
	    name, value);
	return 0;
}

static int
parse(const char *text, struct fail *f)
{
	struct buf b = BUF_INIT(1000);
	char mark[] = "";
	int r;

	told[0] = '\0';
	if (buf_adds(&b, text, f) == -1)
		abort();
	r = conf_parse(&b, "F", set, mark, f);
	buf_free(&b);
	return r;
}

static void
good(const char *text, const char *wanted)
{
	struct fail f = { 0, "" };
	int r = parse(text, &f);

	UNIT_CHECK(r == 0 && strcmp(told, wanted) == 0, "\"%s\" %s", told,
	    f.msg);
}

static void
bad(const char *text, const char *wanted)
{
	struct fail f = { 0, "" };
	int r = parse(text, &f);

	UNIT_CHECK(r == -1 && f.status == EX_CONFIG &&
	    strcmp(f.msg, wanted) == 0, "%s", f.msg);
}

int
main(void)
{
	struct buf none = BUF_INIT(1);
	struct fail f;

	UNIT_CHECK(conf_parse(&none, "F", set, NULL, &f) == 0, "no text");
	good("a = b\n", "1:a=b;");
	good("a=b", "1:a=b;");
	good("\t a \t=\t b c \t\r\n\n#d = e\n  # f\nx_y = =z=#\n",
	    "1:a=b c;5:x_y==z=#;");
	bad("a = b\nhidden\n", "F:2: not NAME = VALUE");
	bad("a = b\nother = hidden\n", "F:2: other: no such setting");
	bad("hid den = b\n", "F:1: no such setting");
	bad("Hidden = b\n", "F:1: no such setting");
	bad("= hidden\n", "F:1: no such setting");
	bad("a = bad\n", "F:1: a: is bad");
	good("\xef\xbb\xbf" "a = 1\n", "1:a=1;");
	good("\xef\xbb\xbf", "");
	bad("a = 1\n\xef\xbb\xbf" "b = 1\n", "F:2: no such setting");
	bad("a =\n", "F:1: a: empty");
	bad("a = \n", "F:1: a: empty");
	bad("a = hid\001den\n", "F:1: a: control byte");
	bad("a = hid\177den\n", "F:1: a: control byte");
	bad("a = hid\rden\n", "F:1: a: control byte");
	return unit_end();
}
