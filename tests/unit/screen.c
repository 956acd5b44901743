/* What a terminal has shown: the last of it, for each viewer from the first. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "region/sandbox/screen.h"

#include "unit.h"

#define OK(c) UNIT_CHECK(c, "%s", #c)

static char piece[SCREEN_MAX / 8];

/* All that a viewer has before it: how many bytes, -1 if some are lost. */
static ssize_t
take(struct screen *s, struct screen_viewer *v, bool *go)
{
	static char text[50000];
	ssize_t n, all = 0;
	bool now;

	*go = false;
	while ((n = screen_take(s, v, text, sizeof(text), &now)) > 0) {
		*go |= now;
		all += n;
	}
	return n == -1 ? -1 : all;
}

int
main(void)
{
	struct terminal_size size = screen_size(0, 5000);
	struct screen_viewer a = { .at = 0 }, b = { .at = 0 };
	char text[16];
	struct screen *s, *t;
	struct fail f;
	bool go;
	int i;

	OK(size.rows == 1 && size.cols == 1000);
	size = screen_size(UINT64_MAX, 80);
	OK(size.rows == 500 && size.cols == 80);
	OK((s = screen_new("/tmp", size, &f)) != NULL);
	OK((t = screen_new("/tmp", size, &f)) != NULL);
	OK(strlen(s->id) == SCREEN_ID - 1 && strcmp(s->id, t->id) != 0);
	OK(screen_key(s, s->token) && !screen_key(s, t->token) &&
	    !screen_key(s, "") && strlen(s->token) == 64);
	screen_free(t);
	OK(screen_new("/nonexistent", size, &f) == NULL);

	/* Nobody looks: it is kept, up to so much, and holds nothing up. */
	screen_show(s, "first", 5);
	OK(screen_join(s, &a) == 0 && s->alone_ms == 0);
	OK(screen_take(s, &a, text, sizeof(text), &go) == 5 &&
	    memcmp(text, "first", 5) == 0 && !go);
	screen_leave(s, &a);
	OK(s->alone_ms != 0);
	for (i = 0; i < 9; i++) {
		memset(piece, 'a' + i, sizeof(piece));
		screen_show(s, piece, sizeof(piece));
	}
	OK(!s->held && s->total == 5 + 9 * sizeof(piece));
	OK(screen_join(s, &a) == 0);
	OK(screen_take(s, &a, text, 2, &go) == 2);
	/* The last MiB begins 5 bytes into the second piece. */
	OK(memcmp(text, "bb", 2) == 0);
	OK(take(s, &a, &go) == (ssize_t)SCREEN_MAX - 2 && !go);

	/* One that is not ready loses some; one that is holds it up. */
	OK(screen_join(s, &b) == 0);
	OK(take(s, &b, &go) == (ssize_t)SCREEN_MAX);
	a.ready = true;
	for (i = 0; i < 2; i++)
		screen_show(s, piece, sizeof(piece));
	OK(s->held);
	OK(screen_take(s, &a, text, 1, &go) == 1 && !go && s->held);
	OK(take(s, &a, &go) == 2 * (ssize_t)sizeof(piece) - 1 && go &&
	    !s->held);
	for (i = 0; i < 6; i++) {
		screen_show(s, piece, sizeof(piece));
		take(s, &a, &go);
	}
	OK(take(s, &b, &go) == (ssize_t)SCREEN_MAX);
	screen_show(s, "x", 1);
	for (i = 0; i < 8; i++) {
		screen_show(s, piece, sizeof(piece));
		take(s, &a, &go);
	}
	OK(take(s, &b, &go) == -1);
	for (i = 0; i < 2; i++)
		screen_show(s, piece, sizeof(piece));
	OK(s->held);
	screen_leave(s, &a);
	OK(!s->held);
	/* Who gets ready late begins later; who does not at all is lost. */
	OK(screen_join(s, &a) == 0);
	screen_show(s, "x", 1);
	OK(screen_take(s, &a, text, 0, &go) == 0);
	for (i = 0; i < 9; i++)
		screen_show(s, piece, sizeof(piece));
	OK(screen_take(s, &a, text, 0, &go) == -1);
	a.ready = true;
	OK(take(s, &a, &go) == (ssize_t)SCREEN_MAX);
	screen_leave(s, &a);
	screen_end(s);
	OK(s->over);
	screen_leave(s, &b);
	screen_free(s);
	screen_free(NULL);
	return unit_end();
}
