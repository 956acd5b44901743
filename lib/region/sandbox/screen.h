#ifndef TL_REGION_SCREEN_H
#define TL_REGION_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/fail.h"
#include "core/terminal.h"

/*
 * What a process with a terminal has shown, for whoever looks at it: the last
 * SCREEN_MAX bytes, in an unlinked file, so it costs no memory and begins anew
 * for each viewer.
 *
 * A viewer that is ready is waited for: what it has not yet taken stays, and
 * once that is SCREEN_AHEAD nothing more is to be read of the process.  One
 * that is not holds nothing up: when it gets ready it begins with the last
 * SCREEN_MAX bytes, and it is lost if so many come before.  Without a viewer
 * nothing is held up either.
 *
 * Under the sandbox's lock.
 */
#define SCREEN_MAX	(1UL << 20)
#define SCREEN_AHEAD	(256UL << 10)
#define SCREEN_ID	22	/* with its NUL */
#define SCREEN_TOKEN	65

struct screen_viewer {
	struct screen_viewer	*next;
	int			 wake;	/* an eventfd: there is something new */
	uint64_t		 at;	/* what it takes next */
	uint64_t		 joined;	/* what had been shown by then */
	bool			 taken;	/* it has something of it */
	bool			 ready;
};

struct screen {
	char			 id[SCREEN_ID];
	char			 token[SCREEN_TOKEN];	/* a key */
	struct terminal_size	 size;
	int			 fd;
	uint64_t		 total;		/* bytes shown in all */
	bool			 held;		/* read no more for now */
	bool			 over;		/* nothing more will come */
	struct screen_viewer	*viewers;
	int64_t			 alone_ms;	/* monotonic; 0: viewed */
	int64_t			 kill_ms;	/* when it is killed; or 0 */
};

/* A size within what there is. */
struct terminal_size screen_size(uint64_t rows, uint64_t cols);

/* folder: where the file is made.  NULL if it cannot be. */
struct screen *screen_new(const char *folder, struct terminal_size,
	    struct fail *);
void	screen_free(struct screen *);
/* Whether that is its token, in a time that says nothing of it. */
bool	screen_key(const struct screen *, const char *);

/* The process has shown this; or it will show no more. */
void	screen_show(struct screen *, const void *, size_t);
void	screen_end(struct screen *);
/* Viewers shall look what has become of it. */
void	screen_wake(const struct screen *);

/* A viewer, which begins with what is there: 0, or -1 without descriptors. */
int	screen_join(struct screen *, struct screen_viewer *);
void	screen_leave(struct screen *, struct screen_viewer *);
/*
 * What a viewer takes next: how many bytes, 0 if it has all, -1 if it has lost
 * some.  True in *go: the process is to be read on.
 */
ssize_t	screen_take(struct screen *, struct screen_viewer *, char *, size_t,
	    bool *go);

#endif
