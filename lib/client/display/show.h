#ifndef TL_CLIENT_SHOW_H
#define TL_CLIENT_SHOW_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>

#include "client/display/progress.h"
#include "core/fail.h"

/*
 * The display of a build: a process of its own, which is told lines and shows
 * them on a descriptor that may be a terminal, a pager, or a pipe that nobody
 * reads.
 *
 * Telling never blocks and never fails.  What cannot be passed on waits in
 * memory, up to SHOW_HELD bytes; text that does not fit is left out, and how
 * much is said once there is room.  Events are kept in any case.
 */
struct show {
	pid_t		 pid;		/* 0: there is none */
	int		 fd;		/* to it; -1 */
	struct buf	 held;		/* not passed on yet, from at on */
	size_t		 at;
	size_t		 left_out;	/* lines */
	const char	*mark;
};

#define SHOW_HELD	(1UL << 20)

/* Shows on descriptor to.  options and its strings must outlive it. */
int	show_start(struct show *, const struct progress_options *, int to,
	    struct fail *);
/* A whole line, its newline included; event: it begins with the mark. */
void	show_line(struct show *, const char *, size_t n, bool event);
/* Pass on what can be; true if something is left. */
bool	show_push(struct show *);
/* Nothing moves while we are stopped. */
void	show_pause(const struct show *, bool);
/* Let it show the rest, for so long at most; then it is ended. */
void	show_end(struct show *, int ms);
/* Leave at once. */
void	show_kill(struct show *);

/* "auto", "plain", "json" or "none" for that descriptor; -1: another word. */
int	show_mode(const char *word, int fd);
/* Of the terminal, or 80. */
unsigned show_columns(int fd);

#endif
