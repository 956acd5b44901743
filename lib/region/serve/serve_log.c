#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "region/serve/serve_impl.h"

void
serve_log(const struct serve *s, const char *fmt, ...)
{
	char line[1024], stamp[32];
	struct timespec now;
	struct tm tm;
	va_list ap;
	int i, n, head;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	head = snprintf(line, sizeof(line), "%s.%03ldZ %.64s: ", stamp,
	    now.tv_nsec / 1000000, s->name);
	va_start(ap, fmt);
	n = vsnprintf(line + head, sizeof(line) - (size_t)head - 1, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	n += head;
	if (n > (int)sizeof(line) - 2)
		n = (int)sizeof(line) - 2;
	for (i = head; i < n; i++) {
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
		/* U+0080 to U+009F: some terminals heed them, too. */
		if ((unsigned char)line[i] == 0xc2 && i + 1 < n &&
		    ((unsigned char)line[i + 1] & 0xe0) == 0x80)
			line[i] = line[i + 1] = '?';
	}
	line[n++] = '\n';
	/* One write, so lines of several threads do not mix. */
	if (write(STDERR_FILENO, line, (size_t)n) == -1)
		return;
}
