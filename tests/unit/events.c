#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "client/sandbox/events.h"
#include "unit.h"

static struct buf got = BUF_INIT(1 << 20);

static int
show(void *arg, const char *p, size_t n, struct fail *f)
{
	(void)arg;
	if (n == 4 && memcmp(p, "stop", 4) == 0)
		return fail_set(f, EX_IOERR, "stop");
	return buf_adds(&got, "[", f) == -1 || buf_add(&got, p, n, f) == -1 ||
	    buf_adds(&got, "]", f) == -1 ? -1 : 0;
}

/* The events of a text, fed in pieces of so many bytes. */
static bool
is(const char *text, size_t step, const char *want)
{
	size_t n = strlen(text), at;
	struct events e;
	struct fail f;
	int r = 0;

	buf_clear(&got);
	events_init(&e, show, NULL);
	for (at = 0; at < n && r == 0; at += step)
		r = events_feed(&e, text + at, n - at < step ? n - at : step,
		    &f);
	events_free(&e);
	if (r == 0 && strcmp(got.data == NULL ? "" : got.data, want) == 0)
		return true;
	printf("# got %s\n", got.data == NULL ? "nothing" : got.data);
	return false;
}

static void
long_ones(void)
{
	size_t n = EVENTS_MAX + 100;
	char *big = malloc(n);
	struct events e;
	struct fail f;

	memset(big, 'x', n);
	memcpy(big, "data: ", 6);
	buf_clear(&got);
	events_init(&e, show, NULL);
	UNIT_CHECK(events_feed(&e, big, n, &f) == 0 &&
	    events_feed(&e, "\n\ndata: a\n\n", 11, &f) == 0 &&
	    e.dropped == 1 && strcmp(got.data, "[a]") == 0,
	    "an event over the ceiling is left out, the next is not");
	/* In two fields, each below it. */
	buf_clear(&got);
	UNIT_CHECK(events_feed(&e, big, n / 2, &f) == 0 &&
	    events_feed(&e, "\n", 1, &f) == 0 &&
	    events_feed(&e, big, n / 2 + 100, &f) == 0 &&
	    events_feed(&e, "\n\ndata: b\n\n", 11, &f) == 0 &&
	    e.dropped == 2 && strcmp(got.data, "[b]") == 0,
	    "and so is one of many fields");
	UNIT_CHECK(e.line.cap <= EVENTS_MAX + 1 &&
	    e.bytes.cap <= EVENTS_MAX + 1, "nothing grew past the ceiling");
	events_free(&e);
	free(big);
}

int
main(void)
{
	static const struct {
		const char *name, *text, *want;
	} row[] = {
		{ "one event", "data: a\n\n", "[a]" },
		{ "names, ids and retry times are ignored",
		    "event: x\nid: 1\nretry: 5\ndata: a\n\n", "[a]" },
		{ "several fields join with line feeds",
		    "data: a\ndata:b\ndata:  c\n\n", "[a\nb\n c]" },
		{ "no space after the colon", "data:a\n\n", "[a]" },
		{ "a field without a colon is empty",
		    "data\n\ndata\ndata\n\n", "[][\n]" },
		{ "CRLF", "data: a\r\ndata: b\r\n\r\n", "[a\nb]" },
		{ "CR alone", "data: a\rdata: b\r\rdata: c\r\r", "[a\nb][c]" },
		{ "a mixture", "data: a\n\rdata: b\r\n\ndata: c\r\n\r",
		    "[a][b][c]" },
		{ "comments", ": beat\n\n:\ndata: a\n: beat\n\n", "[a]" },
		{ "blank lines make no event", "\n\n\ndata: a\n\n\n\n",
		    "[a]" },
		{ "a name alone makes no event", "event: eof\n\n", "" },
		{ "a byte order mark", "\357\273\277data: a\n\n", "[a]" },
		{ "only at the start", "data: a\n\n\357\273\277data: b\n\n",
		    "[a]" },
		{ "an open event is lost", "data: a\n\ndata: b\n", "[a]" },
		{ "an open line is lost", "data: a\n\ndata: b", "[a]" },
		{ "names are whole words",
		    "dat: a\ndatax: b\nDATA: c\n data: d\ndata : e\n"
		    "data: f\n\n", "[f]" },
		{ "a colon in the value", "data: a: b\n\n", "[a: b]" },
	};
	static const size_t step[] = { 1000, 1, 2, 3, 7 };
	struct events e;
	struct fail f;
	size_t i, k;

	for (i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		for (k = 0; k < sizeof(step) / sizeof(step[0]); k++)
			UNIT_CHECK(is(row[i].text, step[k], row[i].want),
			    "%s, by %zu", row[i].name, step[k]);
	long_ones();

	events_init(&e, show, NULL);
	UNIT_CHECK(events_feed(&e, "data: stop\n\ndata: a\n\n", 21,
	    &f) == -1 && f.status == EX_IOERR, "the receiver can end it");
	events_reset(&e);
	buf_clear(&got);
	UNIT_CHECK(events_feed(&e, "data: half", 10, &f) == 0, "half a line");
	events_reset(&e);
	UNIT_CHECK(events_feed(&e, "data: a\n\n", 9, &f) == 0 &&
	    strcmp(got.data, "[a]") == 0, "a new stream knows nothing of it");
	events_free(&e);
	buf_free(&got);
	return unit_end();
}
