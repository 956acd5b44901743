#include <sys/random.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <nettle/base64.h>
#include <nettle/sha1.h>
#include <wslay/wslay.h>

#include "core/fail.h"
#include "core/websocket.h"

/* So many answers to pings may wait until no more is read. */
#define QUEUE_MAX	64U

struct websocket {
	wslay_event_context_ptr	 ctx;
	struct websocket_ops	 ops;
	bool			 broken;	/* nothing in, or out */
	unsigned		 code;
	char			 reason[124];
	/* Our own end, once all before it is sent; 0: none. */
	unsigned		 end_code;
	char			 end_reason[124];
};

static ssize_t
on_recv(wslay_event_context_ptr ctx, uint8_t *p, size_t n, int flags,
    void *arg)
{
	struct websocket *ws = arg;
	ssize_t got = 0;

	(void)flags;
	/* Whoever asks and never reads must not fill our memory. */
	if (wslay_event_get_queued_msg_count(ctx) < QUEUE_MAX)
		got = ws->ops.recv(ws->ops.arg, p, n);
	if (got > 0)
		return got;
	ws->broken |= got == -1;
	wslay_event_set_error(ctx, got == 0 ? WSLAY_ERR_WOULDBLOCK :
	    WSLAY_ERR_CALLBACK_FAILURE);
	return -1;
}

static ssize_t
on_send(wslay_event_context_ptr ctx, const uint8_t *p, size_t n, int flags,
    void *arg)
{
	struct websocket *ws = arg;
	ssize_t put = ws->ops.send(ws->ops.arg, p, n);

	(void)flags;
	if (put > 0)
		return put;
	ws->broken |= put == -1;
	wslay_event_set_error(ctx, put == 0 ? WSLAY_ERR_WOULDBLOCK :
	    WSLAY_ERR_CALLBACK_FAILURE);
	return -1;
}

static int
on_mask(wslay_event_context_ptr ctx, uint8_t *p, size_t n, void *arg)
{
	(void)arg;
	if (getrandom(p, n, 0) == (ssize_t)n)
		return 0;
	wslay_event_set_error(ctx, WSLAY_ERR_CALLBACK_FAILURE);
	return -1;
}

static void
on_message(wslay_event_context_ptr ctx,
    const struct wslay_event_on_msg_recv_arg *m, void *arg)
{
	struct websocket *ws = arg;
	size_t n;

	(void)ctx;
	if (m->opcode == WSLAY_BINARY_FRAME)
		ws->ops.message(ws->ops.arg, m->msg, m->msg_length);
	else if (m->opcode == WSLAY_CONNECTION_CLOSE) {
		ws->code = m->status_code == 0 ?
		    WSLAY_CODE_NO_STATUS_RCVD : m->status_code;
		/* The code's two bytes come first. */
		n = m->msg_length < 2 ? 0 : m->msg_length - 2;
		if (n >= sizeof(ws->reason))
			n = sizeof(ws->reason) - 1;
		if (n > 0)
			memcpy(ws->reason, m->msg + 2, n);
		ws->reason[n] = '\0';
	}
}

struct websocket *
websocket_new(enum websocket_side side, size_t max,
    const struct websocket_ops *ops, struct fail *f)
{
	static const struct wslay_event_callbacks callbacks = {
		.recv_callback = on_recv,
		.send_callback = on_send,
		.genmask_callback = on_mask,
		.on_msg_recv_callback = on_message,
	};
	struct websocket *ws = calloc(1, sizeof(*ws));

	if (ws != NULL && (side == WEBSOCKET_SERVER ?
	    wslay_event_context_server_init(&ws->ctx, &callbacks, ws) :
	    wslay_event_context_client_init(&ws->ctx, &callbacks, ws)) != 0) {
		free(ws);
		ws = NULL;
	}
	if (ws == NULL) {
		fail_set(f, EX_OSERR, "out of memory");
		return NULL;
	}
	ws->ops = *ops;
	wslay_event_config_set_max_recv_msg_length(ws->ctx, max);
	return ws;
}

void
websocket_free(struct websocket *ws)
{
	if (ws == NULL)
		return;
	wslay_event_context_free(ws->ctx);
	free(ws);
}

