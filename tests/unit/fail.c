/* What a message shows of text from outside: lib/core/fail.h. */

#include <errno.h>
#include <string.h>

#include "core/fail.h"
#include "unit.h"

static void
shows(const char *in, size_t max, const char *want)
{
	char out[200];

	fail_show(out, sizeof(out), in, max);
	UNIT_CHECK(strcmp(out, want) == 0, "<%s> shows <%s>", want, out);
}

int
main(void)
{
	char small[8];
	struct fail f;

	fail_set(&f, 1, "a%s", "\n\033[1m\177\302\233\302\240");
	UNIT_CHECK(strcmp(f.msg, "a??[1m??\302\240") == 0, "set: %s", f.msg);
	fail_in(&f, "b\rc");
	UNIT_CHECK(strcmp(f.msg, "b?c: a??[1m??\302\240") == 0, "in: %s",
	    f.msg);
	errno = ENOENT;
	fail_sys(&f, 1, "%s", "d\033");
	UNIT_CHECK(strncmp(f.msg, "d?: No such", 11) == 0, "sys: %s", f.msg);
	shows("plain", 100, "plain");
	shows("a\nb\033[1mc\177", 100, "a?b?[1mc?");
	shows("GET http://h/p?X-Amz-Signature=f00 failed", 100,
	    "GET http://h/p? failed");
	shows("{\"url\":\"https://h/p?sig=1\",\"b\":\"c?d\"}", 100,
	    "{\"url\":\"https://h/p?\",\"b\":\"c?d\"}");
	shows("really?", 100, "really?");
	shows("http://user:pa@ss@h:1/p no:b@d", 100, "http://h:1/p no:b@d");
	shows("two http://u:p@h https://v@i", 100, "two http://h https://i");
	shows("http://user:password@h/", 14, "http://...");
	shows("https://h/a@b", 100, "https://h/a@b");
	shows("a\302\233m b\302\240\303\233", 100, "a?m b\302\240\303\233");
	shows("a\377b\233c\303", 100, "a?b?c?");
	shows("0123456789", 4, "0123...");
	shows("012\303\251", 4, "012...");
	shows("012\303\251", 5, "012\303\251");
	shows("http://h/?secret", 10, "http://h/?");
	fail_show(small, sizeof(small), "0123456789", 100);
	UNIT_CHECK(strlen(small) < sizeof(small), "a small room: %s", small);
	return unit_end();
}
