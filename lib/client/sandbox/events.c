#include <string.h>

#include "client/sandbox/events.h"

void
events_init(struct events *e,
    int (*event)(void *, const char *, size_t, struct fail *), void *arg)
{
	memset(e, 0, sizeof(*e));
	e->event = event;
	e->arg = arg;
	e->line = (struct buf)BUF_INIT(EVENTS_MAX);
	e->bytes = (struct buf)BUF_INIT(EVENTS_MAX);
}

void
events_reset(struct events *e)
{
	buf_clear(&e->line);
	buf_clear(&e->bytes);
	e->has_data = e->too_long = e->line_too_long = e->cr = false;
	e->begun = 0;
}

void
events_free(struct events *e)
{
	buf_free(&e->line);
	buf_free(&e->bytes);
}

/* An event is over: a blank line came. */
static int
dispatch(struct events *e, struct fail *f)
{
	int r = 0;

	if (e->too_long)
		e->dropped++;
	else if (e->has_data)
		r = e->event(e->arg, e->bytes.len == 0 ? "" : e->bytes.data,
		    e->bytes.len, f);
	buf_clear(&e->bytes);
	e->has_data = e->too_long = false;
	return r;
}

static int
field(struct events *e, const char *p, size_t n, struct fail *f)
{
	const char *colon;
	size_t name;

	/* The standard's decoder takes one byte order mark off the stream. */
	if (e->begun++ == 0 && n >= 3 && memcmp(p, "\357\273\277", 3) == 0) {
		p += 3;
		n -= 3;
	}
	if (n == 0)
		return dispatch(e, f);
	colon = memchr(p, ':', n);
	name = colon == NULL ? n : (size_t)(colon - p);
	if (name != 4 || memcmp(p, "data", 4) != 0)
		return 0;
	p += name;
	n -= name;
	if (n > 0) {
		p++;
		n--;
	}
	if (n > 0 && *p == ' ') {
		p++;
		n--;
	}
	if (n + 1 > e->bytes.max - e->bytes.len)
		e->too_long = true;
	if (e->too_long)
		return 0;
	/* Several data lines are one text with line feeds between. */
	if ((e->has_data && buf_add(&e->bytes, "\n", 1, f) == -1) ||
	    buf_add(&e->bytes, p, n, f) == -1)
		return -1;
	e->has_data = true;
	return 0;
}

/* A line is over; p is its last piece. */
static int
line(struct events *e, const char *p, size_t n, struct fail *f)
{
	int r;

	if (e->line_too_long || n > e->line.max - e->line.len) {
		e->line_too_long = false;
		e->too_long = true;
		e->begun++;
		buf_clear(&e->line);
		return 0;
	}
	if (e->line.len == 0)
		return field(e, p, n, f);
	if (buf_add(&e->line, p, n, f) == -1)
		return -1;
	r = field(e, e->line.data, e->line.len, f);
	buf_clear(&e->line);
	return r;
}

int
events_feed(struct events *e, const char *p, size_t n, struct fail *f)
{
	const char *end = p + n, *lf, *cr;

	if (n > 0 && e->cr) {
		e->cr = false;
		if (*p == '\n')
			p++;
	}
	while (p < end) {
		if ((lf = memchr(p, '\n', (size_t)(end - p))) == NULL)
			lf = end;
		/* A line ends with LF, CR or both. */
		if ((cr = memchr(p, '\r', (size_t)(lf - p))) != NULL) {
			if (line(e, p, (size_t)(cr - p), f) == -1)
				return -1;
			p = cr + 1;
			if (p == end)
				e->cr = true;
			else if (*p == '\n')
				p++;
			continue;
		}
		if (lf == end)
			break;
		if (line(e, p, (size_t)(lf - p), f) == -1)
			return -1;
		p = lf + 1;
	}
	if (p == end || e->line_too_long)
		return 0;
	if ((size_t)(end - p) > e->line.max - e->line.len) {
		e->line_too_long = true;
		buf_clear(&e->line);
		return 0;
	}
	return buf_add(&e->line, p, (size_t)(end - p), f);
}
