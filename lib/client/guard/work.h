#ifndef TL_CLIENT_WORK_H
#define TL_CLIENT_WORK_H

#include <stdbool.h>

#include "core/buf.h"
#include "core/fail.h"

/*
 * A build's folder: its documents, for nobody but the user (0700), its log,
 * and the command that is run again by --resume.  What is private in it gets
 * into no image: it has the mark that tl-context(1) leaves out.
 *
 * The ledger is beside it, in the state folder, so that tl-reap finds it; for
 * a folder elsewhere under a name made of its path; where there is no state
 * folder, in the folder itself.
 */
struct work {
	char	*path;		/* absolute, links resolved */
	char	*ledger;
	bool	 own;		/* below the state folder: ours to remove */
	bool	 resumed;
};

#define WORK_INIT	{ .path = NULL }

/*
 * The state folder, made if it is not there; malloc'ed, or NULL: EX_CONFIG
 * where there is none, EX_CANTCREAT.
 */
char	*work_state(struct fail *);

/* A new one below the state folder.  EX_CONFIG, EX_CANTCREAT. */
int	work_new(struct work *, struct fail *);
/*
 * The one that is named, made if it is not there: EX_CANTCREAT if it holds an
 * earlier build or, without the mark, anything; EX_NOPERM if it is another
 * user's.
 */
int	work_named(struct work *, const char *dir, struct fail *);
/* One that a build has left: EX_NOINPUT, EX_NOPERM. */
int	work_resume(struct work *, const char *dir, struct fail *);
void	work_free(struct work *);

/* A file's path in it; malloc'ed, or NULL. */
char	*work_file(const struct work *, const char *name);

/*
 * Where and what is run, for --resume: the working folder and tl-guard's
 * words, its own options, "--" and the command.  Reading, from the folder of
 * that name: each string is malloc'ed, as is *words, NULL at its end.
 */
int	work_save(const struct work *, const char *cwd,
	    char *const words[], struct fail *);
int	work_load(const char *dir, char **cwd, char ***words, struct fail *);

/*
 * Documents that a stopped program has written whole, but under the name they
 * have until then, get their own.
 */
void	work_promote(const struct work *);
/*
 * Nothing that is signed, and no credential, outlives the build it was made
 * for; which object it was may yet be registered (target.json).  keep: what a
 * kept sandbox may be used with stays.
 */
void	work_tidy(const struct work *, bool ended_well, bool keep);
/* With all that is in it; links are not followed. */
void	work_remove(const struct work *);

#endif
