#ifndef TL_CLIENT_STEPS_H
#define TL_CLIENT_STEPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What the builder does within a stage, and how long each step takes.
 *
 * A step begins with a line that says so: buildah's "STEP 2/4: RUN make", its
 * "COMMIT", either with the Dockerfile's stage before it, "[1/2] "; or what
 * tl-rootfs-build does before and behind those.  It ends where the next begins,
 * or the stage ends.
 */
#define STEPS_KEPT	8	/* the longest ones; a Dockerfile may have hundreds */
#define STEPS_LEAST_MS	100	/* shorter ones are not worth a line */

struct step {
	char	what[64];
	int64_t	ms;
};

struct steps {
	struct step	kept[STEPS_KEPT];	/* as they came */
	size_t		n;
	struct step	now;
	int64_t		begun_ms;
	bool		open;
};

/*
 * An instruction of the Dockerfile that a line says is begun, as in
 * "[1/2] STEP 2/4: RUN make (Dockerfile:7)".  The stages are 0 where the line
 * has none, and so is the Dockerfile's line.
 */
struct step_of {
	unsigned	 stage, stages;
	unsigned	 n, of;
	unsigned	 line;
	const char	*text;	/* of that line, text_len bytes */
	size_t		 text_len;
};

/* Whether the line is such a one. */
bool	steps_read(struct step_of *, const char *line);

/* A line of the builder's, at that time. */
void	steps_line(struct steps *, const char *, int64_t now_ms);
/* The last one has ended. */
void	steps_end(struct steps *, int64_t now_ms);

/* Whether it is only that buildah copies layers: one line a layer, each time. */
bool	steps_copying(const char *line);

#endif
