#ifndef TL_REGION_BOXES_H
#define TL_REGION_BOXES_H

#include "core/fail.h"
#include "region/box/box.h"
#include "region/box/release.h"
#include "region/serve/serve.h"

/*
 * All sandboxes of a daemon, in one folder: state/ID/ is a sandbox's, with
 * its disk, and owner.json while it counts as running.  That becomes
 * ended.json, and stays until its uploads are given back, see
 * region/box/release.h.
 */
struct boxes_options {
	const char	*state;		/* made if it is not there */
	const char	*tools;		/* or NULL */
	const char	*cell;		/* the program tl-cell */
	const char	*dataplane;	/* path of its socket, or NULL */
};

/*
 * Take the folder, alone (EX_UNAVAILABLE if another daemon has it), and
 * remove what a crashed daemon left there.  Signals are blocked before: it
 * makes a thread.
 */
struct boxes *boxes_open(const struct boxes_options *, struct fail *);
/* For the log, once there is a server. */
void	boxes_serve(struct boxes *, const struct serve *);
/* End all and wait for it; from here on none is made. */
void	boxes_end(struct boxes *);
/* After boxes_end(), when no request is under way any more. */
void	boxes_close(struct boxes *);

/*
 * A new sandbox, and a reference to it: 1.  With an idempotency key that its
 * project has used: that sandbox, 0, or -1 with EX_DATAERR if the specs
 * differ.  -1 with EX_TEMPFAIL when there are too many.
 */
int	boxes_create(struct boxes *, const struct box_spec *, struct box **,
	    struct fail *);
/* A reference to one of this project's, ended ones for a while; or NULL. */
struct box *boxes_find(struct boxes *, const char *id, const struct key *);
/* For each of this project's, newest first. */
void	boxes_each(struct boxes *, const struct key *,
	    void (*)(void *arg, struct box *), void *arg);

/* For box.c and what it is made of. */
const struct boxes_options *boxes_options(const struct boxes *);
const struct cgroup_host *boxes_cgroups(const struct boxes *);
struct releases *boxes_releases(const struct boxes *);
void	boxes_log(const struct boxes *, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));
/* Remove a folder with the files and empty folders in it. */
void	boxes_remove(const char *folder);
/* It is over: owner.json is ended.json from here on. */
void	boxes_owner_ended(const char *folder);
/* Of a sandbox that ended, remove all but what giving back uploads needs. */
void	boxes_strip(const char *folder);

#endif
