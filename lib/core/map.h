#ifndef TL_CORE_MAP_H
#define TL_CORE_MAP_H

#include <sys/stat.h>

#include "core/buf.h"
#include "core/fail.h"

/*
 * A whole file to look at.  A long regular file is mapped, which saves reading
 * it into fresh memory, three times the price of looking through it; anything
 * else is read, what is long from a pipe into large pages.
 *
 * A file that someone changes meanwhile would change under our eyes: call
 * map_same() before its bytes go anywhere.  One that becomes shorter raises
 * SIGBUS, so a program that maps calls map_guard() first.
 */
struct map {
	const char	*data;		/* no NUL behind the last byte */
	size_t		 len;
	const char	*name;		/* for messages: the path, or "stdin" */
	/* Private. */
	struct buf	 read;
	void		*room;		/* or NULL: what a pipe was read into */
	size_t		 room_len;
	int		 fd;		/* of a mapped file, or -1 */
	struct stat	 was;
};

#define MAP_INIT(max)	{ .read = BUF_INIT(max), .fd = -1 }

/* "-" is stdin.  Statuses as buf_load(). */
int	map_load(struct map *, const char *path, struct fail *);

/* EX_TEMPFAIL if the file is not what it was. */
int	map_same(const struct map *, struct fail *);

/* On SIGBUS: "PROGRAM: a file became shorter ...", EX_TEMPFAIL. */
void	map_guard(void);

/* May be called twice. */
void	map_free(struct map *);

#endif
