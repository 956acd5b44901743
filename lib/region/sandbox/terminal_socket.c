#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/websocket.h"
#include "region/runtime/terminal.h"
#include "region/sandbox/terminal_socket.h"
#include "region/serve/serve.h"

/* A message may have so many bytes, as with the public server. */
#define MESSAGE_MAX	65536U
/* No more is composed while so much waits to be sent. */
#define AHEAD		65536U
/* Who says nothing is asked, and after as long again taken for gone. */
#define PING_MS		30000
/* How soon an end that nobody tells of is noticed. */
#define LOOK_MS		500
/* For the other side's word of the end. */
#define CLOSE_MS	2000

/* Status codes of RFC 6455, 7.4.1. */
enum { NORMAL = 1000, GOING_AWAY = 1001, POLICY = 1008 };

struct line {
	const struct terminal_socket	*s;
	int			 fd;		/* to the client */
	int			 to;		/* to the terminal, or -1 */
	const char		*early;
	size_t			 early_n;
	struct websocket	*ws;
	struct screen_viewer	 me;
	struct buf		 typed;		/* not yet taken */
	struct terminal_size	 size;		/* not yet told: rows 0 if so */
	bool			 failed;	/* for want of memory */
	bool			 gone;
	bool			 ending;	/* we, for our part */
	int64_t			 heard_ms, asked_ms;
	int64_t			 renewed_ms, said_ms;
};

