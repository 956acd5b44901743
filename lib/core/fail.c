#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "core/fail.h"
#include "core/mask.h"

int
fail_set(struct fail *f, int status, const char *fmt, ...)
{
	va_list ap;

	f->status = status;
	va_start(ap, fmt);
	vsnprintf(f->msg, sizeof(f->msg), fmt, ap);
	va_end(ap);
	mask_text(f->msg);
	return -1;
}

int
fail_sys(struct fail *f, int status, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;
	size_t n;

	/* Whatever was at hand, what is wrong is the system. */
	f->status = saved == ENOMEM ? EX_OSERR : status;
	va_start(ap, fmt);
	vsnprintf(f->msg, sizeof(f->msg), fmt, ap);
	va_end(ap);
	n = strlen(mask_text(f->msg));
	snprintf(f->msg + n, sizeof(f->msg) - n, ": %s", strerror(saved));
	return -1;
}

int
fail_in(struct fail *f, const char *what)
{
	char msg[sizeof(f->msg)];

	memcpy(msg, f->msg, sizeof(msg));
	snprintf(f->msg, sizeof(f->msg), "%.200s: %.300s", what, msg);
	mask_text(f->msg);
	return -1;
}

/*
 * The length of a URL's "user:password@", behind its "://".  A host whose end
 * is not among the bytes could be a user's name as well.
 */
static size_t
userinfo(const char *s, size_t len, bool cut)
{
	size_t i, at = 0;

	for (i = 0; i < len && (unsigned char)s[i] > ' ' &&
	    strchr("/?#\"'", s[i]) == NULL; i++)
		if (s[i] == '@')
			at = i + 1;
	return i == len && cut && len > 0 ? len - 1 : at;
}

char *
fail_show(char *dst, size_t size, const char *s, size_t max)
{
	/* So far that the last character is seen whole. */
	size_t i, n = 0, len = strnlen(s, max + 4);
	bool passes, url = false;
	size_t many;

	if (size == 0)
		return dst;
	for (i = 0; i < len && i < max && n + 4 < size; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c == ':' && len - i > 3 && memcmp(s + i, "://", 3) == 0)
			url = true;
		else if (url && (c <= ' ' || c == '"' || c == '\''))
			url = false;
		if (url && c == '?') {
			/* Skip to the end of the URL, keep what follows. */
			dst[n++] = '?';
			while (i + 1 < len && (unsigned char)s[i + 1] > ' ' &&
			    s[i + 1] != '"' && s[i + 1] != '\'')
				i++;
			url = false;
			continue;
		}
		many = mask_next(s + i, len - i, &passes);
		/* A character is shown whole, or not at all. */
		if (many > max - i || n + many + 3 >= size)
			break;
		if (passes) {
			memcpy(dst + n, s + i, many);
			n += many;
		} else
			dst[n++] = '?';
		i += many - 1;
		/* A password is no more to be seen than a signature. */
		if (url && c == '/' && i > 1 && memcmp(s + i - 2, "://",
		    3) == 0)
			i += userinfo(s + i + 1, len - i - 1,
			    len == max + 4);
	}
	if (i < len && n + 4 <= size) {
		memcpy(dst + n, "...", 3);
		n += 3;
	}
	dst[n] = '\0';
	return dst;
}
