/*
 * What comes over a WebSocket, to either side: it ends, no message is longer
 * than it may be, and no more is kept to be sent than a little.
 */
#include "core/websocket.h"

#include "fuzz.h"

#define MAX	1000

struct side {
	const uint8_t	*p;
	size_t		 n;
	size_t		 messages;
};

static ssize_t
on_recv(void *arg, void *to, size_t max)
{
	struct side *s = arg;

	if (s->n == 0)
		return -1;
	/* In pieces, so that it stops anywhere. */
	if (max > 7)
		max = 7;
	if (max > s->n)
		max = s->n;
	memcpy(to, s->p, max);
	s->p += max;
	s->n -= max;
	return (ssize_t)max;
}

static ssize_t
on_send(void *arg, const void *p, size_t n)
{
	(void)arg;
	(void)p;
	/* Nobody reads. */
	return n == 0 ? -1 : 0;
}

static void
on_message(void *arg, const uint8_t *p, size_t n)
{
	struct side *s = arg;

	MUST(n <= MAX);
	MUST(n == 0 || p != NULL);
	s->messages++;
}

static void
feed(enum websocket_side side, const uint8_t *p, size_t n)
{
	struct side s = { p, n, 0 };
	const struct websocket_ops ops = { on_recv, on_send, on_message, &s };
	struct websocket *ws;
	struct fail f;
	size_t rounds = 0;

	ws = websocket_new(side, MAX, &ops, &f);
	MUST(ws != NULL);
	while (websocket_take(ws) && ++rounds <= n)
		websocket_flush(ws);
	MUST(websocket_queued(ws) <= 200 * 125);
	MUST(strlen(websocket_reason(ws)) < 124);
	websocket_close(ws, 1000, "over");
	websocket_flush(ws);
	MUST(!websocket_said(ws));
	websocket_free(ws);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	feed(WEBSOCKET_SERVER, p, n);
	feed(WEBSOCKET_CLIENT, p, n);
	return 0;
}

/* Masked with a key of 1s; no NUL in any of them. */
static const char *const seeds[] = {
	"\x82\x82\x01\x01\x01\x01\x03\x79",
	"\x02\x83\x01\x01\x01\x01\x01\x79\x79\x80\x82\x01\x01\x01\x01\x60\x61",
	"\x89\x82\x01\x01\x01\x01\x60\x60\x8a\x82\x01\x01\x01\x01\x60\x60",
	"\x81\x84\x01\x01\x01\x01\xc2\xbd\x60\x60",
	"\x88\x84\x01\x01\x01\x01\x02\xe9\x6e\x6f",
	"\x82\xfe\x01\x10\x01\x01\x01\x01\x02\x02\x02\x02\x02\x02\x02\x02",
	"\x82\xff\x11\x11\x11\x11\x11\x11\x11\x11\x01\x01\x01\x01\x02",
	"\x82\x03\x01\x61\x62\x89\x02hi\x81\x03\xe2\x82\xac\x88\x04\x03\xe8ok",
	"\x02\x03" "abc\x01\x03" "def\x80\x03ghi",
};
FUZZ_MAIN(seeds);
