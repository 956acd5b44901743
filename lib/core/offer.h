#ifndef TL_CORE_OFFER_H
#define TL_CORE_OFFER_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"
#include "core/fail.h"
#include "core/usage.h"

/*
 * What may stand next on a program's command line, by its usage text: what a
 * shell offers.
 *
 * Options, verbs, and words where the text has some: "--progress MODE  auto,
 * plain or json" takes one of three.  A value or an operand in capitals says by
 * its name what it is: FILE, PLAN and the like are files; DIR, FOLDER and
 * CONTEXT folders; NAME|ID images; of COMMAND, the first is a program.  What is
 * said of an option as "rm: ..." or "up, run: ..." is for these verbs alone.
 */
enum offer_kind {
	OFFER_WORDS,		/* those of the list, and nothing else */
	OFFER_FILES,		/* and files */
	OFFER_FOLDERS,		/* and folders */
	OFFER_COMMANDS		/* and programs */
};

enum offer_names {
	OFFER_NO_NAMES,
	OFFER_IMAGES,		/* and names of images, see offer_add() */
	OFFER_BUILDS		/* and folders of builds that failed */
};

struct offer {
	enum offer_kind	 kind;
	enum offer_names names;
	size_t		 before;	/* bytes of the word before a value */
	struct buf	 list;		/* WORD, a tab, TEXT, a newline */
	const char	*word;		/* what is there of it */
};

#define OFFER_INIT	{ .list = BUF_INIT(BUF_SMALL_MAX) }

/*
 * words: those behind the program's name, the last being the one that is
 * asked about; it may be empty.  They must outlive the offer.
 */
int	offer_next(struct offer *, const struct usage *, const char *text,
	    char *const words[], size_t n, struct fail *);

/*
 * One more for the list, if the word begins so.  What might mean something to
 * a shell or a terminal is left out: it is of letters and digits of any script
 * and -._/:@ and does not begin like an option.  text is ours, or NULL.
 */
int	offer_add(struct offer *, const char *value, const char *text,
	    struct fail *);

void	offer_free(struct offer *);

#endif
