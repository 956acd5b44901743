#ifndef TL_CLIENT_LEDGER_H
#define TL_CLIENT_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "client/cloud/cloud.h"
#include "core/fail.h"
#include "core/span.h"

/*
 * What a build has made elsewhere, on disk before the request leaves, so that
 * a build that dies at any moment leaves a trace of what it must undo:
 * the file format of tl-ledger(5).
 *
 * Writing.  The file is the one that TL_LEDGER names; without the variable
 * nothing is written and all of this succeeds.  Each line is appended in one
 * write and on the disk when the function returns.  The functions take NULL
 * for a ledger, too.
 */
struct ledger {
	char	*path;		/* NULL: none is kept */
	int	 fd;
};

#define LEDGER_INIT	{ NULL, -1 }

/*
 * TL_LEDGER's file, made if it is not there (0600); but not under tl-guard
 * (TL_MARK): its own ledger was there, and nobody would read another one.
 * EX_CANTCREAT.
 *
 * An open ledger has a lock of its own (fcntl(2), for reading), besides that
 * of the build (flock(2)): whoever makes something must be let to say what it
 * was, though its build has been killed.
 */
int	ledger_open(struct ledger *, struct fail *);
void	ledger_close(struct ledger *);

enum ledger_kind {
	LEDGER_BUILD,		/* prepared; cannot be taken back */
	LEDGER_SANDBOX,
	LEDGER_UPLOAD,
	LEDGER_TEMPLATE,	/* registered; is to stay */
};

/*
 * A request that makes something is about to leave, under this key.  cloud is
 * whom it goes to, detail what else is needed to ask again: no blank in key,
 * no newline in detail, no secret in either.  If it fails, do not send.
 */
int	ledger_intent(struct ledger *, enum ledger_kind, const char *key,
	    const struct cloud *, const char *detail, struct fail *);
/* It was made, and is called so; or certainly was not. */
int	ledger_made(struct ledger *, enum ledger_kind, const char *key,
	    const char *id, struct fail *);
int	ledger_none(struct ledger *, enum ledger_kind, const char *key,
	    struct fail *);
/* It is not ours to undo any more: deleted, aborted, or used. */
int	ledger_gone(struct ledger *, enum ledger_kind, const char *id,
	    struct fail *);

/*
 * An upload: what ends it is a URL that is a key, so that goes into a file of
 * its own beside the ledger (0600), which tl-abort reads; the line has a
 * digest as its id.  A block without an abortUrl cannot be undone and is
 * written as none.
 */
int	ledger_upload(struct ledger *, const char *key,
	    const struct span *block, struct fail *);
int	ledger_upload_gone(struct ledger *, const struct span *block,
	    struct fail *);

/* The first line: which folder the build has. */
int	ledger_folder(struct ledger *, const char *path, struct fail *);
/* The sandbox is left on purpose. */
int	ledger_keep(struct ledger *, const char *id, struct fail *);

/* A key for a request that has none of its own. */
#define LEDGER_KEY	33
int	ledger_key(char key[LEDGER_KEY], struct fail *);

/*
 * Reading: the entries in the order in which they were asked for, each with
 * what came of it.  Lines that are no entry are passed over: what was cut by a
 * crash was not yet acted upon.
 */
enum ledger_state {
	LEDGER_ASKED,		/* no answer was seen */
	LEDGER_MADE,
	LEDGER_OVER,		/* nothing is to be done */
};

struct ledger_entry {
	enum ledger_kind	 kind;
	enum ledger_state	 state;
	bool			 keep;		/* left on purpose */
	time_t			 at;		/* when asked for */
	char			*key;
	char			*id;		/* NULL: not known */
	char			*as;		/* ledger_as() then */
	char			*api, *ns;
	char			*detail;	/* or NULL */
};

struct ledger_list {
	struct ledger_entry	*list;
	size_t			 n;
	char			*folder;	/* of the build, or NULL */
};

/* From an open file, which name is for messages. */
int	ledger_read(struct ledger_list *, int fd, const char *name,
	    struct fail *);
void	ledger_list_free(struct ledger_list *);
const char	*ledger_word(enum ledger_kind);

/*
 * Which credential: a short digest, as another one's answer "not found" says
 * nothing about what this one made.
 */
#define LEDGER_AS	9
void	ledger_as(char as[LEDGER_AS], const struct cloud *);

/*
 * Take an open ledger, as build or as tl-reap: 1; 0 if a build, a tl-reap or
 * somebody who makes something has it; -1.  Closing the file lets go of it.
 */
int	ledger_lock(int fd, const char *name, struct fail *);

/* The file beside a ledger that holds an upload's abortUrl; malloc'ed. */
char	*ledger_upload_path(const char *ledger, const char *id);
/*
 * For each file beside a ledger, also one that a crash left half written or
 * without a line of its own: its path.
 */
int	ledger_beside(const char *ledger, void (*each)(void *arg,
	    const char *path), void *arg, struct fail *);

#endif
