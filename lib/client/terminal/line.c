#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "client/terminal/line.h"
#include "client/terminal/tty.h"
#include "core/clock.h"
#include "core/stop.h"
#include "core/websocket.h"

/* What a server may send in one message; the public one sends 4 KB. */
#define MESSAGE_MAX	(4UL << 20)
/* No more is read here while so much waits to be sent. */
#define AHEAD		65536U
/* Who says nothing is asked, and after as long again taken for gone. */
#define PING_MS		30000
/* How often the sandbox is kept alive, if it is time. */
#define LOOK_MS		1000
/* While a ping is under way. */
#define BEAT_MS		20
/* So much is written at once. */
#define PIECE		1024U
/* For the other side's word of the end. */
#define CLOSE_MS	2000

struct line {
	struct reach		*reach;
	struct http_stream	*stream;
	struct websocket	*ws;
	sigset_t		 open;		/* while we wait */
	bool			 broken;	/* standard output is */
	bool			 ended;
	int			 status;
	int64_t			 heard_ms, asked_ms, beat_ms, said_ms;
};

static ssize_t
on_recv(void *arg, void *to, size_t max)
{
	struct line *l = arg;
	ssize_t n = http_stream_recv(l->stream, to, max);

	if (n > 0)
		l->heard_ms = clock_ms();
	return n;
}

static ssize_t
on_send(void *arg, const void *from, size_t n)
{
	const struct line *l = arg;

	return http_stream_send(l->stream, from, n);
}

/*
 * What was shown there.  A terminal may take nothing for long, and signals are
 * to come in all the same: so it is asked first, and given a little.
 */
static void
show(struct line *l, const uint8_t *p, size_t n)
{
	struct pollfd out = { .fd = STDOUT_FILENO, .events = POLLOUT };
	ssize_t put;

	while (n > 0 && !l->broken) {
		if (ppoll(&out, 1, NULL, &l->open) == -1) {
			l->broken = errno != EINTR;
			if (stop_signal != 0)
				return;
			continue;
		}
		put = write(STDOUT_FILENO, p, n < PIECE ? n : PIECE);
		if (put > 0) {
			p += put;
			n -= (size_t)put;
		} else if (put != -1 || (errno != EINTR && errno != EAGAIN))
			l->broken = true;
	}
}

static void
on_message(void *arg, const uint8_t *p, size_t n)
{
	struct line *l = arg;

	if (n > 0 && p[0] == TERMINAL_DATA)
		show(l, p + 1, n - 1);
	else if (n >= TERMINAL_SIZE_BYTES && p[0] == TERMINAL_EXIT) {
		l->ended = true;
		l->status = terminal_exited(p);
	}
}

static int
put_size(struct line *l)
{
	uint8_t message[TERMINAL_SIZE_BYTES];

	terminal_resize(message, tty_size());
	return websocket_put(l->ws, message, sizeof(message));
}

/* What is typed. */
static int
take_input(struct line *l, struct fail *f)
{
	uint8_t message[1 + 4096];
	ssize_t n;

	n = read(STDIN_FILENO, message + 1, sizeof(message) - 1);
	if (n == -1 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n <= 0)
		return fail_set(f, EX_IOERR, "stdin: the terminal is gone");
	message[0] = TERMINAL_DATA;
	if (websocket_put(l->ws, message, (size_t)n + 1) == -1)
		return fail_set(f, EX_OSERR, "out of memory");
	return 0;
}

/*
 * The server's own word of the end: "exit:STATUS", where there was no message
 * of it before, as with older ones.
 */
static int
closed(struct line *l, struct fail *f)
{
	const char *reason = websocket_reason(l->ws);
	char shown[160], *end;
	long n;

	if (!l->ended && strncmp(reason, "exit:", 5) == 0) {
		n = strtol(reason + 5, &end, 10);
		l->ended = end != reason + 5 && *end == '\0' && n >= -255 &&
		    n <= 255;
		l->status = (int)n;
	}
	if (l->ended)
		return 0;
	if (strcmp(reason, "session terminated") == 0)
		return fail_set(f, EX_UNAVAILABLE, "the terminal was ended, or "
		    "its sandbox");
	if (websocket_code(l->ws) != 0)
		return fail_set(f, EX_TEMPFAIL, "the server closed the "
		    "connection (%u%s%s)", websocket_code(l->ws),
		    reason[0] == '\0' ? "" : ": ", fail_show(shown,
		    sizeof(shown), reason, 120));
	return fail_set(f, EX_TEMPFAIL, "the connection is lost; the server "
	    "ends what ran in the terminal");
}

