#ifndef TL_REGION_SANDBOXES_H
#define TL_REGION_SANDBOXES_H

#include "core/fail.h"
#include "region/sandbox/host.h"
#include "region/sandbox/sandbox.h"
#include "region/serve/serve.h"

/*
 * All sandboxes of a daemon, in one folder: state/ID/ is a sandbox's, see
 * region/sandbox/folder.h.
 */
struct sandboxes;

/*
 * Take the folder, alone (EX_UNAVAILABLE if another daemon has it), and
 * remove what a crashed daemon left there.  Signals are blocked before: it
 * makes a thread.
 */
struct sandboxes *sandboxes_open(const struct host_options *, struct fail *);
const struct host *sandboxes_host(const struct sandboxes *);
/* For the log, once there is a server. */
void	sandboxes_serve(struct sandboxes *, const struct serve *);
/* What they all reach. */
enum network_kind sandboxes_network(const struct sandboxes *);
/* End all and wait for it; from here on none is made. */
void	sandboxes_end(struct sandboxes *);
/* After sandboxes_end(), when no request is under way any more. */
void	sandboxes_close(struct sandboxes *);

/*
 * A new sandbox, and a reference to it: 1.  With an idempotency key that its
 * project has used: that sandbox, 0, or -1 with EX_DATAERR if the specs
 * differ.  -1 with EX_TEMPFAIL when there are too many.
 */
int	sandboxes_create(struct sandboxes *, struct sandbox_spec *,
	    struct sandbox **, struct fail *);
/* A reference to one of this project's, ended ones for a while; or NULL. */
struct sandbox *sandboxes_find(struct sandboxes *, const char *id,
	    const struct key *);
/* For each of this project's, newest first. */
void	sandboxes_each(struct sandboxes *, const struct key *,
	    void (*)(void *arg, struct sandbox *), void *arg);

#endif
