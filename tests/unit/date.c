/* core/date: times as documents and signatures write them */

#include <string.h>

#include "core/date.h"
#include "unit.h"

static const struct {
	const char	*text;
	long long	 want;	/* -1: none */
} rfc3339[] = {
	{ "1970-01-01T00:00:00Z", 0 },
	{ "2026-06-02T00:00:00Z", 1780358400 },
	{ "2026-06-02t00:00:00z", 1780358400 },
	{ "2026-06-02T00:00:00.999999999Z", 1780358400 },
	{ "2026-06-02T02:00:00+02:00", 1780358400 },
	{ "2026-06-01T18:30:00-05:30", 1780358400 },
	{ "2026-06-02T00:00:00+00:00", 1780358400 },
	{ "2024-02-29T12:00:00Z", 1709208000 },
	{ "", -1 }, { "Z", -1 }, { "2026", -1 },
	{ "2026-06-02T00:00:00", -1 },
	{ "2026-06-02 00:00:00Z", -1 },
	{ "2026-06-02T00:00:00ZZ", -1 },
	{ "2026-06-02T00:00:00.Z", -1 },
	{ "2026-13-02T00:00:00Z", -1 },
	{ "2026-06-02T24:00:00Z", -1 },
	{ "2026-06-02T00:60:00Z", -1 },
	{ "2026-6-2T00:00:00Z", -1 },
	{ "+026-06-02T00:00:00Z", -1 },
	{ "2026-06-02T 0:00:00Z", -1 },
	{ "2026-06-02T00:00:00+2:00", -1 },
	{ "2026-06-02T00:00:00+0200", -1 },
	{ "2026-06-02T00:00:00+24:00", -1 },
	{ "2026-06-02T00:00:00+02:60", -1 },
	{ "2026-06-02T00:00:00+02:00Z", -1 },
	{ "20260602T000000Z", -1 },
}, basic[] = {
	{ "20260602T000000Z", 1780358400 },
	{ "19700101T000001Z", 1 },
	{ "", -1 }, { "20260602", -1 },
	{ "20260602t000000z", -1 },
	{ "20260602T000000", -1 },
	{ "20260602T000000ZZ", -1 },
	{ "20261302T000000Z", -1 },
	{ "2026 602T000000Z", -1 },
	{ "2026-06-02T00:00:00Z", -1 },
}, http[] = {
	/* The three of RFC 9110 5.6.7. */
	{ "Sun, 06 Nov 1994 08:49:37 GMT", 784111777 },
	{ "Sunday, 06-Nov-94 08:49:37 GMT", 784111777 },
	{ "Sun Nov  6 08:49:37 1994", 784111777 },
	{ "", -1 }, { "Sun", -1 },
	{ "Sun, 06 Nov 1994 08:49:37", -1 },
	{ "Sun, 06 Nov 1994 08:49:37 GMT x", -1 },
	{ "Sun, 36 Nov 1994 08:49:37 GMT", -1 },
	{ "Sun, 06 Now 1994 08:49:37 GMT", -1 },
	{ "1994-11-06T08:49:37Z", -1 },
};

#define N(a)	(sizeof(a) / sizeof((a)[0]))

static void
check(int (*read)(const char *, time_t *), const char *text, long long want)
{
	time_t t = 42;
	int r = read(text, &t);

	if (want == -1)
		UNIT_CHECK(r == -1 && t == 42, "no time: \"%s\"", text);
	else
		UNIT_CHECK(r == 0 && t == want, "a time: %s", text);
}

int
main(void)
{
	char text[DATE_TEXT];
	size_t i;

	for (i = 0; i < N(rfc3339); i++)
		check(date_rfc3339, rfc3339[i].text, rfc3339[i].want);
	for (i = 0; i < N(basic); i++)
		check(date_basic, basic[i].text, basic[i].want);
	for (i = 0; i < N(http); i++)
		check(date_http, http[i].text, http[i].want);
	date_text(text, 1780358400);
	UNIT_CHECK(strcmp(text, "2026-06-02T00:00:00Z") == 0, "written");
	return unit_end();
}