bool
websocket_take(struct websocket *ws)
{
	/* Where it fails and is not broken, a rule was: an end is queued. */
	if (wslay_event_get_read_enabled(ws->ctx) &&
	    wslay_event_recv(ws->ctx) == WSLAY_ERR_NOMEM)
		ws->broken = true;
	return !ws->broken && wslay_event_get_read_enabled(ws->ctx);
}

/*
 * libwslay sends control frames before all others, and nothing behind an end:
 * so that waits here.  It takes nothing more once one is queued, which is no
 * failure.
 */
static int
queued(int error)
{
	return error == 0 || error == WSLAY_ERR_NO_MORE_MSG ? 0 : -1;
}

static void
queue_end(struct websocket *ws)
{
	if (ws->end_code == 0 ||
	    wslay_event_get_queued_msg_count(ws->ctx) > 0)
		return;
	if (queued(wslay_event_queue_close(ws->ctx, (uint16_t)ws->end_code,
	    (const uint8_t *)ws->end_reason, strlen(ws->end_reason))) == -1)
		ws->broken = true;
	ws->end_code = 0;
}

bool
websocket_flush(struct websocket *ws)
{
	if (wslay_event_want_write(ws->ctx) && wslay_event_send(ws->ctx) != 0)
		ws->broken = true;
	queue_end(ws);
	if (wslay_event_want_write(ws->ctx) && wslay_event_send(ws->ctx) != 0)
		ws->broken = true;
	return !ws->broken;
}

size_t
websocket_queued(const struct websocket *ws)
{
	return wslay_event_get_queued_msg_length(ws->ctx);
}

bool
websocket_wants_write(const struct websocket *ws)
{
	return !ws->broken && wslay_event_want_write(ws->ctx);
}

int
websocket_put(struct websocket *ws, const void *p, size_t n)
{
	struct wslay_event_msg m = { WSLAY_BINARY_FRAME, p, n };

	if (ws->end_code != 0)
		return 0;
	return queued(wslay_event_queue_msg(ws->ctx, &m));
}

int
websocket_ping(struct websocket *ws)
{
	struct wslay_event_msg m = { WSLAY_PING, NULL, 0 };

	return queued(wslay_event_queue_msg(ws->ctx, &m));
}

void
websocket_close(struct websocket *ws, unsigned code, const char *reason)
{
	if (ws->end_code != 0)
		return;
	ws->end_code = code;
	snprintf(ws->end_reason, sizeof(ws->end_reason), "%s", reason);
	queue_end(ws);
}

bool
websocket_closed(const struct websocket *ws)
{
	return wslay_event_get_close_received(ws->ctx) &&
	    wslay_event_get_close_sent(ws->ctx);
}

bool
websocket_said(const struct websocket *ws)
{
	return wslay_event_get_close_sent(ws->ctx);
}

unsigned
websocket_code(const struct websocket *ws)
{
	return ws->code;
}

const char *
websocket_reason(const struct websocket *ws)
{
	return ws->reason;
}

int
websocket_key(char key[WEBSOCKET_KEY])
{
	uint8_t random[16];

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return -1;
	base64_encode_raw(key, sizeof(random), random);
	key[WEBSOCKET_KEY - 1] = '\0';
	return 0;
}

int
websocket_accept(const char *key, char accept[WEBSOCKET_ACCEPT])
{
	static const char suffix[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	struct base64_decode_ctx decode;
	uint8_t bytes[BASE64_DECODE_LENGTH(WEBSOCKET_KEY - 1)];
	uint8_t digest[SHA1_DIGEST_SIZE];
	struct sha1_ctx sha1;
	size_t n = sizeof(bytes);

	base64_decode_init(&decode);
	if (strlen(key) != WEBSOCKET_KEY - 1 || !base64_decode_update(&decode,
	    &n, bytes, WEBSOCKET_KEY - 1, key) ||
	    !base64_decode_final(&decode) || n != 16)
		return -1;
	sha1_init(&sha1);
	sha1_update(&sha1, strlen(key), (const uint8_t *)key);
	sha1_update(&sha1, sizeof(suffix) - 1, (const uint8_t *)suffix);
	sha1_digest(&sha1, sizeof(digest), digest);
	base64_encode_raw(accept, sizeof(digest), digest);
	accept[WEBSOCKET_ACCEPT - 1] = '\0';
	return 0;
}
