#include <errno.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "client/context/extents.h"

/* A hole below this is sent: it costs less than its place in the map. */
#define HOLE_MIN	(64 << 10)

static int
add(struct extents *e, uint64_t at, uint64_t end, struct fail *f)
{
	struct extent *last = e->n > 0 ? e->list + e->n - 1 : NULL, *p;

	if (last != NULL && at - (last->at + last->len) < HOLE_MIN) {
		last->len = end - last->at;
		return 0;
	}
	/* Room doubles whenever the count reaches a power of two. */
	if ((e->n & (e->n - 1)) == 0) {
		p = reallocarray(e->list, e->n == 0 ? 1 : 2 * e->n,
		    sizeof(*p));
		if (p == NULL)
			return fail_set(f, EX_OSERR, "out of memory");
		e->list = p;
	}
	e->list[e->n].at = at;
	e->list[e->n++].len = end - at;
	return 0;
}

int
extents_find(struct extents *e, int fd, const struct stat *st,
    struct fail *f)
{
	off_t at = 0, end, size = st->st_size;
	uint64_t bytes = 0;
	size_t i;

	if (size < HOLE_MIN || (uint64_t)st->st_blocks * 512 >=
	    (uint64_t)size)
		return 0;
	while (at < size) {
		if ((at = lseek(fd, at, SEEK_DATA)) == -1) {
			/* No more, or a file system that cannot tell. */
			if (errno == ENXIO)
				break;
			extents_free(e);
			return errno == EINVAL || errno == EOPNOTSUPP ? 0 :
			    fail_sys(f, EX_IOERR, "SEEK_DATA");
		}
		if (at >= size)
			break;
		if ((end = lseek(fd, at, SEEK_HOLE)) == -1 || end <= at ||
		    end > size)
			end = size;
		if (add(e, (uint64_t)at, (uint64_t)end, f) == -1)
			return -1;
		at = end;
	}
	if (lseek(fd, 0, SEEK_SET) == -1)
		return fail_sys(f, EX_IOERR, "lseek");
	for (i = 0; i < e->n; i++)
		bytes += e->list[i].len;
	if ((uint64_t)size - bytes >= HOLE_MIN)
		return 1;
	extents_free(e);
	return 0;
}

void
extents_free(struct extents *e)
{
	free(e->list);
	e->list = NULL;
	e->n = 0;
}
