#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <isa-l/igzip_lib.h>
#include <zlib.h>

#include "client/context/gzip.h"

/* Both stay in the second-level cache, and are a few pipes' worth. */
#define IN_SIZE		(256UL << 10)
#define OUT_SIZE	(128UL << 10)

struct gzip {
	enum gzip_with		 with;
	int			 fd;
	const char		*name;
	size_t			 have;		/* bytes in in[] */
	size_t			 made;		/* bytes in out[] */
	struct isal_zstream	 isal;
	z_stream		 zlib;
	int			 zlib_open;
	unsigned char		 level[ISAL_DEF_LVL1_DEFAULT];
	unsigned char		 in[IN_SIZE];
	unsigned char		 out[OUT_SIZE];
};

int
gzip_open(struct gzip **out, enum gzip_with with, int fd, const char *name,
    struct fail *f)
{
	struct gzip *g;

	if ((g = calloc(1, sizeof(*g))) == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	g->with = with;
	g->fd = fd;
	g->name = name;
	if (with == GZIP_ISAL) {
		isal_deflate_init(&g->isal);
		g->isal.gzip_flag = IGZIP_GZIP;
		g->isal.level = 1;
		g->isal.level_buf = g->level;
		g->isal.level_buf_size = sizeof(g->level);
	} else {
		/* 15 bits of window, and 16 for a gzip header. */
		if (deflateInit2(&g->zlib, 1, Z_DEFLATED, 15 + 16, 9,
		    Z_DEFAULT_STRATEGY) != Z_OK) {
			free(g);
			return fail_set(f, EX_OSERR, "out of memory");
		}
		g->zlib_open = 1;
	}
	*out = g;
	return 0;
}

static int
write_out(struct gzip *g, struct fail *f)
{
	size_t done = 0;
	ssize_t n;

	while (done < g->made) {
		n = write(g->fd, g->out + done, g->made - done);
		if (n >= 0)
			done += (size_t)n;
		else if (errno != EINTR)
			return fail_sys(f, EX_IOERR, "%s", g->name);
	}
	g->made = 0;
	return 0;
}

/* One go of the compressor over what is left of in[]; 1: it is through. */
static int
deflate_some(struct gzip *g, size_t *at, int last, struct fail *f)
{
	int r, through;

	if (g->with == GZIP_ISAL) {
		g->isal.next_in = g->in + *at;
		g->isal.avail_in = (uint32_t)(g->have - *at);
		g->isal.next_out = g->out + g->made;
		g->isal.avail_out = (uint32_t)(OUT_SIZE - g->made);
		g->isal.end_of_stream = (uint16_t)last;
		r = isal_deflate(&g->isal);
		*at = g->have - g->isal.avail_in;
		g->made = OUT_SIZE - g->isal.avail_out;
		if (r != COMP_OK)
			return fail_set(f, EX_SOFTWARE, "isal_deflate: %d", r);
		through = last ?
		    g->isal.internal_state.state == ZSTATE_END :
		    *at == g->have && g->isal.avail_out > 0;
	} else {
		g->zlib.next_in = g->in + *at;
		g->zlib.avail_in = (uInt)(g->have - *at);
		g->zlib.next_out = g->out + g->made;
		g->zlib.avail_out = (uInt)(OUT_SIZE - g->made);
		r = deflate(&g->zlib, last ? Z_FINISH : Z_NO_FLUSH);
		*at = g->have - g->zlib.avail_in;
		g->made = OUT_SIZE - g->zlib.avail_out;
		if (r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR)
			return fail_set(f, EX_SOFTWARE, "deflate: %d", r);
		through = last ? r == Z_STREAM_END :
		    *at == g->have && g->zlib.avail_out > 0;
	}
	return through;
}

static int
compress_in(struct gzip *g, int last, struct fail *f)
{
	size_t at = 0;
	int r;

	do {
		if ((r = deflate_some(g, &at, last, f)) == -1)
			return -1;
		if ((g->made == OUT_SIZE || (last && r == 1)) &&
		    write_out(g, f) == -1)
			return -1;
	} while (r == 0);
	g->have = 0;
	return 0;
}

char *
gzip_room(struct gzip *g, size_t *n)
{
	*n = IN_SIZE - g->have;
	return (char *)g->in + g->have;
}

int
gzip_filled(struct gzip *g, size_t n, struct fail *f)
{
	g->have += n;
	return g->have == IN_SIZE ? compress_in(g, 0, f) : 0;
}

int
gzip_add(struct gzip *g, const void *p, size_t n, struct fail *f)
{
	const char *s = p;
	size_t room;
	char *to;

	while (n > 0) {
		to = gzip_room(g, &room);
		if (room > n)
			room = n;
		memcpy(to, s, room);
		if (gzip_filled(g, room, f) == -1)
			return -1;
		s += room;
		n -= room;
	}
	return 0;
}

int
gzip_zeros(struct gzip *g, size_t n, struct fail *f)
{
	static const char zeros[1024];
	size_t some;

	for (; n > 0; n -= some) {
		some = n < sizeof(zeros) ? n : sizeof(zeros);
		if (gzip_add(g, zeros, some, f) == -1)
			return -1;
	}
	return 0;
}

int
gzip_end(struct gzip *g, struct fail *f)
{
	return compress_in(g, 1, f);
}

void
gzip_free(struct gzip *g)
{
	if (g == NULL)
		return;
	if (g->zlib_open)
		deflateEnd(&g->zlib);
	free(g);
}
