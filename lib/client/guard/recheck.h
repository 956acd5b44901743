#ifndef TL_CLIENT_RECHECK_H
#define TL_CLIENT_RECHECK_H

#include <stdbool.h>

#include "client/cloud/settings.h"
#include "core/fail.h"

/*
 * Which documents of a build that is taken up again can no longer be used, and
 * why: the rules first, then their doing.
 */

/* What there is, as far as it could be told. */
enum recheck_document {
	RECHECK_MISSING,
	RECHECK_BAD,		/* there, and not what it should be */
	RECHECK_GOOD,
	RECHECK_EXPIRED,	/* what is signed in it ends soon */
};

struct recheck {
	enum recheck_document	prepared, sandbox, signed_, metadata,
				template;	/* one that is BAD goes */
	bool			legacy;		/* prepared holds the upload */
	bool			plan_same;
	bool			context_same;	/* or there is none */
	bool			begun;		/* the builder was started */
	bool			gone;		/* the sandbox */
};

/* From where the build goes on; all behind it is made anew. */
enum recheck_from {
	RECHECK_NOTHING,	/* the image is registered */
	RECHECK_ON,		/* all that is there can be used */
	RECHECK_PREPARE,
	RECHECK_SANDBOX,
	RECHECK_SIGN,
};

/* *why: a line for the person, NULL where there is nothing to say. */
enum recheck_from recheck_rule(const struct recheck *, const char **why);

/*
 * In the build folder at work, where plan.new is what the Dockerfile says now
 * and context.new the digest of the context (not there: no context): look,
 * undo by the ledger what can no longer be used, remove those documents, and
 * let plan.new be plan.json.  Told each thing in a line.  EX_TEMPFAIL where a
 * server does not answer.
 */
int	recheck_folder(const char *work, const struct settings *,
	    bool verbose, void (*note)(const char *), struct fail *);

#endif
