/* WebSockets: the handshake's words, both sides with each other, their ends. */
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/terminal.h"
#include "core/websocket.h"

#include "unit.h"

#define OK(c) UNIT_CHECK(c, "%s", #c)

/* What is under way to a side, and what it was told. */
struct end {
	struct buf	 wire;
	struct end	*other;
	struct buf	 got;
	unsigned	 messages;
	size_t		 room;		/* of the wire */
	bool		 cut;
};

static ssize_t
on_recv(void *arg, void *to, size_t max)
{
	struct end *e = arg;

	if (e->wire.len == 0)
		return e->cut ? -1 : 0;
	if (max > e->wire.len)
		max = e->wire.len;
	memcpy(to, e->wire.data, max);
	memmove(e->wire.data, e->wire.data + max, e->wire.len - max);
	e->wire.len -= max;
	return (ssize_t)max;
}

static ssize_t
on_send(void *arg, const void *p, size_t n)
{
	struct end *e = arg;
	struct fail f;

	if (n > e->room - e->other->wire.len)
		n = e->room - e->other->wire.len;
	if (n > 0 && buf_add(&e->other->wire, p, n, &f) == -1)
		return -1;
	return (ssize_t)n;
}

static void
on_message(void *arg, const uint8_t *p, size_t n)
{
	struct end *e = arg;
	struct fail f;

	e->messages++;
	if (buf_add(&e->got, p, n, &f) == -1)
		abort();
}

static struct websocket *
begin(struct end *e, struct end *other, enum websocket_side side)
{
	const struct websocket_ops ops = { on_recv, on_send, on_message, e };
	struct fail f;

	*e = (struct end){ .wire = BUF_INIT(1 << 20), .got =
	    BUF_INIT(1 << 20), .other = other, .room = 1 << 20 };
	return websocket_new(side, 1000, &ops, &f);
}

static void
finish(struct end *e, struct websocket *ws)
{
	websocket_free(ws);
	buf_free(&e->wire);
	buf_free(&e->got);
}

static void
words(void)
{
	char key[WEBSOCKET_KEY], other[WEBSOCKET_KEY], a[WEBSOCKET_ACCEPT];

	OK(websocket_accept("dGhlIHNhbXBsZSBub25jZQ==", a) == 0 &&
	    strcmp(a, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") == 0);
	OK(websocket_key(key) == 0 && websocket_key(other) == 0);
	OK(strlen(key) == 24 && strcmp(key, other) != 0);
	OK(websocket_accept(key, a) == 0 && strlen(a) == 28);
	OK(websocket_accept("", a) == -1);
	OK(websocket_accept("dGhlIHNhbXBsZSBub25jZQ", a) == -1);
	OK(websocket_accept("dGhlIHNhbXBsZSBub25jZQ==x", a) == -1);
	OK(websocket_accept("dGhlIHNhbXBsZSBub25jZ!==", a) == -1);
	OK(websocket_accept("dGhlIHNhbXBsZSBub25jZQAA", a) == -1);
}

static void
talk(void)
{
	struct end c, s;
	struct websocket *client = begin(&c, &s, WEBSOCKET_CLIENT);
	struct websocket *server = begin(&s, &c, WEBSOCKET_SERVER);

	OK(websocket_put(client, "one", 3) == 0);
	OK(websocket_put(client, "", 0) == 0);
	OK(websocket_flush(client) && websocket_take(server));
	OK(s.messages == 2 && s.got.len == 3 &&
	    memcmp(s.got.data, "one", 3) == 0);
	OK(websocket_ping(server) == 0 && websocket_flush(server));
	OK(websocket_take(client) && websocket_wants_write(client));
	OK(websocket_flush(client) && websocket_take(server));
	OK(s.messages == 2);
	/* The end comes behind what was queued, though there is no room. */
	s.room = 40;
	OK(websocket_put(server, "a message that is longer than there is "
	    "room", 44) == 0);
	websocket_close(server, 1000, "exit:7");
	OK(websocket_put(server, "no more", 7) == 0);
	websocket_close(server, 1001, "not this");
	OK(websocket_flush(server) && websocket_wants_write(server));
	OK(!websocket_said(server));
	OK(websocket_take(client) && c.got.len == 0);
	OK(websocket_flush(server) && websocket_said(server));
	OK(!websocket_take(client) && c.got.len == 44 && c.messages == 1);
	OK(websocket_code(client) == 1000 &&
	    strcmp(websocket_reason(client), "exit:7") == 0);
	OK(websocket_flush(client) && websocket_closed(client));
	OK(!websocket_take(server) && websocket_closed(server));
	OK(websocket_code(server) == 1000);
	finish(&c, client);
	finish(&s, server);
}

/* What one side sends that does not mask, or is too long. */
static void
rules(void)
{
	static const char plain[] = "\x82\x01x";
	struct end c, s;
	struct websocket *client = begin(&c, &s, WEBSOCKET_CLIENT);
	struct websocket *server = begin(&s, &c, WEBSOCKET_SERVER);
	char much[1001] = "";
	struct fail f;

	OK(buf_add(&s.wire, plain, 3, &f) == 0);
	OK(!websocket_take(server) && websocket_flush(server));
	OK(!websocket_take(client) && websocket_code(client) == 1002);
	OK(s.messages == 0);
	finish(&c, client);
	finish(&s, server);

	client = begin(&c, &s, WEBSOCKET_CLIENT);
	server = begin(&s, &c, WEBSOCKET_SERVER);
	OK(websocket_put(client, much, sizeof(much)) == 0);
	OK(websocket_flush(client) && !websocket_take(server));
	OK(websocket_flush(server) && !websocket_take(client));
	OK(websocket_code(client) == 1009 && s.messages == 0);
	finish(&c, client);
	finish(&s, server);

	client = begin(&c, &s, WEBSOCKET_CLIENT);
	server = begin(&s, &c, WEBSOCKET_SERVER);
	s.cut = true;
	OK(!websocket_take(server) && !websocket_flush(server));
	OK(websocket_code(server) == 0);
	finish(&c, client);
	finish(&s, server);
}

static void
messages(void)
{
	const struct terminal_size size = { .rows = 33, .cols = 0x1234 };
	uint8_t p[TERMINAL_SIZE_BYTES];
	struct terminal_size back;

	terminal_resize(p, size);
	OK(memcmp(p, "\1\x12\x34\0\x21", 5) == 0);
	back = terminal_resized(p);
	OK(back.rows == 33 && back.cols == 0x1234);
	terminal_exit(p, 258);
	OK(memcmp(p, "\3\0\0\1\2", 5) == 0 && terminal_exited(p) == 258);
	terminal_exit(p, -1);
	OK(memcmp(p, "\3\xff\xff\xff\xff", 5) == 0 && terminal_exited(p) == -1);
}

int
main(void)
{
	words();
	talk();
	rules();
	messages();
	return unit_end();
}
