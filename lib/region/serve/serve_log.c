#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/mask.h"
#include "region/serve/serve_impl.h"

void
serve_log(const struct serve *s, const char *fmt, ...)
{
	char line[1024], stamp[32];
	struct timespec now;
	struct tm tm;
	va_list ap;
	int n, head;

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
	line[n] = '\0';
	n = (int)strlen(mask_text(line));
	line[n++] = '\n';
	/* One write, so lines of several threads do not mix. */
	if (write(STDERR_FILENO, line, (size_t)n) == -1)
		return;
}