static ssize_t
on_recv(void *arg, void *to, size_t max)
{
	struct line *l = arg;
	ssize_t n;

	/* It is to be typed before more comes. */
	if (l->typed.len > 0)
		return 0;
	if (l->early_n > 0) {
		if (max > l->early_n)
			max = l->early_n;
		memcpy(to, l->early, max);
		l->early += max;
		l->early_n -= max;
		return (ssize_t)max;
	}
	n = recv(l->fd, to, max, MSG_DONTWAIT);
	if (n > 0) {
		l->heard_ms = clock_ms();
		return n;
	}
	return n == -1 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

static ssize_t
on_send(void *arg, const void *from, size_t n)
{
	struct line *l = arg;
	ssize_t put = send(l->fd, from, n, MSG_NOSIGNAL | MSG_DONTWAIT);

	/* Who takes something is there. */
	if (put > 0)
		l->heard_ms = clock_ms();
	return put == -1 && (errno == EAGAIN || errno == EINTR) ? 0 : put;
}

static void
on_message(void *arg, const uint8_t *p, size_t n)
{
	struct line *l = arg;
	struct terminal_size size;
	struct fail f;

	if (n == 0)
		return;
	switch (p[0]) {
	case TERMINAL_DATA:
		if (buf_add(&l->typed, p + 1, n - 1, &f) == -1)
			l->failed = true;
		break;
	case TERMINAL_RESIZE:
		if (n < TERMINAL_SIZE_BYTES)
			break;
		size = terminal_resized(p);
		l->size = screen_size(size.rows, size.cols);
		break;
	case TERMINAL_READY:
		l->me.ready = true;
		break;
	default:
		/* What others may say to a later server. */
		break;
	}
}

/* To the terminal what it takes. */
static void
type(struct line *l)
{
	char packet[1 + TERMINAL_PACKET];
	size_t n, at = 0;

	if (l->size.rows != 0 && terminal_resize_to(l->s->sandbox, l->s->proc,
	    l->size) == 0)
		l->size.rows = 0;
	packet[0] = TERMINAL_DATA;
	while (at < l->typed.len) {
		n = l->typed.len - at;
		if (n > TERMINAL_PACKET)
			n = TERMINAL_PACKET;
		memcpy(packet + 1, l->typed.data + at, n);
		if (l->to != -1 && send(l->to, packet, n + 1, MSG_NOSIGNAL |
		    MSG_DONTWAIT) == -1) {
			if (errno == EAGAIN || errno == EINTR)
				break;
			/* Nobody reads it any more. */
			at = l->typed.len;
			break;
		}
		at += n;
	}
	if (at > 0) {
		memmove(l->typed.data, l->typed.data + at, l->typed.len - at);
		l->typed.len -= at;
	}
}

static void
end(struct line *l, unsigned code, const char *reason)
{
	if (!l->ending)
		websocket_close(l->ws, code, reason);
	l->ending = true;
}

/* It has ended, and all that it has shown was sent. */
static void
say_exit(struct line *l, int32_t status)
{
	uint8_t message[TERMINAL_SIZE_BYTES];
	char reason[24];

	terminal_exit(message, status);
	l->failed |= websocket_put(l->ws, message, sizeof(message)) == -1;
	snprintf(reason, sizeof(reason), "exit:%d", (int)status);
	end(l, NORMAL, reason);
}

/* To the client what the terminal shows. */
static void
show(struct line *l)
{
	char message[1 + 16384];
	struct sandbox *sb = l->s->sandbox;
	struct proc *p = l->s->proc;
	bool go = false, over, killed;
	int32_t status = 0;
	ssize_t n;

	message[0] = TERMINAL_DATA;
	for (;;) {
		if (websocket_queued(l->ws) >= AHEAD)
			return;
		pthread_mutex_lock(&sb->lock);
		n = screen_take(p->screen, &l->me, message + 1,
		    l->me.ready ? sizeof(message) - 1 : 0, &go);
		if (go)
			sandbox_wake(sb);
		over = p->state == PROC_ENDED && p->screen->over;
		killed = p->killed || sb->ending;
		if (over)
			status = terminal_status(p);
		pthread_mutex_unlock(&sb->lock);
		if (n <= 0)
			break;
		if (websocket_put(l->ws, message, (size_t)n + 1) == -1) {
			l->failed = true;
			return;
		}
	}
	if (n == -1)
		end(l, POLICY, "pre-ready buffer overflow");
	else if (over && killed)
		end(l, GOING_AWAY, "session terminated");
	else if (over && l->me.ready)
		say_exit(l, status);
}

/* Whether there is somebody, as far as is known. */
static bool
is_there(struct line *l)
{
	int64_t now = clock_ms();

	if (now - l->heard_ms < PING_MS)
		return true;
	if (now - l->heard_ms >= 2 * PING_MS)
		return false;
	if (now - l->asked_ms >= PING_MS) {
		l->asked_ms = now;
		l->failed |= websocket_ping(l->ws) == -1;
	}
	return true;
}

static void
await(struct line *l)
{
	struct pollfd p[3] = {
		{ .fd = l->fd },
		{ .fd = l->me.wake, .events = POLLIN },
		{ .fd = -1, .events = POLLOUT },
	};
	uint64_t woken;

	if (l->typed.len == 0)
		p[0].events |= POLLIN;
	else if (l->to != -1)
		p[2].fd = l->to;
	if (websocket_wants_write(l->ws))
		p[0].events |= POLLOUT;
	if (poll(p, 3, LOOK_MS) <= 0)
		return;
	if (p[1].revents != 0 && read(l->me.wake, &woken,
	    sizeof(woken)) == -1)
		l->failed |= errno != EAGAIN;
	/* Where nothing is read, nobody else sees it. */
	if (p[0].events == 0 && (p[0].revents & (POLLHUP | POLLERR)) != 0)
		l->gone = true;
}

/* As a request does, but not with each piece. */
static void
renew(struct line *l)
{
	if (l->heard_ms - l->renewed_ms < 1000)
		return;
	l->renewed_ms = l->heard_ms;
	sandbox_renew(l->s->sandbox);
}

static void
follow(struct line *l)
{
	bool more;

	for (;;) {
		more = websocket_take(l->ws);
		type(l);
		renew(l);
		if (!l->ending && more)
			show(l);
		if (serve_stopping(l->s->serve))
			end(l, GOING_AWAY, "session terminated");
		if (!websocket_flush(l->ws) || l->failed || l->gone ||
		    !is_there(l) || websocket_closed(l->ws))
			return;
		/* The other side is over, or broke a rule, and was told so. */
		if (!more && !websocket_wants_write(l->ws))
			return;
		if (l->said_ms == 0 && websocket_said(l->ws))
			l->said_ms = clock_ms();
		if (l->said_ms != 0 && clock_ms() - l->said_ms >= CLOSE_MS)
			return;
		await(l);
	}
}

/*
 * Closing a socket with bytes unread resets the connection, and the other side
 * would not see what we have said.
 */
static void
hang_up(const struct line *l)
{
	int64_t end = clock_ms() + CLOSE_MS;
	struct pollfd p = { .fd = l->fd, .events = POLLIN };
	char waste[4096];
	ssize_t n = 1;

	shutdown(l->fd, SHUT_WR);
	while (n != 0 && clock_ms() < end && !serve_stopping(l->s->serve)) {
		if (poll(&p, 1, 100) == 0)
			continue;
		n = recv(l->fd, waste, sizeof(waste), MSG_DONTWAIT);
		if (n == -1 && errno != EAGAIN && errno != EINTR)
			break;
	}
}

void
terminal_socket_run(const struct terminal_socket *s, int fd,
    const void *early, size_t n)
{
	struct line l = {
		.s = s, .fd = fd, .to = -1, .early = early, .early_n = n,
		.typed = BUF_INIT(2 * MESSAGE_MAX), .heard_ms = clock_ms(),
	};
	const struct websocket_ops ops = { on_recv, on_send, on_message, &l };
	struct fail f;
	bool joined;

	l.ws = websocket_new(WEBSOCKET_SERVER, MESSAGE_MAX, &ops, &f);
	if (l.ws == NULL)
		return;
	pthread_mutex_lock(&s->sandbox->lock);
	joined = screen_join(s->proc->screen, &l.me) == 0;
	if (joined && s->proc->fd[0] != -1)
		l.to = fcntl(s->proc->fd[0], F_DUPFD_CLOEXEC, 0);
	pthread_mutex_unlock(&s->sandbox->lock);
	if (joined) {
		follow(&l);
		hang_up(&l);
		pthread_mutex_lock(&s->sandbox->lock);
		screen_leave(s->proc->screen, &l.me);
		sandbox_wake(s->sandbox);
		pthread_mutex_unlock(&s->sandbox->lock);
	}
	if (l.to != -1)
		close(l.to);
	websocket_free(l.ws);
	buf_free(&l.typed);
}