/* Ask who is silent; keep the sandbox; 0, or -1 if nobody is there. */
static int
look(struct line *l, struct fail *f)
{
	int64_t now = clock_ms();

	if (now - l->beat_ms >= (l->reach->x->beating ? BEAT_MS : LOOK_MS)) {
		l->beat_ms = now;
		/* The ping of client/cloud/exchange.h goes on in there. */
		if (exchange_pause(l->reach->x, 1, f) == -1 &&
		    stop_signal == 0)
			return -1;
	}
	if (now - l->heard_ms >= 2 * PING_MS)
		return fail_set(f, EX_TEMPFAIL, "the connection is dead: no "
		    "byte for %d s", 2 * PING_MS / 1000);
	if (now - l->heard_ms >= PING_MS && now - l->asked_ms >= PING_MS) {
		l->asked_ms = now;
		if (websocket_ping(l->ws) == -1)
			return fail_set(f, EX_OSERR, "out of memory");
	}
	return 0;
}

/* Wait: 1 if something was typed. */
static int
await(const struct line *l)
{
	const int64_t ms = l->reach->x->beating ? BEAT_MS : LOOK_MS;
	const struct timespec moment = { .tv_sec = ms / 1000,
	    .tv_nsec = ms % 1000 * 1000000 };
	struct pollfd p[2] = {
		{ .fd = http_stream_fd(l->stream), .events = POLLIN },
		{ .fd = STDIN_FILENO, .events = POLLIN },
	};

	if (websocket_wants_write(l->ws))
		p[0].events |= POLLOUT;
	if (websocket_queued(l->ws) >= AHEAD)
		p[1].fd = -1;
	if (stop_signal != 0 || ppoll(p, 2, &moment, &l->open) <= 0)
		return 0;
	return p[1].revents != 0;
}

static int
follow(struct line *l, struct fail *f)
{
	bool more;

	for (;;) {
		more = websocket_take(l->ws);
		if (stop_signal != 0)
			return fail_set(f, EX_TEMPFAIL, "%s", stop_reason());
		if (l->broken)
			return fail_sys(f, EX_IOERR, "stdout");
		if (tty_resized() && put_size(l) == -1)
			return fail_set(f, EX_OSERR, "out of memory");
		if (look(l, f) == -1)
			return -1;
		if (!websocket_flush(l->ws) || (!more &&
		    !websocket_wants_write(l->ws)))
			return closed(l, f);
		/* A server that says no more: its status is known. */
		if (l->ended && l->said_ms == 0)
			l->said_ms = clock_ms();
		if (l->said_ms != 0 && clock_ms() - l->said_ms >= CLOSE_MS)
			return 0;
		if (await(l) == 1 && take_input(l, f) == -1)
			return -1;
	}
}

/* With the terminal raw: the loop, and a word to the server in the end. */
static int
run(struct line *l, struct fail *f)
{
	static const uint8_t ready[] = { TERMINAL_READY };
	static const int waited[] = { SIGINT, SIGTERM, SIGHUP, SIGALRM,
	    SIGWINCH };
	sigset_t blocked;
	size_t i;
	int r = -1;

	sigemptyset(&blocked);
	for (i = 0; i < sizeof(waited) / sizeof(waited[0]); i++)
		sigaddset(&blocked, waited[i]);
	sigprocmask(SIG_BLOCK, &blocked, &l->open);
	/* Its size may have changed since it was made. */
	if (websocket_put(l->ws, ready, sizeof(ready)) == -1 ||
	    put_size(l) == -1)
		fail_set(f, EX_OSERR, "out of memory");
	else
		r = follow(l, f);
	tty_restore();
	sigprocmask(SIG_SETMASK, &l->open, NULL);
	websocket_close(l->ws, 1000, "");
	websocket_flush(l->ws);
	return r;
}

int
line_run(struct reach *reach, struct http_stream *stream, int *status,
    struct fail *f)
{
	struct line l = { .reach = reach, .stream = stream,
	    .heard_ms = clock_ms() };
	const struct websocket_ops ops = { on_recv, on_send, on_message, &l };
	int r = -1;

	l.ws = websocket_new(WEBSOCKET_CLIENT, MESSAGE_MAX, &ops, f);
	if (l.ws == NULL)
		return -1;
	if (tty_raw(f) == 0)
		r = run(&l, f);
	websocket_free(l.ws);
	*status = l.status;
	return r;
}
