#include <ctype.h>
#include <string.h>

#include "core/date.h"

/* Digits, and between them these very characters ('0' stands for a digit). */
static int
shaped(const char *s, const char *like)
{
	for (; *like != '\0'; s++, like++)
		if (*like == '0' ? !isdigit((unsigned char)*s) :
		    toupper((unsigned char)*s) != *like)
			return 0;
	return 1;
}

/* Seconds east of UTC, after the seconds and their fraction. */
static int
zone(const char *s, long *east)
{
	long hours, minutes;

	*east = 0;
	if (strcmp(s, "Z") == 0 || strcmp(s, "z") == 0)
		return 0;
	if ((*s != '+' && *s != '-') || !shaped(s + 1, "00:00") ||
	    s[6] != '\0')
		return -1;
	hours = (s[1] - '0') * 10 + s[2] - '0';
	minutes = (s[4] - '0') * 10 + s[5] - '0';
	if (hours > 23 || minutes > 59)
		return -1;
	*east = (hours * 60 + minutes) * (*s == '-' ? -60 : 60);
	return 0;
}

int
date_rfc3339(const char *s, time_t *t)
{
	struct tm tm;
	long east;

	memset(&tm, 0, sizeof(tm));
	if (!shaped(s, "0000-00-00T00:00:00") ||
	    strptime(s, "%Y-%m-%d", &tm) != s + 10 ||
	    strptime(s + 11, "%H:%M:%S", &tm) != s + 19)
		return -1;
	s += 19;
	if (*s == '.') {
		if (!isdigit((unsigned char)s[1]))
			return -1;
		s += 1 + strspn(s + 1, "0123456789");
	}
	if (zone(s, &east) == -1)
		return -1;
	*t = timegm(&tm) - east;
	return 0;
}

int
date_basic(const char *s, time_t *t)
{
	struct tm tm;

	memset(&tm, 0, sizeof(tm));
	if (!shaped(s, "00000000T000000Z") || s[8] != 'T' || s[15] != 'Z' ||
	    s[16] != '\0' || strptime(s, "%Y%m%dT%H%M%SZ", &tm) != s + 16)
		return -1;
	*t = timegm(&tm);
	return 0;
}

int
date_http(const char *s, time_t *t)
{
	static const char *const forms[] = { "%a, %d %b %Y %H:%M:%S GMT",
	    "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y" };
	struct tm tm;
	const char *end;
	size_t i;

	for (i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		memset(&tm, 0, sizeof(tm));
		if ((end = strptime(s, forms[i], &tm)) != NULL &&
		    *end == '\0') {
			*t = timegm(&tm);
			return 0;
		}
	}
	return -1;
}

void
date_text(char out[DATE_TEXT], time_t t)
{
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL ||
	    strftime(out, DATE_TEXT, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		strcpy(out, "1970-01-01T00:00:00Z");
}
