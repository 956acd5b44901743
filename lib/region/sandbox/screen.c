#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/types.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <nettle/memops.h>

#include "core/clock.h"
#include "core/hex.h"
#include "region/sandbox/screen.h"

static uint16_t
within(uint64_t n, unsigned max)
{
	return (uint16_t)(n < 1 ? 1 : n > max ? max : n);
}

struct terminal_size
screen_size(uint64_t rows, uint64_t cols)
{
	return (struct terminal_size){ within(rows, TERMINAL_ROWS_MAX),
	    within(cols, TERMINAL_COLS_MAX) };
}

/* An id that nobody guesses, and a token that is one more secret. */
static int
name(struct screen *s)
{
	static const char letters[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
	uint8_t r[SCREEN_ID - 1], key[(SCREEN_TOKEN - 1) / 2];
	size_t i;

	if (getrandom(r, sizeof(r), 0) != (ssize_t)sizeof(r) ||
	    getrandom(key, sizeof(key), 0) != (ssize_t)sizeof(key))
		return -1;
	for (i = 0; i < sizeof(r); i++)
		s->id[i] = letters[r[i] % 64];
	hex_encode(s->token, key, sizeof(key));
	explicit_bzero(key, sizeof(key));
	return 0;
}

struct screen *
screen_new(const char *folder, struct terminal_size size, struct fail *f)
{
	struct screen *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		fail_set(f, EX_OSERR, "out of memory");
		return NULL;
	}
	s->size = size;
	s->alone_ms = clock_ms();
	s->fd = open(folder, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	if (s->fd != -1 && name(s) == 0)
		return s;
	fail_sys(f, EX_OSERR, "terminal");
	screen_free(s);
	return NULL;
}

void
screen_free(struct screen *s)
{
	if (s == NULL)
		return;
	if (s->fd != -1)
		close(s->fd);
	explicit_bzero(s, sizeof(*s));
	free(s);
}

bool
screen_key(const struct screen *s, const char *token)
{
	return strlen(token) == SCREEN_TOKEN - 1 &&
	    memeql_sec(token, s->token, SCREEN_TOKEN - 1);
}

void
screen_wake(const struct screen *s)
{
	const struct screen_viewer *v;
	uint64_t one = 1;

	/* One that is full has been told. */
	for (v = s->viewers; v != NULL; v = v->next)
		if (write(v->wake, &one, sizeof(one)) == -1)
			continue;
}

/* Whether someone who is ready has so much before him. */
static bool
behind(const struct screen *s, uint64_t much)
{
	const struct screen_viewer *v;

	for (v = s->viewers; v != NULL; v = v->next)
		if (v->ready && s->total - v->at >= much)
			return true;
	return false;
}

void
screen_show(struct screen *s, const void *from, size_t n)
{
	const char *p = from;
	size_t at, m;

	while (n > 0) {
		at = s->total % SCREEN_MAX;
		m = n < SCREEN_MAX - at ? n : SCREEN_MAX - at;
		/* What a full disk does not take is lost. */
		if (pwrite(s->fd, p, m, (off_t)at) != (ssize_t)m)
			break;
		s->total += m;
		p += m;
		n -= m;
	}
	s->held = behind(s, SCREEN_AHEAD);
	screen_wake(s);
}

void
screen_end(struct screen *s)
{
	s->over = true;
	screen_wake(s);
}

int
screen_join(struct screen *s, struct screen_viewer *v)
{
	v->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (v->wake == -1)
		return -1;
	v->at = s->total > SCREEN_MAX ? s->total - SCREEN_MAX : 0;
	v->joined = s->total;
	v->ready = v->taken = false;
	v->next = s->viewers;
	s->viewers = v;
	s->alone_ms = 0;
	return 0;
}

void
screen_leave(struct screen *s, struct screen_viewer *v)
{
	struct screen_viewer **at;

	for (at = &s->viewers; *at != NULL && *at != v; at = &(*at)->next)
		;
	if (*at != NULL)
		*at = v->next;
	close(v->wake);
	if (s->viewers == NULL)
		s->alone_ms = clock_ms();
	s->held = behind(s, SCREEN_AHEAD);
}

ssize_t
screen_take(struct screen *s, struct screen_viewer *v, char *to, size_t max,
    bool *go)
{
	size_t at;
	ssize_t n;

	*go = false;
	if (s->total - v->at > SCREEN_MAX) {
		if (v->taken || (!v->ready &&
		    s->total - v->joined > SCREEN_MAX))
			return -1;
		v->at = s->total - SCREEN_MAX;
	}
	at = v->at % SCREEN_MAX;
	if (max > s->total - v->at)
		max = (size_t)(s->total - v->at);
	if (max > SCREEN_MAX - at)
		max = SCREEN_MAX - at;
	if (max == 0)
		return 0;
	n = pread(s->fd, to, max, (off_t)at);
	if (n <= 0)
		return -1;
	v->at += (uint64_t)n;
	v->taken = true;
	if (s->held && !behind(s, SCREEN_AHEAD / 2)) {
		s->held = false;
		*go = true;
	}
	return n;
}
