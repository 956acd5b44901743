/* Links in answers: http_link() of lib/core/http.h. */

#include <string.h>
#include <sysexits.h>

#include "core/http.h"
#include "unit.h"

#define BASE	"https://h.example:8443/a/b?p=1"

static void
leads(const char *base, const char *link, const char *want)
{
	struct buf b = BUF_INIT(1000);
	struct fail f = { .status = 0 };
	int r = http_link(base, link, &b, &f);

	if (want == NULL)
		UNIT_CHECK(r == -1 && f.status == EX_PROTOCOL && b.len == 0,
		    "%s is not followed", link);
	else
		UNIT_CHECK(r == 0 && strcmp(b.data, want) == 0,
		    "%s leads to %s: %s", link, want,
		    r == 0 ? b.data : f.msg);
	buf_free(&b);
}

int
main(void)
{
	leads(BASE, "https://h.example:8443/x", "https://h.example:8443/x");
	leads(BASE, "HTTPS://H.example:8443/x", "https://H.example:8443/x");
	leads(BASE, "//h.example:8443/x#y", "https://h.example:8443/x");
	leads(BASE, "/x/../y?q", "https://h.example:8443/y?q");
	leads(BASE, "c", "https://h.example:8443/a/c");
	leads(BASE, "?p=2", "https://h.example:8443/a/b?p=2");
	leads("https://h/a", "https://h:443/b", "https://h:443/b");
	leads(BASE, "https://h.example/x", NULL);
	leads(BASE, "http://h.example:8443/x", NULL);
	leads(BASE, "https://h.example:8443@evil/x", NULL);
	leads(BASE, "https://h.example.evil:8443/x", NULL);
	leads(BASE, "https://u:p@h.example:8443/x", NULL);
	leads(BASE, "https://u@h.example:8443/x", NULL);
	leads(BASE, "//evil:8443/", NULL);
	leads(BASE, "file:///etc/passwd", NULL);
	leads(BASE, "https://[::1", NULL);
	leads(BASE, "/a\nb", NULL);
	leads(BASE, "/a b", NULL);
	leads(BASE, "/a\177", NULL);
	leads(BASE, " /a", NULL);
	return unit_end();
}
