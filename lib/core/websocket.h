#ifndef TL_CORE_WEBSOCKET_H
#define TL_CORE_WEBSOCKET_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/fail.h"

/*
 * Messages over a connection, both ways: WebSocket (RFC 6455) by libwslay, on
 * whatever brings the bytes.  Of messages only binary ones are handed on; pings
 * are answered here.  What the other side sends against the rules (not masked
 * as it should be, longer than max, text that is no UTF-8, a control frame in
 * pieces) closes it with the code that the RFC has for that.
 *
 * Nothing here waits, and of what the other side sends no more is kept than one
 * message and some answers to pings.
 */
struct websocket;

enum websocket_side { WEBSOCKET_CLIENT, WEBSOCKET_SERVER };

struct websocket_ops {
	/* Bytes that came: how many; 0: none for now; -1: there are no more. */
	ssize_t	(*recv)(void *arg, void *, size_t);
	/* Send what goes now: how much; 0: nothing; -1: it is broken. */
	ssize_t	(*send)(void *arg, const void *, size_t);
	/* A message, whole. */
	void	(*message)(void *arg, const uint8_t *, size_t);
	void	*arg;
};

/* max: what a message may have, in bytes. */
struct websocket *websocket_new(enum websocket_side, size_t max,
	    const struct websocket_ops *, struct fail *);
void	websocket_free(struct websocket *);

/* Take in what has come.  False: no more will. */
bool	websocket_take(struct websocket *);
/* Send what is queued, as far as it goes.  False: the other side is gone. */
bool	websocket_flush(struct websocket *);
/* How many bytes are queued. */
size_t	websocket_queued(const struct websocket *);
bool	websocket_wants_write(const struct websocket *);

/* Queue a message, or a ping.  -1: out of memory; after a close: nothing. */
int	websocket_put(struct websocket *, const void *, size_t);
int	websocket_ping(struct websocket *);
/* Queue the end, behind what is queued, and before nothing. */
void	websocket_close(struct websocket *, unsigned code, const char *reason);
/* We have said so; both sides have. */
bool	websocket_said(const struct websocket *);
bool	websocket_closed(const struct websocket *);

/* What the other side closed it with: 0 and "" if it did not. */
unsigned	 websocket_code(const struct websocket *);
const char	*websocket_reason(const struct websocket *);

/*
 * The handshake (RFC 6455, 4): a key for Sec-WebSocket-Key, and what is to come
 * back as Sec-WebSocket-Accept.  -1: it is no key, or there is no random.
 */
#define WEBSOCKET_KEY		25	/* with its NUL */
#define WEBSOCKET_ACCEPT	29

int	websocket_key(char key[WEBSOCKET_KEY]);
int	websocket_accept(const char *key, char accept[WEBSOCKET_ACCEPT]);

#endif
